package dev.holdover.benchmarks;

import com.fasterxml.jackson.jr.ob.JSON;
import dev.holdover.linux.Patience;
import dev.holdover.vmstate.Phase;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** This VMM, started by a launcher or by java itself. */
final class Holdover implements Contestant {
    private static final long DEADLINE_SECONDS = Patience.host().seconds(30);
    /** So many letters the guest writes before it is saved. */
    private static final int LETTERS = 5;

    /** The parts of a replacement and the phase that each ends with; the first begins when the guest is paused. */
    static final Map<String, Phase> REPLACE_PARTS = new LinkedHashMap<>();

    static {
        REPLACE_PARTS.put("preserve", Phase.READY);
        REPLACE_PARTS.put("end and start", Phase.CLAIMED);
        REPLACE_PARTS.put("retrieve", Phase.RAM_RETRIEVED);
        REPLACE_PARTS.put("make", Phase.KVM_BUILT);
        REPLACE_PARTS.put("enter", Phase.RUNNING);
    }

    private final String name;
    private final List<String> command;
    private final Path rom;

    /**
     * One way to start it.
     *
     * @param command all that stands before the arguments
     */
    Holdover(String name, List<String> command, Path rom) {
        this.name = name;
        this.command = command;
        this.rom = rom;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public String detail() {
        return String.join(" ", command);
    }

    private ProcessBuilder builder(String... arguments) {
        List<String> line = new ArrayList<>(command);
        line.addAll(List.of(arguments));
        return new ProcessBuilder(line)
                .redirectInput(Path.of("/dev/null").toFile())
                .redirectError(ProcessBuilder.Redirect.INHERIT);
    }

    private static Started started(ProcessBuilder builder) throws IOException {
        Process process = builder.start();
        return new Started(process, process.getInputStream());
    }

    private ProcessBuilder booting(Path ram, int mib, String... more) {
        List<String> arguments =
                new ArrayList<>(List.of("run", "--bios", rom.toString(), "-m", mib + "M", "--ram", "mem-path=" + ram));
        arguments.addAll(List.of(more));
        return builder(arguments.toArray(new String[0]));
    }

    @Override
    public Started boot(Path ram, int mib) throws IOException {
        return started(booting(ram, mib));
    }

    @Override
    public void save(Path ram, int mib, Path state) throws IOException, InterruptedException {
        Path control = state.resolveSibling("control");
        Started guest = started(booting(ram, mib, "--control", control.toString()));
        try {
            guest.serial().readNBytes(LETTERS);
            run("ctl", control.toString(), "save", state.toString());
            run("ctl", control.toString(), "quit");
            if (!guest.process().waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS)) {
                throw new IOException(name + " does not end");
            }
        } finally {
            guest.process().destroyForcibly().waitFor();
            Files.deleteIfExists(control);
        }
    }

