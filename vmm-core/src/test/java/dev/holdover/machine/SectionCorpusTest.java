package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.file.Files;
import org.junit.jupiter.api.Test;

/** What fuzzing has found, and where it begins, once more: src/fuzz/java has the fuzzer. */
class SectionCorpusTest {
    @Test
    void everyInputIsReadOrRefused() throws Exception {
        File[] inputs = Guest.resource("/dev/holdover/machine/SectionFuzzInputs")
                .toFile()
                .listFiles();
        assertThat(inputs).isNotEmpty();
        for (File input : inputs) {
            SectionTarget.run(Files.readAllBytes(input.toPath()));
        }
    }
}
