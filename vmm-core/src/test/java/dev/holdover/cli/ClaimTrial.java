package dev.holdover.cli;

import java.io.IOException;
import java.nio.file.Path;

/** A guest that a luod holds is restored by a VMM that meets a fault, or by two at once; or luod meets one. */
final class ClaimTrial extends Trial {
    ClaimTrial(Path dir, long seed) throws IOException {
        super(dir, seed);
    }

    @Override
    Outcome run(Victim victim, Fault fault) throws Exception {
        HeldGuest guest = new HeldGuest(this);
        guest.turn();
        Restoring restoring = new Restoring(this, guest.restore());
        return victim == Victim.LUOD
                ? restoring.run(null, () -> fault.meet(guest.luod, random))
                : restoring.run(fault, () -> {});
    }
}
