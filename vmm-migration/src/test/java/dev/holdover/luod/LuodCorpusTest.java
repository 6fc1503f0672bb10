package dev.holdover.luod;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** What fuzzing has found, and where it begins, once more: src/fuzz/java has the fuzzer. */
class LuodCorpusTest {
    @Test
    void everyHostileClientIsServedOrRefused() throws Exception {
        assertThat(FuzzScript.runAll(LuodCorpusTest.class, "LuodFuzzInputs", LuodTarget::run))
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