    private void run(String... arguments) throws IOException, InterruptedException {
        Process process = builder(arguments)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        if (!process.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS) || process.exitValue() != 0) {
            process.destroyForcibly();
            throw new IOException(name + " " + String.join(" ", arguments) + " failed");
        }
    }

    /**
     * Hands a running guest over to a VMM that stands by, both of them fresh, and ends both.
     *
     * @return how long each part took, nanoseconds, as the VMM says
     */
    Map<String, Long> handOver(Path directory, int mib, List<String> parts) throws IOException, InterruptedException {
        Path control = directory.resolve("control");
        Path listen = directory.resolve("standby");
        Process standby = builder("standby", "--listen", listen.toString())
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.PIPE)
                .start();
        Started guest = null;
        try {
            awaitReady(standby);
            // That it has handed its guest over is what it says on stderr.
            guest = started(builder("run", "--bios", rom.toString(), "-m", mib + "M", "--control", control.toString())
                    .redirectError(ProcessBuilder.Redirect.DISCARD));
            guest.serial().readNBytes(LETTERS);
            awaitFile(control, 0, guest.process());
            Map<String, Object> report =
                    JSON.std.mapFrom(output("ctl", control.toString(), "handover", listen.toString()));
            guest.process().waitFor();
            Map<String, Long> nanos = new LinkedHashMap<>();
            for (String part : parts) {
                nanos.put(part, ((Number) report.get(part + "-us")).longValue() * 1000);
            }
            return nanos;
        } finally {
            standby.destroyForcibly().waitFor();
            if (guest != null) {
                guest.process().destroyForcibly().waitFor();
            }
            Files.deleteIfExists(control);
            Files.deleteIfExists(listen);
        }
    }

    /**
     * Replaces the VMM of a running guest, whose RAM and state a luod holds meanwhile: one ends, then the next one is
     * started.
     *
     * @return how long each of {@link #REPLACE_PARTS} took, nanoseconds, as the second VMM says
     */
    Map<String, Long> replace(Path directory, int mib) throws IOException, InterruptedException {
        Path socket = directory.resolve("luod");
        Path control = directory.resolve("control");
        String agent = "luod,socket=" + socket;
        // A VMM waits up to two seconds for its console's reader before it ends; a file takes all.
        Path console = directory.resolve("console");
        Process luod = builder("luod", "--backend", "hold", "--socket", socket.toString())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        Process first = null;
        Started guest = null;
        try {
            awaitFile(socket, 0, luod);
            first = builder("run", "--bios", rom.toString(), "-m", mib + "M", "--name", "guest", "--live-update", agent)
                    .redirectOutput(console.toFile())
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            awaitSubscribed(socket, first);
            awaitFile(console, LETTERS, first);
            run("luoctl", "kexec", "--socket", socket.toString());
            first.waitFor();
            guest = started(
                    builder("restore", "--live-update", agent, "--name", "guest", "--control", control.toString())
                            .redirectError(ProcessBuilder.Redirect.DISCARD));
            guest.serial().readNBytes(LETTERS);
            awaitFile(control, 0, guest.process());
            Map<String, Long> phases = new LinkedHashMap<>();
            for (Object entry : JSON.std.listFrom(output("ctl", control.toString(), "query-timeline"))) {
                Map<?, ?> phase = (Map<?, ?>) entry;
                phases.put((String) phase.get("phase"), ((Number) phase.get("after-us")).longValue());
            }
            return replaceParts(phases);
        } finally {
            if (first != null) {
                first.destroyForcibly().waitFor();
            }
            if (guest != null) {
                guest.process().destroyForcibly().waitFor();
            }
            luod.destroy();
            luod.waitFor();
            Files.deleteIfExists(console);
            Files.deleteIfExists(control);
            Files.deleteIfExists(socket);
        }
    }

    private Map<String, Long> replaceParts(Map<String, Long> phases) throws IOException {
        Map<String, Long> nanos = new LinkedHashMap<>();
        long before = 0;
        for (Map.Entry<String, Phase> part : REPLACE_PARTS.entrySet()) {
            Long after = phases.get(part.getValue().text());
            if (after == null) {
                throw new IOException(
                        name + ": its timeline has no '" + part.getValue().text() + "'");
            }
            nanos.put(part.getKey(), (after - before) * 1000);
            before = after;
        }
        return nanos;
    }

    private void awaitReady(Process standby) throws IOException {
        String line = "";
        while (!line.startsWith("vmm standby: ready")) {
            line = standby.errorReader().readLine();
            if (line == null) {
                throw new IOException(name + " has ended before it stood by");
            }
        }
    }

    private void awaitSubscribed(Path socket, Process guest) throws IOException, InterruptedException {
        while (!output("luoctl", "list", "--socket", socket.toString()).contains("SUBSCRIBED")) {
            if (!guest.isAlive()) {
                throw new IOException(name + " has ended before it took part in live updates");
            }
        }
    }

    private String output(String... arguments) throws IOException, InterruptedException {
        Process process = builder(arguments).start();
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IOException(name + " " + String.join(" ", arguments) + " failed");
        }
        return text;
    }

    private void awaitFile(Path file, int bytes, Process maker) throws IOException, InterruptedException {
        while (!Files.exists(file) || Files.size(file) < bytes) {
            if (!maker.isAlive()) {
                throw new IOException(name + " has ended before " + file + " was there");
            }
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }

    @Override
    public Started restore(Path ram, int mib, Path state) throws IOException {
        return started(builder("restore", state.toString()));
    }
}
