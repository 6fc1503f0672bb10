package dev.holdover.liveupdate;

import com.code_intelligence.jazzer.junit.FuzzTest;

class LuodAgentFuzz {
    @FuzzTest(maxDuration = "5m")
    void listen(byte[] bytes) throws Exception {
        LuodAgentTarget.run(bytes);
    }
}
