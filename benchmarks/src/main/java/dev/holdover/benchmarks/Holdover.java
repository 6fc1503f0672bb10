package dev.holdover.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** This VMM, started by a launcher or by java itself. */
final class Holdover implements Contestant {
    private static final long DEADLINE_SECONDS = 30;
    /** So many letters the guest writes before it is saved. */
    private static final int LETTERS = 5;

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

    @Override
    public Started restore(Path ram, int mib, Path state) throws IOException {
        return started(builder("restore", state.toString()));
    }
}
