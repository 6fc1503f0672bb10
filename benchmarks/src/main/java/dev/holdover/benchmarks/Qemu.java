package dev.holdover.benchmarks;

import com.fasterxml.jackson.jr.ob.JSON;
import dev.holdover.linux.Patience;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.RandomAccessFile;
import java.io.Writer;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * QEMU with its smallest machine, microvm. It is told to restore over QMP on its standard streams, where its command line
 * cannot say it (before 11.1); the guest then writes to a FIFO.
 */
final class Qemu implements Contestant {
    private static final Pattern VERSION = Pattern.compile("version (\\d+)\\.(\\d+)(\\.\\d+)?");
    private static final long DEADLINE_SECONDS = Patience.host().seconds(30);
    private static final int LETTERS = 5;
    private static final String NEGOTIATE = "{\"execute\":\"qmp_capabilities\"}\n"
            + "{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":"
            + "[{\"capability\":\"x-ignore-shared\",\"state\":true}]}}\n";

    private final String binary;
    private final Path rom;
    private final Path fifo;
    private final String version;
    private final int number;
    private RandomAccessFile fifoEnd;

    private Qemu(String binary, Path rom, Path fifo, String version, int number) {
        this.binary = binary;
        this.rom = rom;
        this.fifo = fifo;
        this.version = version;
        this.number = number;
    }

    /** The QEMU of that name or path; null if there is none. */
    static Qemu find(String binary, Path rom, Path directory) throws IOException, InterruptedException {
        Process process;
        try {
            process = new ProcessBuilder(binary, "--version")
                    .redirectErrorStream(true)
                    .start();
        } catch (IOException e) {
            return null;
        }
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        process.waitFor();
        Matcher matcher = VERSION.matcher(text);
        if (!matcher.find()) {
            return null;
        }
        int number = Integer.parseInt(matcher.group(1)) * 100 + Integer.parseInt(matcher.group(2));
        String file = binary.substring(binary.lastIndexOf('/') + 1);
        String build = file.replace("qemu-system-x86_64", "").replaceAll("^[^A-Za-z0-9]+", "");
        String version = matcher.group().substring("version ".length()) + (build.isEmpty() ? "" : " " + build);
        return new Qemu(binary, rom, directory.resolve("fifo-" + version.replace(' ', '-')), version, number);
    }

    @Override
    public String name() {
        return "QEMU " + version;
    }

    @Override
    public String detail() {
        return String.join(" ", machine(Path.of("RAM"), 256));
    }

    private List<String> machine(Path ram, int mib) {
        return List.of(
                binary,
                "-machine",
                "microvm,pit=off,pic=off,rtc=off,isa-serial=on,memory-backend=ram",
                "-accel",
                "kvm",
                "-cpu",
                "host,-arch-capabilities",
                "-smp",
                "1",
                "-m",
                mib + "M",
                "-nodefaults",
                "-no-user-config",
                "-display",
                "none",
                "-object",
                "memory-backend-file,id=ram,size=" + mib + "M,mem-path=" + ram + ",share=on",
                "-bios",
                rom.toString());
    }

    private Started start(List<String> machine, String... more) throws IOException {
        List<String> line = new ArrayList<>(machine);
        line.addAll(List.of(more));
        Process process = new ProcessBuilder(line)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        return new Started(process, process.getInputStream());
    }

    /** With QMP on the standard streams and the serial port on the FIFO. */
    private Started startWithQmp(List<String> machine, String... more) throws IOException {
        openFifo();
        return startWithQmpOn(fifo, machine, more);
    }

    private Started startWithQmpOn(Path fifo, List<String> machine, String... more) throws IOException {
        List<String> line = new ArrayList<>(machine);
        line.addAll(List.of("-qmp", "stdio", "-chardev", "file,id=serial,path=" + fifo, "-serial", "chardev:serial"));
        Started started = start(line, more);
        RandomAccessFile end = fifoEnd;
        Thread.ofVirtual().start(() -> {
            try {
                started.process().waitFor();
                end.write(0);
            } catch (IOException | InterruptedException e) {
                // The FIFO is closed: nobody waits.
            }
        });
        return new Started(started.process(), Channels.newInputStream(end.getChannel()));
    }

    private boolean knowsFiles() {
        return number >= 802;
    }

    /** One that knows no files takes the state by descriptor; the shell passes one. */
    private List<String> withState(List<String> machine, Path state) {
        if (knowsFiles()) {
            return machine;
        }
        List<String> line = new ArrayList<>(List.of("/bin/sh", "-c", "exec \"$@\" 9<>\"$0\"", state.toString()));
        line.addAll(machine);
        return line;
    }

    private String uri(Path state) {
        return knowsFiles() ? "file:" + state : "fd:9";
    }

    private String migrate(Path state) {
        String to = knowsFiles() ? "file:" + state : "exec:cat >" + state;
        return "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"" + to + "\"}}\n";
    }

    private void openFifo() throws IOException {
        if (fifoEnd != null) {
            fifoEnd.close();
        }
        Files.deleteIfExists(fifo);
        try {
            if (new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor() != 0) {
                throw new IOException("mkfifo " + fifo + " failed");
            }
        } catch (InterruptedException e) {
            throw new InterruptedIOException("mkfifo");
        }
        fifoEnd = new RandomAccessFile(fifo.toFile(), "rw");
    }

