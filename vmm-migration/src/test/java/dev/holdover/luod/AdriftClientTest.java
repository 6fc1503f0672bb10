package dev.holdover.luod;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.Patience;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.LuodControl;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Clients whose connections end while their processes run; luod has a process of its own. */
@Timeout(180)
class AdriftClientTest {
    private static final String START = "{\"event\": \"START_PRESERVATION\"}";
    private static final String PID = "vm1 (pid " + ProcessHandle.current().pid() + ")";

    @TempDir
    Path dir;

    private String path;
    private Process luod;

    @BeforeEach
    void start() throws Exception {
        path = dir.resolve("luod.sock").toString();
        luod = LuodMain.start(path);
    }

    @AfterEach
    void end() throws Exception {
        LuodMain.kill(luod);
    }

    private PlainClient subscribed(String id) {
        PlainClient client = new PlainClient(path).say("{\"cmd\": \"SUBSCRIBE\", \"id\": \"" + id + "\"}");
        awaitState(id, "SUBSCRIBED");
        return client;
    }

    private void awaitState(String id, String state) {
        long deadline = System.nanoTime() + Patience.host().nanos(20_000);
        try (LuodControl control = new LuodControl(path)) {
            while (control.list().stream()
                    .noneMatch(entry -> entry.id().equals(id) && entry.state().equals(state))) {
                assertThat(System.nanoTime()).as("%s is %s", id, state).isLessThan(deadline);
            }
        }
    }

    private static String reason(PlainClient luoctl) {
        String line;
        do {
            line = luoctl.read();
            assertThat(line).isNotNull().doesNotContain("TURNED");
        } while (!line.contains("ABORTED"));
        return line;
    }

    /** The client takes it as an abort, and its guest runs on: the host must not be rebooted without it. */
    @Test
    void aLiveClientWhoseConnectionEndsAbortsTheUpdate() {
        for (boolean ready : List.of(true, false)) {
            try (PlainClient other = subscribed("other");
                    PlainClient vmm = subscribed("vm1");
                    PlainClient luoctl = new PlainClient(path).say("{\"cmd\": \"KEXEC\", \"version\": 1}")) {
                vmm.expect(START).session().close();
                other.expect(START).session().close();
                if (ready) {
                    vmm.say("{\"cmd\": \"READY\"}");
                    awaitState("vm1", "READY");
                }
                vmm.socket().close(); // as a connection that breaks
                awaitState("vm1", "ADRIFT");
                other.say("{\"cmd\": \"READY\"}");
                assertThat(reason(luoctl))
                        .contains("the connection of " + PID + " is gone while its process runs on, with its guest");
            }
            try (LuodControl control = new LuodControl(path)) {
                awaitState("other", "ADRIFT");
                control.discard("vm1");
                control.discard("other");
            }
        }
    }

    @Test
    void aClientThatSubscribesAnewWhenItWasReadyAbortsTheUpdate() {
        try (PlainClient other = subscribed("other");
                PlainClient vmm = subscribed("vm1");
                PlainClient luoctl = new PlainClient(path).say("{\"cmd\": \"KEXEC\", \"version\": 1}")) {
            other.expect(START).session().close();
            vmm.expect(START).session().close();
            vmm.say("{\"cmd\": \"READY\"}");
            awaitState("vm1", "READY");
            vmm.socket().close(); // as a connection that breaks
            awaitState("vm1", "ADRIFT");
            try (PlainClient again = subscribed("vm1")) {
                assertThat(reason(luoctl)).contains("vm1 has subscribed anew");
                assertThat(again.hasFd()).isFalse();
            }
        }
    }

    @Test
    void noUpdateBeginsWithoutALiveClient() throws Exception {
        subscribed("vm1").close();
        awaitState("vm1", "ADRIFT");
        try (LuodControl control = new LuodControl(path)) {
            assertThatThrownBy(() -> control.kexec(false, (id, step) -> {}))
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("EBUSY")
                    .hasMessageContaining("clients run whose connections are gone, and would be lost: " + PID);
        }
        try (LuodControl control = new LuodControl(path)) {
            control.discard("vm1");
            assertThat(control.list()).isEmpty();
        }
        // One that has ended keeps nobody.
        Process ends = LuodMain.process(
                        List.of(), "say", path, "{\"cmd\": \"SUBSCRIBE\", \"id\": \"vm2\", \"version\": 1}")
                .redirectErrorStream(true)
                .start();
        assertThat(ends.waitFor(Patience.host().seconds(30), TimeUnit.SECONDS)).isTrue();
        try (LuodControl control = new LuodControl(path)) {
            assertThatThrownBy(() -> control.kexec(false, (id, step) -> {}))
                    .hasMessageContaining("ENOENT")
                    .hasMessageContaining("no client has subscribed");
        }
    }
}
