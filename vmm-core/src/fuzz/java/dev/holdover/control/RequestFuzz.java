package dev.holdover.control;

import com.code_intelligence.jazzer.junit.FuzzTest;

class RequestFuzz {
    @FuzzTest(maxDuration = "5m")
    void take(byte[] bytes) {
        RequestTarget.run(bytes);
    }
}
