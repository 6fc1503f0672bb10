package dev.holdover.luod;

import com.code_intelligence.jazzer.junit.FuzzTest;

class LuodFuzz {
    @FuzzTest(maxDuration = "5m")
    void serve(byte[] bytes) throws Exception {
        LuodTarget.run(bytes);
    }
}
