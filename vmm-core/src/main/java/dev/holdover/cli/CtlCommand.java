package dev.holdover.cli;

import dev.holdover.control.ArgumentText;
import dev.holdover.control.ControlConnection;
import dev.holdover.control.QmpException;
import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.SocketWait;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.UsageException;
import dev.holdover.linux.VmmException;
import dev.holdover.vmstate.TimelineRow;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "ctl",
        description = {
            "Sends a command to a VMM that runs with --control, and prints what it returns",
            "as JSON.",
            "",
            "'save STATE' saves the guest: shared RAM stays in place, and the guest stands",
            "still then. 'handover PATH' hands it to the VMM that stands by there. 'timeline'",
            "shows the phases of the live update that the guest came by. With 'add-fd fd=N',",
            "N is a file descriptor that ctl inherited; it goes along.",
            "",
            "A VMM that was started just now may not have its socket yet: ctl waits for it, as",
            "it waits for the socket of 'handover'.",
            ""
        },
        customSynopsis = "./vmm ctl SOCKET COMMAND [KEY=VALUE]... [OPTION]...",
        footer = {
            "",
            "Exit codes: 0 done, 1 refused or failed, 2 bad usage.",
            "",
            "Examples:",
            "  ./vmm ctl /run/vm.sock query-commands",
            "  ./vmm ctl /run/vm.sock stop",
            "  ./vmm ctl /run/vm.sock save guest.state",
            "  ./vmm ctl /run/vm.sock handover /run/vm.standby",
            "  ./vmm ctl /run/vm.sock timeline --svg update.svg",
            "  ./vmm ctl /run/vm.sock add-fd fd=9 fdset-id=1 9<>/dev/shm/ram"
        })
final class CtlCommand implements Callable<Integer>, PlainArguments.Reader {
    @Mixin
    HelpOption help;

    @Parameters(index = "0", paramLabel = "SOCKET", description = "The VMM's --control.")
    private String socket;

    @Parameters(index = "1", paramLabel = "COMMAND", description = "One of query-commands; save; handover; timeline.")
    private String command;

    @Parameters(
            index = "2..*",
            paramLabel = "KEY=VALUE",
            description = "Arguments; or one JSON object. A VALUE that is JSON is taken as such, else it is a string.")
    private List<String> words = new ArrayList<>();

    @Option(names = "--copy-ram", description = "With save: copy shared RAM into the state, too.")
    private boolean copyRam;

    @Option(names = "--force", description = "With save: even if the guest's RAM will be gone with its VMM.")
    private boolean force;

    @Option(names = "--svg", paramLabel = "FILE", description = "With timeline: draw it, too; a picture in FILE.")
    private String svg;

    @Option(
            names = WaitOption.NAME,
            paramLabel = "SECONDS",
            description = "How long to wait for a socket. " + WaitOption.VALUES)
    private String wait;

    @Override
    public void read(PlainArguments arguments) {
        while (arguments.hasNext()) {
            switch (arguments.option()) {
                case "" -> {
                    if (socket == null) {
                        socket = arguments.value();
                    } else if (command == null) {
                        command = arguments.value();
                    } else {
                        words.add(arguments.value());
                    }
                }
                case "--copy-ram" -> copyRam = arguments.flag(copyRam);
                case "--force" -> force = arguments.flag(force);
                case "--svg" -> svg = arguments.once(svg);
                case WaitOption.NAME -> wait = arguments.once(wait);
                default -> throw new PlainArguments.NotPlain();
            }
        }
        if (command == null) {
            throw new PlainArguments.NotPlain();
        }
    }

    @Override
    public Integer call() throws InterruptedException {
        NotEmpty.argument("SOCKET", socket);
        NotEmpty.argument("COMMAND", command);
        NotEmpty.value("--svg", svg);
        if ((copyRam || force) && !command.equals("save")) {
            throw new UsageException((copyRam ? "--copy-ram" : "--force") + " goes with save only");
        }
        if (svg != null && !command.equals("timeline")) {
            throw new UsageException("--svg goes with timeline only");
        }
        Duration limit = WaitOption.limit(wait);
        try {
            if (command.equals("save")) {
                return save(limit);
            }
            if (command.equals("handover")) {
                return handOver(limit);
            }
            if (command.equals("timeline")) {
                return timeline(limit);
            }
            Map<String, Object> arguments = new LinkedHashMap<>(ArgumentText.parse(words));
            try (Fd fd = inheritedFd(arguments);
                    ControlConnection connection = ControlConnection.open(socket, SocketWait.upTo(limit))) {
                System.out.println(ArgumentText.pretty(connection.execute(command, arguments, fd)));
                return ExitCode.OK;
            }
        } catch (QmpException e) {
            System.err.println("vmm ctl: " + e.getMessage());
            return ExitCode.FAILED;
        }
    }

