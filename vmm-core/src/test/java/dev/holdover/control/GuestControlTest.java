package dev.holdover.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.VmmException;
import dev.holdover.machine.HandOverReport;
import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineBuilder;
import dev.holdover.machine.MachineConfig;
import dev.holdover.machine.MachineEnd;
import dev.holdover.machine.RunState;
import dev.holdover.machine.SaveOptions;
import dev.holdover.machine.SaveReport;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.RamConfig;
import dev.holdover.testing.NeedsKvm;
import dev.holdover.vmstate.TimelineEvent;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class GuestControlTest {
    private static final String OK = "{\"return\": {}}";

    @TempDir
    private Path dir;

    @NeedsKvm
    @Test
    void aRunningGuestIsStoppedContinuedAndEnded() throws Exception {
        Path image = dir.resolve("count.bin");
        try (InputStream in = GuestControlTest.class.getResourceAsStream("/guests/count.bin")) {
            Files.copy(in, image);
        }
        MachineConfig config = MachineBuilder.firmware(image)
                .name("g")
                .memory("16M")
                .serial("null")
                .config();
        String path = dir.resolve("control").toString();
        try (FdSets fdsets = new FdSets();
                Machine machine = new Machine(config, fdsets);
                ControlSocket socket = ControlSocket.open(path, fdsets, machine, null);
                QmpClient client = QmpClient.negotiated(path)) {
            assertThat(socket).isNotNull();
            machine.resume();
            assertThat(client.line()).contains("\"event\": \"RESUME\"");
            assertThat(client.ask("{'execute': 'query-status'}"))
                    .isEqualTo("{\"return\": {\"status\": \"running\", \"running\": true}}");
            client.send("{'execute': 'stop'}");
            assertThat(client.line()).contains("\"event\": \"STOP\"");
            assertThat(client.line()).isEqualTo(OK);
            assertThat(machine.state()).isEqualTo(RunState.PAUSED);
            assertThat(client.ask("{'execute': 'query-status'}"))
                    .isEqualTo("{\"return\": {\"status\": \"paused\", \"running\": false}}");
            assertThat(client.ask("{'execute': 'cont'}")).isEqualTo(OK);
            assertThat(machine.state()).isEqualTo(RunState.RUNNING);
            assertThat(client.ask("{'execute': 'query-cpus-fast'}")).contains("\"cpu-index\": 0");
            client.send("{'execute': 'quit'}");
            assertThat(machine.await()).isEqualTo(new MachineEnd.Quit());
            assertThat(client.event("SHUTDOWN")).endsWith("{\"guest\": false, \"reason\": \"host-qmp-quit\"}}");
        }
    }

    @Test
    void aSaveRunsOnItsOwnAndTellsHowItWent() throws Exception {
        String path = dir.resolve("control").toString();
        SavedGuest guest = new SavedGuest();
        try (FdSets fdsets = new FdSets();
                ControlSocket socket = new ControlSocket(path, fdsets, (events, control) -> guest);
                QmpClient client = QmpClient.negotiated(path)) {
            assertThat(socket).isNotNull();
            assertThat(client.ask("{'execute': 'query-migrate'}")).isEqualTo(OK);
            client.ask("{'execute': 'migrate-set-capabilities', 'arguments': {'capabilities':"
                    + " [{'capability': 'x-ignore-shared', 'state': true}]}}");
            String migrate = "{'execute': 'migrate', 'arguments': {'uri': 'file:" + dir + "/state', 'force': true}}";
            assertThat(client.ask(migrate)).isEqualTo(OK);
            assertThat(client.event("MIGRATION")).contains("setup");
            assertThat(client.event("MIGRATION")).contains("active");
            assertThat(client.ask("{'execute': 'query-migrate'}"))
                    .contains("\"status\": \"active\"", "\"transferred\": 5,");
            String busy = "There's a migration process in progress";
            assertThat(client.ask(migrate)).contains(busy);
            assertThat(client.ask("{'execute': 'stop'}")).contains(busy);
            assertThat(client.ask("{'execute': 'cont'}")).contains("Migration is not finalized yet");
            guest.answers.add(new VmmException("the disk is full"));
            assertThat(client.event("MIGRATION")).contains("failed");
            assertThat(client.ask("{'execute': 'query-migrate'}"))
                    .isEqualTo("{\"return\": {\"status\": \"failed\", \"error-desc\": \"the disk is full\"}}");
            guest.answers.add(new SaveReport(0, 9000, 2_000_000, 1_000_000, List.of("ram0: 16 MiB kept in place")));
            assertThat(client.ask(migrate)).isEqualTo(OK);
            assertThat(client.event("MIGRATION")).contains("setup");
            assertThat(client.event("MIGRATION")).contains("active");
            assertThat(client.event("MIGRATION")).contains("completed");
            assertThat(client.ask("{'execute': 'query-migrate'}"))
                    .contains(
                            "\"total-time\": 2, \"downtime\": 1,",
                            "{\"total\": 0, \"transferred\": 9000, \"remaining\": 0");
            assertThat(guest.options).isEqualTo(new SaveOptions(true, true));
            assertThat(client.ask(migrate)).contains("Can't migrate the vm that was paused due to previous migration");
        }
    }

    /** Saves as the test says. */
    private static final class SavedGuest implements Guest {
        private final BlockingQueue<Object> answers = new LinkedBlockingQueue<>();
        private volatile RunState state = RunState.RUNNING;
        private volatile SaveOptions options;

        @Override
        public SaveReport save(String path, SaveOptions how) {
            options = how;
            try {
                Object answer = answers.take();
                if (answer instanceof VmmException failure) {
                    throw failure;
                }
                state = RunState.SAVED;
                return (SaveReport) answer;
            } catch (InterruptedException e) {
                throw new VmmException("interrupted", e);
            }
        }

        @Override
        public HandOverReport handOver(String to) {
            throw new VmmException("nobody stands by at " + to);
        }

        @Override
        public void leave() {}

        @Override
        public void prepareLiveUpdate() {}

        @Override
        public void preserveForLiveUpdate() {}

        @Override
        public void abortLiveUpdate() {}

        @Override
        public List<TimelineEvent> timeline() {
            return List.of();
        }

        @Override
        public int tscKhz() {
            return 0;
        }

        @Override
        public long saveProgressBytes() {
            return 5;
        }

        @Override
        public String name() {
            return "";
        }

        @Override
        public RamConfig ram() {
            return RamConfig.memfd(16 << 20);
        }

        @Override
        public int[] vcpuThreadIds() {
            return new int[0];
        }

        @Override
        public RunState state() {
            return state;
        }

        @Override
        public void resume() {}

        @Override
        public void pause() {}

        @Override
        public void reset() {}

        @Override
        public void pressPowerButton() {}

        @Override
        public void quit() {}
    }
}
