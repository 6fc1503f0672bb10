package dev.holdover.cli;

import dev.holdover.linux.Patience;
import dev.holdover.linux.VmmException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * The demo's second VMM process: this program again, as a standby, on a socket in a directory of its own. Whatever ends
 * this process but SIGKILL ends the other and removes the directory.
 */
final class DemoStandby implements AutoCloseable {
    private static final String SAYS = "vmm standby: ";
    private static final String READY = SAYS + "ready on ";
    /** It removes its socket when it is told to end; if it hangs it is killed. */
    private static final int SECONDS_TO_END = 5;

    private final Path dir;
    private final Path socket;
    private final Process process;
    private final Thread onSignal = new Thread("leave") {
        @Override
        public void run() {
            end();
        }
    };

    private boolean ended;

    private DemoStandby() throws IOException {
        synchronized (this) { // a signal waits until there is a process to end
            try {
                Runtime.getRuntime().addShutdownHook(onSignal);
            } catch (IllegalStateException e) {
                awaitExit();
            }
            dir = Files.createTempDirectory("holdover-demo");
            socket = dir.resolve("standby");
            process = start(dir, socket);
        }
    }

    private static Process start(Path dir, Path socket) throws IOException {
        try {
            return new ProcessBuilder(command(socket))
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
        } catch (IOException e) {
            Files.deleteIfExists(dir);
            throw e;
        }
    }

    /** A signal is ending this process: nothing more is to be said or made. */
    private static void awaitExit() {
        while (true) {
            LockSupport.park();
        }
    }

    /**
     * Starts it, and waits until it is ready.
     *
     * @throws VmmException why it does not start: what it says itself
     */
    static DemoStandby start() throws IOException, InterruptedException {
        DemoStandby standby = new DemoStandby();
        try {
            standby.awaitReady();
            return standby;
        } catch (IOException | InterruptedException | RuntimeException e) {
            standby.close();
            throw e;
        }
    }

    private static List<String> command(Path socket) throws IOException {
        List<String> command = new ArrayList<>();
        String self = Files.readString(Path.of("/proc/self/cmdline"), StandardCharsets.UTF_8);
        for (String word : self.split("\0", -1)) {
            if (word.equals("demo")) {
                break;
            }
            // What takes notes of this process would be written over by the other.
            if (!word.startsWith("-XX:DumpLoadedClassList") && !word.startsWith("-XX:AOTCacheOutput")) {
                command.add(word);
            }
        }
        command.addAll(List.of("standby", "--listen", socket.toString()));
        return command;
    }

    private void awaitReady() throws IOException, InterruptedException {
        BufferedReader errors = process.errorReader(StandardCharsets.UTF_8);
        List<String> said = new ArrayList<>();
        String line = errors.readLine();
        while (line != null && !line.startsWith(READY)) { // the JVM may have its say first, as on JDK_JAVA_OPTIONS
            said.add(line);
            line = errors.readLine();
        }
        if (line == null) {
            process.waitFor();
            throw new VmmException("the second VMM process does not start: " + cause(said));
        }
        Thread passOn = new Thread("standby's messages") {
            @Override
            public void run() {
                try {
                    for (String line = errors.readLine(); line != null; line = errors.readLine()) {
                        System.err.println(line);
                    }
                } catch (IOException e) {
                    return; // the demo has closed the stream, after the end of the process
                }
            }
        };
        passOn.setDaemon(true);
        passOn.start();
    }

    /** Its own sentence, else how it ended and the last that was said. */
    private String cause(List<String> said) {
        for (String line : said.reversed()) {
            if (line.startsWith(SAYS)) {
                return line.substring(SAYS.length());
            }
        }
        return howItEnded() + (said.isEmpty() ? "" : ", having said: " + said.getLast());
    }

    /** For a sentence; after its end. */
    private String howItEnded() {
        int code = process.exitValue();
        return code > 128 ? "it was ended by signal " + (code - 128) : "it ended with exit code " + code;
    }

    /** What the guest is handed over to. */
    Path socket() {
        return socket;
    }

    long pid() {
        return process.pid();
    }

    /** Waits until it has ended because its guest has switched itself off; throws if it ends otherwise, or not in time. */
    void awaitPowerOff(int seconds) throws InterruptedException {
        if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
            throw new VmmException(
                    "the demo's guest did not switch itself off in the other VMM within " + seconds + " s");
        }
        if (process.exitValue() != ExitCode.OK) {
            throw new VmmException(
                    "the second VMM process ended before the demo's guest switched itself off: " + howItEnded());
        }
    }

    private synchronized void end() {
        if (ended || process == null) { // null if it could not be started
            return;
        }
        ended = true;
        process.destroy();
        try {
            if (!process.waitFor(Patience.host().seconds(SECONDS_TO_END), TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
            Files.deleteIfExists(socket);
            Files.deleteIfExists(dir);
        } catch (InterruptedException | IOException e) {
            System.err.println("vmm demo: " + dir + " is left behind: " + e);
        }
    }

    /** Ends it, and removes what it listened on. When a signal ends this process, does not return: all is said then. */
    @Override
    public void close() {
        end();
        try {
            Runtime.getRuntime().removeShutdownHook(onSignal);
        } catch (IllegalStateException e) {
            awaitExit();
        }
    }
}