    private int save(Duration limit) throws QmpException, InterruptedException {
        if (words.size() != 1) {
            throw new UsageException("save: expected one file for the state, say ./vmm ctl SOCKET save guest.state");
        }
        try (ControlConnection connection = ControlConnection.open(socket, SocketWait.upTo(limit))) {
            return new SaveProgress(connection).run(words.getFirst(), copyRam, force);
        }
    }

    private int handOver(Duration limit) throws QmpException {
        if (words.size() != 1) {
            throw new UsageException("handover: expected the socket of a VMM that stands by, say ./vmm ctl SOCKET"
                    + " handover /run/vm.standby");
        }
        // The VMM may have another working directory.
        String path = Path.of(words.getFirst()).toAbsolutePath().toString();
        try (ControlConnection connection = ControlConnection.open(socket, SocketWait.upTo(limit))) {
            String waited = await(path, SocketWait.upTo(limit));
            connection.execute("migrate-set-parameters", Map.of("mode", "cpr-transfer"), null);
            connection.execute("migrate", Map.of("uri", "unix:" + path), null);
            while (true) {
                Map<String, Object> event = connection.awaitEvent("MIGRATION");
                Object status = event.get("status");
                if (status.equals("failed")) {
                    Map<?, ?> migration = (Map<?, ?>) connection.execute("query-migrate", Map.of(), null);
                    throw new VmmException(migration.get("error-desc") + waited);
                }
                if (status.equals("completed")) {
                    System.out.println(ArgumentText.pretty(event.get("blackout")));
                    return ExitCode.OK;
                }
            }
        }
    }

    /**
     * Returns when a VMM listens at a path, or there is no use in waiting any longer: what is wrong then the VMM tells that
     * has the guest, which may see other files than this process does. A VMM that stands by takes each connection for a
     * guest's, hence one of another kind, which the kernel refuses.
     *
     * @return how long it has waited in vain, for the VMM's sentence
     */
    private static String await(String path, SocketWait wait) {
        try {
            wait.connect(path, () -> UnixSocket.connectNow(UnixSocket.Kind.STREAM, path))
                    .close();
            return "";
        } catch (ErrnoException e) {
            return e.errno() == Errno.EPROTOTYPE ? "" : wait.told();
        }
    }

    private int timeline(Duration limit) throws QmpException {
        if (!words.isEmpty()) {
            throw new UsageException("timeline: takes no arguments but --svg FILE");
        }
        List<TimelineRow> rows = new ArrayList<>();
        try (ControlConnection connection = ControlConnection.open(socket, SocketWait.upTo(limit))) {
            if (!(connection.execute("query-timeline", Map.of(), null) instanceof List<?> phases)) {
                throw new VmmException("the VMM at " + socket + " answers query-timeline with no list");
            }
            for (Object phase : phases) {
                rows.add(row(phase));
            }
        }
        if (rows.isEmpty()) {
            throw new VmmException("the VMM at " + socket + " has no timeline: its guest came by no live update");
        }
        TimelineText.print(rows, System.out);
        if (svg != null) {
            TimelineSvg.write(rows, svg);
        }
        return ExitCode.OK;
    }

    private TimelineRow row(Object phase) {
        if (phase instanceof Map<?, ?> entry
                && entry.get("phase") instanceof String name
                && entry.get("after-us") instanceof Long micros
                && entry.get("clock") instanceof String clock) {
            return new TimelineRow(name, micros, TimelineRow.Clock.of(clock), Boolean.TRUE.equals(entry.get("rough")));
        }
        throw new VmmException("the VMM at " + socket + " answers query-timeline with what is no phase");
    }

    /** The descriptor that add-fd's {@code fd} names, which is no argument of QMP's; null for any other command. */
    private Fd inheritedFd(Map<String, Object> arguments) {
        if (!command.equals("add-fd")) {
            return null;
        }
        if (!(arguments.remove("fd") instanceof Long number)) {
            throw new UsageException("add-fd: expected fd=N, a file descriptor that was passed to this command,"
                    + " say ./vmm ctl SOCKET add-fd fd=9 9<>FILE");
        }
        for (String inherited :
                System.getProperty("dev.holdover.inherited-fds", "").split(",", -1)) {
            if (inherited.equals(number.toString())) {
                return Fd.dupOf((int) (long) number, "fd " + number);
            }
        }
        throw new UsageException("add-fd fd=" + number + ": no such file descriptor was passed to this command");
    }
}
