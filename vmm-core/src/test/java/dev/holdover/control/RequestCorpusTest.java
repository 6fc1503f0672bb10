package dev.holdover.control;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** What fuzzing has found, and where it begins, once more: src/fuzz/java has the fuzzer. */
class RequestCorpusTest {
    @Test
    void everyInputIsTakenOrRefused() throws Exception {
        File[] inputs = Path.of(
                        RequestCorpusTest.class.getResource("RequestFuzzInputs").toURI())
                .toFile()
                .listFiles();
        assertThat(inputs).isNotEmpty();
        for (File input : inputs) {
            RequestTarget.run(Files.readAllBytes(input.toPath()));
        }
    }
}
