package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** A live update whose generation a luod turns that holds the guest itself; its VMM, luod or luoctl meets a fault. */
final class UpdateTrial extends Trial {
    /** About as long as it takes on a usual host, and a restart of a JVM. */
    private static final long UPDATE_NANOS = 60_000_000L;

    /** PREPARING, PREPARED, PRESERVING, READY. */
    private static final int STEPS = 4;

    private static final long PROGRAM_NANOS = 700_000_000L;

    UpdateTrial(Path dir, long seed) throws IOException {
        super(dir, seed);
    }

    @Override
    Outcome run(Victim victim, Fault fault) throws Exception {
        HeldGuest guest = new HeldGuest(this);
        if (victim == Victim.CLIENT) {
            Process luoctl = guest.updateByProgram();
            letPass(PROGRAM_NANOS);
            fault.meet(luoctl, random);
            Vmms.exitCode(luoctl);
        } else {
            Process met = victim == Victim.VMM ? guest.vmm : guest.luod;
            if (random.nextBoolean()) {
                CompletableFuture<Boolean> update = guest.update((id, step) -> {});
                letPass(UPDATE_NANOS);
                fault.meet(met, random);
                update.get(Vmms.PATIENCE_SECONDS * 2L, TimeUnit.SECONDS);
            } else {
                atAStep(guest, fault, met);
            }
        }
        if (fault == Fault.NO_DESCRIPTORS) {
            Fault.lift(victim == Victim.VMM ? guest.vmm : guest.luod);
        }
        return settled(guest, victim, fault);
    }

    /** The instant is the one in which luod says how far the VMM has come. */
    private void atAStep(HeldGuest guest, Fault fault, Process met) throws Exception {
        int[] left = {random.nextInt(STEPS)};
        Exception[] failure = new Exception[1];
        CompletableFuture<Boolean> update = guest.update((id, step) -> {
            if (left[0]-- == 0) {
                try {
                    fault.meet(met, random);
                } catch (Exception e) {
                    failure[0] = e;
                }
            }
        });
        update.get(Vmms.PATIENCE_SECONDS * 2L, TimeUnit.SECONDS);
        if (failure[0] != null) {
            throw failure[0];
        }
    }

    private Outcome settled(HeldGuest guest, Victim victim, Fault fault) throws Exception {
        // A luod that SIGTERM ends waits for the guests that it has.
        boolean[] kept = new boolean[1];
        boolean[] writes = new boolean[1];
        Vmms.await("the guest runs, or luod has it, or it is gone", () -> {
            kept[0] = guest.isKept();
            writes[0] = !kept[0] && guest.vmm.isAlive() && writes();
            return kept[0] || writes[0] || (!guest.vmm.isAlive() && !guest.isKept());
        });
        if (kept[0] || guest.isKept()) {
            Vmms.exitCode(guest.vmm);
            return new Restoring(this, guest.restore()).run(null, () -> {});
        }
        if (writes[0]) {
            end(guest.vmm);
            vmms.endAll();
            verify();
            return Outcome.STAYED;
        }
        assertThat((victim == Victim.VMM && fault.ends()) || (victim == Victim.LUOD && fault == Fault.KILL))
                .as("the guest is lost")
                .isTrue();
        vmms.endAll();
        verify();
        return Outcome.ENDED;
    }
}
