package dev.holdover.cli;

import dev.holdover.linux.UnixSocket;
import dev.holdover.machine.LongRun;
import dev.holdover.testing.NeedsKvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Faults at random instants of saves, restores, hand-overs and live updates that luod holds. After each, one process runs
 * the guest, or one state of it can be restored, never both; what it left is whole. It may have ended only with a process
 * that was killed while it ran the guest.
 *
 * <p>The environment says how many faults ({@value #COUNT}) and from which seed on ({@value #SEED}): the n-th experiment
 * is of the kind and the instants that the seed plus n decides, so a single one can be repeated.
 */
@NeedsKvm
@Tag("long")
@Timeout(value = 12, unit = TimeUnit.HOURS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class FaultCampaignTest {
    private static final String COUNT = "CAMPAIGN_FAULTS";
    private static final String SEED = "CAMPAIGN_SEED";

    /** Makes an experiment in a directory of its own. */
    private interface Maker {
        Trial make(Path dir, long seed) throws IOException;
    }

    /** An operation, and who meets what in it. */
    private record Kind(String operation, Maker maker, Victim victim, Fault fault) {
        @Override
        public String toString() {
            return operation + ", " + victim + ", " + fault;
        }
    }

    @TempDir
    Path directory;

    private static List<Kind> kinds() {
        List<Kind> kinds = new ArrayList<>();
        add(kinds, "save", SaveTrial::new, Victim.VMM, Fault.KILL, Fault.TERM, Fault.STOP, Fault.NO_DESCRIPTORS);
        add(kinds, "save", SaveTrial::new, Victim.CLIENT, Fault.HANG_UP);
        if (UnixSocket.Peer.self().uid() == 0) { // who may mount a file system that is full
            add(kinds, "save", SaveTrial::new, Victim.VMM, Fault.NO_SPACE);
        }
        add(kinds, "restore", RestoreTrial::new, Victim.VMM, Fault.KILL, Fault.TERM, Fault.STOP, Fault.NO_DESCRIPTORS);
        add(kinds, "restore", RestoreTrial::new, Victim.VMM, Fault.TWICE);
        add(kinds, "hand-over", HandOverTrial::new, Victim.VMM, Fault.KILL, Fault.TERM, Fault.STOP);
        add(kinds, "hand-over", HandOverTrial::new, Victim.VMM, Fault.NO_DESCRIPTORS);
        add(kinds, "hand-over", HandOverTrial::new, Victim.STANDBY, Fault.KILL, Fault.TERM, Fault.STOP);
        add(kinds, "hand-over", HandOverTrial::new, Victim.STANDBY, Fault.NO_DESCRIPTORS);
        add(kinds, "hand-over", HandOverTrial::new, Victim.CLIENT, Fault.HANG_UP);
        add(kinds, "update", UpdateTrial::new, Victim.VMM, Fault.KILL, Fault.TERM, Fault.STOP, Fault.NO_DESCRIPTORS);
        add(kinds, "update", UpdateTrial::new, Victim.LUOD, Fault.KILL, Fault.TERM, Fault.STOP, Fault.NO_DESCRIPTORS);
        add(kinds, "update", UpdateTrial::new, Victim.CLIENT, Fault.KILL, Fault.TERM, Fault.STOP);
        add(kinds, "claim", ClaimTrial::new, Victim.VMM, Fault.KILL, Fault.TERM, Fault.STOP, Fault.NO_DESCRIPTORS);
        add(kinds, "claim", ClaimTrial::new, Victim.VMM, Fault.TWICE);
        add(kinds, "claim", ClaimTrial::new, Victim.LUOD, Fault.TERM, Fault.STOP, Fault.NO_DESCRIPTORS);
        return kinds;
    }

    private static void add(List<Kind> kinds, String operation, Maker maker, Victim victim, Fault... faults) {
        for (Fault fault : faults) {
            kinds.add(new Kind(operation, maker, victim, fault));
        }
    }

    @Test
    void oneProcessRunsTheGuestOrOneStateCanBeRestored() throws Exception {
        List<Kind> kinds = kinds();
        int count = number(COUNT, ordinary());
        long seed = number(SEED, LongRun.rounds(0, (int) (System.nanoTime() & Integer.MAX_VALUE)));
        System.out.println("campaign: " + count + " faults from seed " + seed + " on");
        Map<Kind, Map<Trial.Outcome, Integer>> outcomes = new LinkedHashMap<>();
        List<String> failures = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Kind kind = kinds.get((int) ((seed + i) % kinds.size()));
            Trial.Outcome outcome = meet(kind, seed + i, failures);
            if (outcome != null) {
                outcomes.computeIfAbsent(kind, any -> new EnumMap<>(Trial.Outcome.class))
                        .merge(outcome, 1, Integer::sum);
            }
        }
        for (Kind kind : kinds) {
            System.out.println("campaign: " + kind + ": " + outcomes.getOrDefault(kind, Map.of()));
        }
        System.out.println("campaign: " + count + " faults, " + failures.size() + " failures");
        if (!failures.isEmpty()) {
            throw new AssertionError(
                    failures.size() + " of " + count + " experiments failed:\n" + String.join("\n", failures));
        }
    }

    /**
     * Always the same few, which show that the campaign itself works; with LONG=1 many, from a new seed on. In an emulated
     * host each takes a minute.
     */
    private static int ordinary() {
        return LongRun.rounds(1, 4, 1000);
    }

    private static int number(String variable, int otherwise) {
        String value = System.getenv(variable);
        return value == null ? otherwise : Integer.parseInt(value);
    }

    private Trial.Outcome meet(Kind kind, long seed, List<String> failures) throws Exception {
        Trial trial = kind.maker().make(Files.createTempDirectory(directory, "trial"), seed);
        try {
            return trial.run(kind.victim(), kind.fault());
        } catch (Exception | AssertionError e) {
            failures.add(
                    "seed " + seed + ", " + kind + ": " + e + "\n" + trial.log() + "com1: ..." + trial.tail("com1"));
            System.out.println("campaign: FAILED: " + failures.getLast());
            return null;
        } finally {
            trial.endAll();
        }
    }
}
