package dev.holdover.liveupdate;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What fuzzing has found, and where it begins, once more: src/fuzz/java has the fuzzer. */
class LuodCorpusTest {
    @Test
    void everyHostileClientIsServedOrRefused() throws Exception {
        File[] inputs = Path.of(
                        LuodCorpusTest.class.getResource("LuodFuzzInputs").toURI())
                .toFile()
                .listFiles();
        assertThat(inputs).isNotEmpty();
        Set<String> heard = new HashSet<>();
        for (File input : inputs) {
            try {
                heard.addAll(LuodTarget.run(Files.readAllBytes(input.toPath())));
            } catch (AssertionError e) {
                throw new AssertionError(input.getName(), e);
            }
        }
        assertThat(heard)
                .as("the inputs get this far")
                .contains(
                        "SUBSCRIBED",
                        "PREPARE",
                        "START_PRESERVATION",
                        "ABORT",
                        "TURNED",
                        "SESSION",
                        "NO_SESSION",
                        "ERROR",
                        "STATUS",
                        "ABORTED");
    }
}
