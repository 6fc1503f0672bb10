package dev.holdover.machine;

import org.junit.jupiter.api.Test;

class RehearsalTest {
    @Test
    void aScratchGuestIsHandedOver() {
        for (int i = 0; i < 5; i++) {
            long t = System.nanoTime();
            Rehearsal.run(1);
            System.out.println((System.nanoTime() - t) / 1000 + " us");
        }
    }
}
