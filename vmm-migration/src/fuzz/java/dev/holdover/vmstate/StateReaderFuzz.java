package dev.holdover.vmstate;

import com.code_intelligence.jazzer.junit.FuzzTest;

class StateReaderFuzz {
    @FuzzTest(maxDuration = "5m")
    void read(byte[] bytes) {
        StateReaderTarget.run(bytes);
    }
}
