package dev.holdover.liveupdate;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
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
        for (File input : inputs) {
            try {
                LuodTarget.run(Files.readAllBytes(input.toPath()));
            } catch (AssertionError e) {
                throw new AssertionError(input.getName(), e);
            }
        }
    }
}
