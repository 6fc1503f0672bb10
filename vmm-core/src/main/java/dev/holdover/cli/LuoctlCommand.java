package dev.holdover.cli;

import dev.holdover.linux.SocketWait;
import dev.holdover.linux.UsageException;
import dev.holdover.liveupdate.LuodControl;
import dev.holdover.liveupdate.NextKernel;
import dev.holdover.luod.LuodOptions;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "luoctl",
        description = "Controls live updates of this host.",
        customSynopsis = "./vmm luoctl COMMAND [OPTION]...",
        footer = {
            "",
            "Exit codes: 0 done, 1 refused, failed or aborted, 2 bad usage.",
            "",
            "Examples:",
            "  ./vmm luoctl load /boot/vmlinuz --initrd /boot/initrd.img --reuse-cmdline",
            "  ./vmm luoctl status",
            "  ./vmm luoctl kexec"
        },
        subcommands = {
            LuoctlCommand.Load.class,
            LuoctlCommand.ListAll.class,
            LuoctlCommand.ShowStatus.class,
            LuoctlCommand.Kexec.class,
            LuoctlCommand.Abort.class,
            LuoctlCommand.Discard.class
        })
final class LuoctlCommand implements Callable<Integer> {
    @Mixin
    HelpOption help;

    @Override
    public Integer call() {
        throw new UsageException("no command is given: load, list, status, kexec, abort or discard");
    }

    /** What every command that talks to luod has. */
    abstract static class OfLuod implements Callable<Integer> {
        @Mixin
        HelpOption help;

        @Option(
                names = "--socket",
                paramLabel = "PATH",
                defaultValue = LuodOptions.DEFAULT_SOCKET,
                description = "Where luod listens (default: ${DEFAULT-VALUE}).")
        private String socket;

        @Option(
                names = WaitOption.NAME,
                paramLabel = "SECONDS",
                description = "How long to wait for a luod that starts. " + WaitOption.VALUES)
        private String wait;

        abstract void run(LuodControl luod);

        @Override
        public Integer call() {
            NotEmpty.argument("--socket", socket);
            // luod makes the directory of its socket.
            try (LuodControl luod = new LuodControl(socket, SocketWait.withDirectoryUpTo(WaitOption.limit(wait)))) {
                run(luod);
            }
            return ExitCode.OK;
        }
    }

    @Command(
            name = "load",
            description = {
                "Loads the next kernel. Its command line must have 'kho=on liveupdate=on': a",
                "kernel without loses every guest.",
                ""
            },
            customSynopsis = "./vmm luoctl load KERNEL [OPTION]...")
    static final class Load implements Callable<Integer> {
        @Mixin
        HelpOption help;

        @Parameters(paramLabel = "KERNEL", description = "A bzImage.")
        private String kernel;

        @Option(names = "--initrd", paramLabel = "FILE", description = "Its initramfs; without, it gets none.")
        private String initrd;

        @Option(names = "--cmdline", paramLabel = "TEXT", description = "Its command line.")
        private String commandLine;

        @Option(names = "--reuse-cmdline", description = "The command line of the kernel that runs.")
        private boolean reuse;

        @Override
        public Integer call() {
            NotEmpty.argument("KERNEL", kernel);
            NotEmpty.value("--initrd", initrd);
            NotEmpty.value("--cmdline", commandLine);
            if (reuse == (commandLine != null)) {
                throw new UsageException(
                        "give the next kernel's command line with one of --cmdline and --reuse-cmdline");
            }
            String text = reuse ? NextKernel.runningCommandLine() : commandLine;
            NextKernel.load(kernel, initrd, text);
            System.out.println("loaded " + kernel + ": " + text);
            System.out.println("not checked, for a kernel's file does not tell: that it is built with CONFIG_LIVEUPDATE"
                    + " and CONFIG_KEXEC_HANDOVER, and reads what this kernel leaves; try it once without guests");
            return ExitCode.OK;
        }
    }

    @Command(
            name = "list",
            description = {"Lists clients, and guests of the last update that are not up again.", ""},
            customSynopsis = "./vmm luoctl list [OPTION]...")
    static final class ListAll extends OfLuod {
        @Override
        void run(LuodControl luod) {
            List<LuodControl.Entry> entries = luod.list();
            if (entries.isEmpty()) {
                System.out.println("no client has subscribed, and no guest waits");
            }
            for (LuodControl.Entry entry : entries) {
                System.out.println(printable(entry.id()) + "  " + entry.state() + "  uid " + entry.uid()
                        + (entry.pid() == 0 ? "" : "  pid " + entry.pid()));
            }
        }
    }

    @Command(
            name = "status",
            description = {"Says whether an update runs, and what would prevent one.", ""},
            customSynopsis = "./vmm luoctl status [OPTION]...")
    static final class ShowStatus extends OfLuod {
        @Override
        void run(LuodControl luod) {
            LuodControl.Status status = luod.status();
            System.out.println("backend: " + status.backend());
            System.out.println("phase: " + status.phase());
            System.out.println("clients: " + status.clients());
            System.out.println("guests of the last update not up again: " + status.waiting());
            System.out.println("an update now: "
                    + (status.obstacle() == null ? "possible" : "not possible, " + printable(status.obstacle())));
        }
    }

    @Command(
            name = "kexec",
            description = {
                "Lets all guests get ready, then reboots into the kernel that is loaded. What fails",
                "before that aborts it, and guests run on; so does ending this command.",
                ""
            },
            customSynopsis = "./vmm luoctl kexec [OPTION]...")
    static final class Kexec extends OfLuod {
        @Option(names = "--force", description = "Even if no client has subscribed, or one has lost its connection.")
        private boolean force;

        @Override
        void run(LuodControl luod) {
            luod.kexec(force, (id, step) -> System.out.println(printable(id) + ": " + step));
            System.out.println("all sessions wait for their next VMMs");
        }
    }

    @Command(
            name = "abort",
            description = {"Ends an update that runs; guests run on.", ""},
            customSynopsis = "./vmm luoctl abort [OPTION]...")
    static final class Abort extends OfLuod {
        @Override
        void run(LuodControl luod) {
            luod.abort();
            System.out.println("aborted");
        }
    }

    @Command(
            name = "discard",
            description = {
                "Gives up a guest of the last update that is not up again: its RAM is freed. Or a",
                "client that runs without a connection: an update goes on without it.",
                ""
            },
            customSynopsis = "./vmm luoctl discard ID [OPTION]...")
    static final class Discard extends OfLuod {
        @Parameters(paramLabel = "ID", description = "As list shows it.")
        private String id;

        @Override
        void run(LuodControl luod) {
            luod.discard(id);
            System.out.println("discarded " + printable(id));
        }
    }

    /** An id is a client's: it must not move a terminal's cursor. */
    private static String printable(String text) {
        StringBuilder clean = new StringBuilder(text);
        for (int i = 0; i < clean.length(); i++) {
            if (Character.isISOControl(clean.charAt(i))) {
                clean.setCharAt(i, '?');
            }
        }
        return clean.toString();
    }
}
