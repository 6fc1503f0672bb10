package dev.holdover.machine;

import dev.holdover.handover.HandOverConnection;
import dev.holdover.kvm.KvmUnavailable;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.FdSets;
import dev.holdover.vmstate.StateImage;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Hands a scratch guest over within this process, so that all code of a real hand-over is loaded and has run: what the
 * JVM does for the first time takes milliseconds, and a real hand-over is always the first.
 */
public final class Rehearsal {
    private static final String RAM = "2M";
    private static final int FIRMWARE = 64 << 10;
    /** out 0x80, al; jmp to it: exits all the time. At the reset vector. */
    private static final int BUSY = 0xfceb80e6;

    /** So often, whatever a state is taken or given with is compiled, if only by the quicker compiler. */
    private static final int SAVES = 200;

    private static final int APPLIES = 600;

    /** On a busy machine it is better to be ready than to be fast. Nanoseconds. */
    private static final long MOST_TIME = 5_000_000_000L;

    private static final long MOST_TIME_OF_REPEATS = 300_000_000L;

    private static int done;

    /** Which side this process will be on. What it does while the guest is paused, it repeats in each round. */
    public enum Side {
        OUTGOING,
        INCOMING
    }

    private Rehearsal() {}

    /**
     * Does it until this process has done it so many times, some 100 (outgoing) or 200 ms each; begins none after five
     * seconds. What fails throws as it would in earnest.
     */
    public static synchronized void upTo(int rounds, Side side) {
        long start = System.nanoTime();
        while (done < rounds && System.nanoTime() - start < MOST_TIME) {
            handOver(side);
            done++;
        }
    }

    /** One round, however many this process has done. */
    static void handOver(Side side) {
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.SEQPACKET);
        FirstFailure failure = new FirstFailure();
        Taker taker = new Taker(pair[1], side == Side.INCOMING ? APPLIES : 0, failure);
        taker.start();
        try (HandOverConnection peer = new HandOverConnection(pair[0], "the rehearsal")) {
            failure.watch(() -> give(peer, side));
        } finally {
            taker.await();
        }
        failure.throwIfAny();
    }

    private static void give(HandOverConnection peer, Side side) {
        try (FdSets none = new FdSets();
                Fd image = image();
                Machine machine = new Machine(config(image), none)) {
            if (side == Side.OUTGOING) {
                save(machine);
            }
            machine.resume();
            new HandOver(machine, peer).run(null);
        }
    }

    /** The failure of the side that failed first: the other's, which finds the connection closed, tells nothing. */
    private static final class FirstFailure {
        private final AtomicReference<RuntimeException> first = new AtomicReference<>();

        /** Runs one side, whose connection is still open when its failure is noted. */
        void watch(Runnable side) {
            try {
                side.run();
            } catch (RuntimeException e) {
                first.compareAndSet(null, e);
            }
        }

        void throwIfAny() {
            RuntimeException failure = first.get();
            if (failure instanceof KvmUnavailable) {
                throw failure;
            }
            if (failure != null) {
                throw new VmmException("the rehearsal of a hand-over failed: " + failure.getMessage(), failure);
            }
        }
    }

    /** Takes the parked machine's state, again and again. */
    private static void save(Machine machine) {
        StateDraft draft = StateDraft.withRam(machine);
        StateImage image = draft.build();
        long start = System.nanoTime();
        for (int i = 0; i < SAVES && System.nanoTime() - start < MOST_TIME_OF_REPEATS; i++) {
            draft.complete();
            image.seal();
        }
    }

    private static MachineConfig config(Fd image) {
        return MachineBuilder.firmware(Path.of("/proc/self/fd/" + image.number()))
                .name("rehearsal")
                .memory(RAM)
                .serial("null")
                .rng()
                .config();
    }

    private static Fd image() {
        Fd image = Memfd.create("rehearsal", FIRMWARE);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment code = arena.allocateFrom(ValueLayout.JAVA_INT, BUSY);
            image.writeFully(code, FIRMWARE - 16);
            return image;
        }
    }

    /** The other VMM, on a thread. */
    private static final class Taker extends Thread {
        private final UnixSocket socket;
        private final int applies;
        private final FirstFailure failure;

        Taker(UnixSocket socket, int applies, FirstFailure failure) {
            super("rehearsal");
            this.socket = socket;
            this.applies = applies;
            this.failure = failure;
        }

        @Override
        public void run() {
            try (HandOverConnection peer = new HandOverConnection(socket, "the rehearsal");
                    TakeOver takeOver = new TakeOver(peer)) {
                failure.watch(() -> take(takeOver));
            }
        }

        private void take(TakeOver takeOver) {
            try (Machine machine = takeOver.prepare()) {
                takeOver.run();
                machine.pause();
                long start = System.nanoTime();
                for (int i = 0; i < applies && System.nanoTime() - start < MOST_TIME_OF_REPEATS; i++) {
                    takeOver.applyAgain();
                }
            }
        }

        void await() {
            boolean interrupted = false;
            while (isAlive()) {
                try {
                    join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                currentThread().interrupt();
            }
        }
    }
}
