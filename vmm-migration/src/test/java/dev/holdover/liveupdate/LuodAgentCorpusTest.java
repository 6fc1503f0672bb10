package dev.holdover.liveupdate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.luod.FuzzScript;
import org.junit.jupiter.api.Test;

/** What fuzzing has found, and where it begins, once more: src/fuzz/java has the fuzzer. */
class LuodAgentCorpusTest {
    @Test
    void everyHostileLuodIsSurvived() throws Exception {
        assertThat(FuzzScript.runAll(LuodAgentCorpusTest.class, "LuodAgentFuzzInputs", LuodAgentTarget::run))
                .as("the inputs get this far")
                .contains("SUBSCRIBE", "PREPARED", "READY", "FAILED", "CLAIM", "STATUS", "LIST");
    }
}
