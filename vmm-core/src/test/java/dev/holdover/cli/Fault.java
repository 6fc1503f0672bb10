package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.TimeUnit;

/** What a process of a {@link Trial} meets at a random instant. */
enum Fault {
    /** SIGKILL. */
    KILL,
    /** SIGTERM. */
    TERM,
    /** SIGSTOP; SIGCONT after up to 2.5 s, which is longer than the other side of a hand-over waits. */
    STOP,
    /** EMFILE: from then on the process may open no descriptor. */
    NO_DESCRIPTORS,
    /** ENOSPC: the state is to be written to a full file system. */
    NO_SPACE,
    /** The client that gave the command closes its connection. */
    HANG_UP,
    /** The command is given to a second process as well. */
    TWICE;

    private static final int MOST_STOPPED_MILLIS = 2_500;
    /** So long a side of a hand-over waits for the other one while the guest is paused. */
    private static final int PATIENCE_MILLIS = 2_000;

    /** Whether a process that had the guest may have taken it along. */
    boolean ends() {
        return this == KILL || this == TERM;
    }

    /** Lets a process meet it, if it is one that a process meets by itself and the process is still there. */
    void meet(Process process, Random random) throws Exception {
        begin(process);
        end(process, random);
    }

    /** The first half of {@link #meet}: a process that it stops stands when this returns. */
    void begin(Process process) throws Exception {
        switch (this) {
            case KILL -> process.destroyForcibly();
            case TERM -> process.destroy();
            case STOP -> {
                signal("-STOP", process);
                Vmms.await("the process stops", () -> !process.isAlive() || stands(process));
            }
            case NO_DESCRIPTORS -> limit(process, Integer.toString(openDescriptors(process)));
            case NO_SPACE, HANG_UP, TWICE -> throw new IllegalArgumentException(name() + " is the trial's own");
        }
    }

    /** The other half: after a while, a process that was stopped goes on. */
    void end(Process process, Random random) throws Exception {
        if (this == STOP) {
            boolean longer = random.nextBoolean();
            TimeUnit.MILLISECONDS.sleep(
                    longer
                            ? random.nextInt(PATIENCE_MILLIS, MOST_STOPPED_MILLIS)
                            : random.nextInt(MOST_STOPPED_MILLIS));
            signal("-CONT", process);
        }
    }

    /** Each of its threads: the others run on until the one that got the signal sees it. */
    private static boolean stands(Process process) throws IOException {
        try (DirectoryStream<Path> threads = Files.newDirectoryStream(Path.of("/proc/" + process.pid() + "/task"))) {
            for (Path thread : threads) {
                String stat = Files.readString(thread.resolve("stat"), StandardCharsets.ISO_8859_1);
                char state = stat.charAt(stat.lastIndexOf(')') + 2); // proc_pid_stat(5)
                if (state != 'T' && state != 'Z' && state != 'X') { // a thread that ends does not stop
                    return false;
                }
            }
            return true;
        } catch (NoSuchFileException | NotDirectoryException e) {
            return false; // a thread, or the process, has ended meanwhile
        }
    }

    /** Lets a process that met {@link #NO_DESCRIPTORS} open descriptors again. */
    static void lift(Process process) throws IOException, InterruptedException {
        limit(process, "4096");
    }

    private static void signal(String signal, Process process) throws IOException, InterruptedException {
        run(process, "kill", signal, Long.toString(process.pid()));
    }

    private static void limit(Process process, String descriptors) throws IOException, InterruptedException {
        run(process, "prlimit", "--pid", Long.toString(process.pid()), "--nofile=" + descriptors + ":4096");
    }

    private static void run(Process process, String... command) throws IOException, InterruptedException {
        Process ended = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        boolean done = ended.waitFor() == 0;
        assertThat(done || !process.isAlive()).as(String.join(" ", command)).isTrue();
    }

    /** The number above its highest descriptor, so that no gap below it counts. */
    private static int openDescriptors(Process process) throws IOException {
        int most = 0;
        try (DirectoryStream<Path> found = Files.newDirectoryStream(Path.of("/proc/" + process.pid() + "/fd"))) {
            for (Path descriptor : found) {
                most = Math.max(most, Integer.parseInt(descriptor.getFileName().toString()) + 1);
            }
        } catch (IOException e) {
            if (process.isAlive()) {
                throw e;
            }
        }
        return most;
    }
}
