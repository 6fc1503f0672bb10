package dev.holdover.cli;

import dev.holdover.linux.Patience;
import dev.holdover.linux.UsageException;
import dev.holdover.luod.Luod;
import dev.holdover.luod.LuodOptions;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "luod",
        description = {
            "The live-update daemon: holds guests' sessions while their VMMs are away, and",
            "reboots into the next kernel when all guests are ready. Runs until it is told to",
            "end; luoctl controls it.",
            ""
        },
        customSynopsis = "./vmm luod [OPTION]...",
        footer = {
            "",
            "Exit codes: 0 ended by a signal, 1 it failed, 2 bad usage.",
            "",
            "Examples:",
            "  ./vmm luod",
            "  ./vmm luod --backend hold --socket /tmp/luod.sock"
        })
final class LuodCommand implements Callable<Integer> {
    /** As {@code --backend} names them. */
    enum BackendKind {
        KERNEL,
        HOLD
    }

    private static final int CHECK_MILLIS = 100;

    @Mixin
    HelpOption help;

    @Option(
            names = "--socket",
            paramLabel = "PATH",
            defaultValue = LuodOptions.DEFAULT_SOCKET,
            description = "Where clients connect (default: ${DEFAULT-VALUE}); mode 0600.")
    private String socket;

    @Option(
            names = "--backend",
            paramLabel = "KIND",
            defaultValue = "kernel",
            description = {
                "kernel: sessions of /dev/liveupdate, which outlive the kernel.",
                "hold: luod holds them itself, on any host; VMMs can be replaced, the kernel not.",
                "(default: ${DEFAULT-VALUE})"
            })
    private BackendKind backend;

    @Option(names = "--group", paramLabel = "NAME", description = "Whose members may connect, too.")
    private String group;

    @Option(
            names = "--prepare-timeout",
            paramLabel = "SECONDS",
            description = {
                "For clients to preserve RAM while guests run (default: " + LuodOptions.DEFAULT_PREPARE_SECONDS + ",",
                "longer on a slow host)."
            })
    private Integer prepareSeconds;

    @Option(
            names = "--ready-timeout",
            paramLabel = "SECONDS",
            description = {
                "For clients to stop guests and preserve the rest (default: " + LuodOptions.DEFAULT_READY_SECONDS
                        + ", longer",
                "on a slow host)."
            })
    private Integer readySeconds;

    @Override
    public Integer call() throws InterruptedException {
        NotEmpty.argument("--socket", socket);
        NotEmpty.value("--group", group);
        int prepare = limit("--prepare-timeout", prepareSeconds, LuodOptions.DEFAULT_PREPARE_SECONDS);
        int ready = limit("--ready-timeout", readySeconds, LuodOptions.DEFAULT_READY_SECONDS);
        if (socket.startsWith("@")) {
            throw new UsageException("--socket " + socket + ": a name in the abstract namespace has no permissions that"
                    + " keep others out; name a path");
        }
        LuodOptions options = new LuodOptions(socket, group, backend == BackendKind.HOLD, prepare, ready);
        try (Luod luod = Luod.open(options)) {
            Thread leave = leaveOnSignal(luod);
            System.out.println("luod: listening on " + socket);
            try {
                luod.await();
            } finally {
                forget(leave);
            }
        }
        return ExitCode.OK;
    }

    /** What the user says is taken as it is; the default is scaled. */
    private static int limit(String option, Integer seconds, int base) {
        if (seconds == null) {
            return Patience.host().seconds(base);
        }
        if (seconds <= 0) {
            throw new UsageException(option + " " + seconds + ": expected a positive number of seconds");
        }
        return seconds;
    }

    /** Guests first: whoever ends luod while it holds some waits until their VMMs have taken them up. */
    private static Thread leaveOnSignal(Luod luod) {
        Thread leave = new Thread("leave") {
            @Override
            public void run() {
                boolean said = false;
                luod.stopUpdates(); // from now on no guest comes into its hands
                for (List<String> ids = luod.wouldLose(); !ids.isEmpty(); ids = luod.wouldLose()) {
                    if (!said) {
                        System.err.println("luod: guests would be lost if it ended now; it ends when they are restored"
                                + " or given up with luoctl discard: " + String.join(", ", ids));
                        said = true;
                    }
                    try {
                        Thread.sleep(CHECK_MILLIS);
                    } catch (InterruptedException e) {
                        break;
                    }
                }
                luod.close();
            }
        };
        Runtime.getRuntime().addShutdownHook(leave);
        return leave;
    }

    private static void forget(Thread leave) {
        try {
            Runtime.getRuntime().removeShutdownHook(leave);
        } catch (IllegalStateException e) {
            // A signal came first: the hook runs, and closing twice is harmless.
        }
    }
}