    @Override
    public Started boot(Path ram, int mib) throws IOException {
        return start(machine(ram, mib), "-serial", "stdio");
    }

    @Override
    public void save(Path ram, int mib, Path state) throws IOException, InterruptedException {
        saveAndEnd(ram, mib, state);
    }

    /** Returns when its guest was told to pause. */
    private long saveAndEnd(Path ram, int mib, Path state) throws IOException, InterruptedException {
        Started guest = startWithQmp(machine(ram, mib));
        try (Writer out = guest.process().outputWriter();
                BufferedReader in = guest.process().inputReader()) {
            readLetters(guest.serial());
            out.write(NEGOTIATE);
            out.write(migrate(state));
            out.flush();
            long stopped = awaitEvent(in, "STOP");
            awaitSaved(out, in);
            out.write("{\"execute\":\"quit\"}\n");
            out.flush();
            guest.process().waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS);
            return stopped;
        } finally {
            guest.process().destroyForcibly().waitFor();
        }
    }

    private void readLetters(InputStream serial) throws IOException {
        for (int i = 0; i < LETTERS; i++) {
            if (serial.read() <= 0) {
                throw new IOException(name() + ": its guest writes nothing");
            }
        }
    }

    private void awaitSaved(Writer out, BufferedReader in) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
        out.write("{\"execute\":\"query-migrate\"}\n");
        out.flush();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            Map<String, Object> reply = JSON.std.mapFrom(line);
            if (reply.containsKey("error")) {
                throw new IOException(name() + ": " + line);
            }
            if (reply.get("return") instanceof Map<?, ?> answer && answer.get("status") instanceof String status) {
                if (status.equals("completed")) {
                    return;
                }
                if (status.equals("failed") || System.nanoTime() > deadline) {
                    throw new IOException(name() + ": " + line);
                }
                TimeUnit.MICROSECONDS.sleep(100);
                out.write("{\"execute\":\"query-migrate\"}\n");
                out.flush();
            }
        }
        throw new IOException(name() + " has ended while it saved");
    }

    /**
     * The nearest that it has to a hand-over, with RAM in a file: a running guest is saved, and taken up by a second
     * process that has been started and waits.
     *
     * @return from the one's word that the guest is paused to the other's that it runs, nanoseconds
     */
    long handOver(Path ram, int mib, Path state) throws IOException, InterruptedException {
        Started from = startWithQmp(machine(ram, mib));
        Started to = null;
        try (Writer fromIn = from.process().outputWriter();
                BufferedReader fromOut = from.process().inputReader()) {
            readLetters(from.serial());
            to = startWithQmpOn(Path.of("/dev/null"), withState(machine(ram, mib), state), "-incoming", "defer");
            try (Writer toIn = to.process().outputWriter();
                    BufferedReader toOut = to.process().inputReader()) {
                toIn.write(NEGOTIATE);
                toIn.flush();
                fromIn.write(NEGOTIATE);
                fromIn.flush();
                // Greeting, and the answers to both.
                for (int i = 0; i < 3; i++) {
                    toOut.readLine();
                    fromOut.readLine();
                }
                fromIn.write(migrate(state));
                fromIn.flush();
                long stopped = awaitEvent(fromOut, "STOP");
                awaitSaved(fromIn, fromOut);
                toIn.write("{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":\"" + uri(state) + "\"}}\n");
                toIn.flush();
                return awaitEvent(toOut, "RESUME") - stopped;
            }
        } finally {
            from.process().destroyForcibly().waitFor();
            if (to != null) {
                to.process().destroyForcibly().waitFor();
            }
            Files.deleteIfExists(state);
        }
    }

    /**
     * The nearest that it has to a VMM that is replaced, with RAM in a file: a running guest is saved, its process ends, a
     * second one is started with the state.
     *
     * @return from the word that the guest is paused to its first byte, nanoseconds
     */
    long replace(Path ram, int mib, Path state) throws IOException, InterruptedException {
        long stopped = saveAndEnd(ram, mib, state);
        Started to = restore(ram, mib, state);
        try {
            if (to.serial().read() <= 0) {
                throw new IOException(name() + ": its guest writes nothing");
            }
            return System.nanoTime() - stopped;
        } finally {
            to.process().destroyForcibly().waitFor();
            Files.deleteIfExists(state);
        }
    }

    private long awaitEvent(BufferedReader in, String event) throws IOException {
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            long now = System.nanoTime();
            Map<String, Object> message = JSON.std.mapFrom(line);
            if (event.equals(message.get("event"))) {
                return now;
            }
            if (message.containsKey("error")) {
                throw new IOException(name() + ": " + line);
            }
        }
        throw new IOException(name() + " has ended before " + event);
    }

    @Override
    public Started restore(Path ram, int mib, Path state) throws IOException {
        if (number >= 1101) {
            return start(
                    machine(ram, mib),
                    "-serial",
                    "stdio",
                    "-global",
                    "migration.x-ignore-shared=on",
                    "-incoming",
                    "file:" + state);
        }
        Started guest = startWithQmp(withState(machine(ram, mib), state), "-incoming", "defer");
        Writer out = guest.process().outputWriter();
        out.write(NEGOTIATE + "{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":\"" + uri(state) + "\"}}\n");
        out.flush();
        return guest;
    }
}
