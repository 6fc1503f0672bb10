package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import dev.holdover.testing.NeedsKvm;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The VMM as the main process of a unit with Type=notify. */
@NeedsKvm
class SystemdUnitTest {
    @TempDir
    Path dir;

    @Test
    void saysThatTheUnitIsUpWhenTheGuestRuns() throws Exception {
        Path notify = dir.resolve("notify");
        ProcessBuilder builder = new ProcessBuilder(Shell.vmm(
                "",
                "run",
                "--bios",
                Guests.path("spin.bin").toString(),
                "-m",
                "16M",
                "--serial",
                "null",
                "--name",
                "vm0",
                "--live-update",
                "systemd"));
        builder.environment().put("NOTIFY_SOCKET", notify.toString());
        try (UnixSocket manager = UnixSocket.listen(UnixSocket.Kind.DATAGRAM, notify.toString());
                Arena arena = Arena.ofConfined()) {
            manager.fd().setNonBlocking(false);
            manager.setTimeout(Patience.host().millis(60_000));
            Process process = builder.redirectErrorStream(true)
                    .redirectOutput(dir.resolve("output").toFile())
                    .start();
            try {
                MemorySegment buffer = arena.allocate(4096);
                long bytes = manager.receive(buffer).bytes();
                assertThat(bytes).isPositive();
                assertThat(new String(buffer.asSlice(0, bytes).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8))
                        .isEqualTo("READY=1");
                process.destroy();
                assertThat(process.waitFor(Patience.host().seconds(30), TimeUnit.SECONDS))
                        .isTrue();
            } finally {
                process.destroyForcibly();
            }
        }
    }
}
