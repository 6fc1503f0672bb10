package dev.holdover.machine;

import com.code_intelligence.jazzer.junit.FuzzTest;

class SectionFuzz {
    @FuzzTest(maxDuration = "5m")
    void read(byte[] bytes) {
        SectionTarget.run(bytes);
    }
}
