package dev.holdover.luod;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** luod in a process of its own, that can be killed; or a client in one, as another user. */
public final class LuodMain {
    private LuodMain() {}

    /** {@code luod PATH}, or {@code say PATH LINE}, which prints the answer. */
    public static void main(String[] args) throws Exception {
        if (args[0].equals("say")) {
            try (PlainClient client = new PlainClient(args[1])) {
                System.out.println(client.say(args[2]).read());
            }
            return;
        }
        try (Luod luod = Luod.open(new LuodOptions(args[1], null, true, 30, 30))) {
            luod.await();
        }
    }

    public static ProcessBuilder process(List<String> before, String... arguments) {
        List<String> command = new ArrayList<>(before);
        command.addAll(List.of(
                System.getProperty("java.home") + "/bin/java",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("jdk.module.path", "") + ":" + System.getProperty("java.class.path") + ":"
                        + testClasses(),
                "dev.holdover.luod.LuodMain"));
        command.addAll(List.of(arguments));
        return new ProcessBuilder(command);
    }

    private static Path testClasses() {
        return Path.of(LuodMain.class.getResource("LuodMain.class").getPath())
                .getParent()
                .getParent()
                .getParent()
                .getParent();
    }

    /** Starts luod and waits until it accepts. */
    public static Process start(String path) throws IOException, InterruptedException {
        Process luod = process(List.of(), "luod", path)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        long deadline = System.nanoTime() + Patience.host().nanos(30_000);
        while (!accepts(path)) {
            assertThat(luod.isAlive()).as("luod runs").isTrue();
            assertThat(System.nanoTime()).as("luod listens").isLessThan(deadline);
            Thread.sleep(10);
        }
        return luod;
    }

    private static boolean accepts(String path) {
        try {
            UnixSocket.connect(UnixSocket.Kind.STREAM, path).close();
            return true;
        } catch (RuntimeException e) {
            return false;
        }
    }

    public static void kill(Process luod) throws InterruptedException {
        luod.destroyForcibly();
        assertThat(luod.waitFor(Patience.host().seconds(20), TimeUnit.SECONDS))
                .as("end of luod")
                .isTrue();
    }

    /** Waits until this many descriptors of sockets, memfds and the like are open. */
    public static void awaitFds(int count) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + Patience.host().nanos(20_000);
        for (List<String> fds = fds(); fds.size() != count; fds = fds()) {
            assertThat(System.nanoTime())
                    .as("%s descriptors, there are %s", count, fds)
                    .isLessThan(deadline);
            Thread.sleep(5);
        }
    }

    /** What is open, but for files of the JVM's, which it opens as it needs them. */
    public static List<String> fds() throws IOException {
        List<String> open = new ArrayList<>();
        try (DirectoryStream<Path> fds = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
            for (Path fd : fds) {
                try {
                    String what = Files.readSymbolicLink(fd).toString();
                    if (!what.startsWith("/") || what.startsWith("/memfd:")) {
                        open.add(what);
                    }
                } catch (NoSuchFileException e) {
                    // closed since
                }
            }
        }
        return open;
    }
}
