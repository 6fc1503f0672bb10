package dev.holdover.vmstate;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** What fuzzing has found, and where it begins, once more: src/fuzz/java has the fuzzer. */
class StateReaderCorpusTest {
    @Test
    void everyInputIsReadOrRefused() throws Exception {
        File[] inputs = Path.of(StateReaderCorpusTest.class
                        .getResource("StateReaderFuzzInputs")
                        .toURI())
                .toFile()
                .listFiles();
        assertThat(inputs).isNotEmpty();
        for (File input : inputs) {
            StateReaderTarget.run(Files.readAllBytes(input.toPath()));
        }
    }
}
