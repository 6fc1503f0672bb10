package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Patience;
import dev.holdover.testing.NeedsKvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@NeedsKvm
class FlightPhasesTest {
    private static final Path GUESTS = Path.of("src/test/resources/guests");

    @TempDir
    private Path dir;

    private Path ram() {
        return dir.resolve("ram");
    }

    private static void awaitCounting(Machine machine) throws InterruptedException {
        int before = machine.memory().getInt(0x1000);
        Guest.await("it counts", () -> machine.memory().getInt(0x1000) != before);
    }

    /** The phases of the guest's operations, in the order of their ends. */
    private static Map<String, List<String>> phases(Path file, String guest) throws IOException {
        Map<String, List<String>> phases = new TreeMap<>();
        for (RecordedEvent event : Recorded.phases(file)) {
            String type = event.getEventType().getName();
            if (event.getString("guest").equals(guest)) {
                assertThat(event.getEventType().getCategoryNames()).containsExactly("Holdover");
                assertThat(event.getDuration())
                        .as(event.toString())
                        .isBetween(
                                Duration.ZERO,
                                Duration.ofSeconds(Patience.host().seconds(60)));
                phases.computeIfAbsent(type, none -> new ArrayList<>()).add(event.getString("phase"));
            }
        }
        return phases;
    }

    @Test
    void aStartASaveAndARestoreHaveTheirs() throws Exception {
        Path state = dir.resolve("state");
        Path file = dir.resolve("flight.jfr");
        try (Recording recording = new Recording()) {
            recording.start();
            try (Machine machine = MachineBuilder.firmware(GUESTS.resolve("count.bin"))
                    .name("one")
                    .memory("4M")
                    .ram("mem-path=" + ram())
                    .serial("null")
                    .build()) {
                machine.resume();
                awaitCounting(machine);
                machine.pause();
                machine.resume();
                machine.save(state.toString(), SaveOptions.IN_PLACE);
            }
            try (Machine machine = Machine.restore(state)) {
                machine.resume();
                awaitCounting(machine);
            }
            recording.dump(file);
        }
        assertThat(phases(file, "one"))
                .isEqualTo(Map.of(
                        "dev.holdover.StartPhase",
                        List.of("OPEN", "MEMSLOTS", "IRQCHIP", "VCPUS", "STATE", "FIRST_EXIT"),
                        "dev.holdover.SavePhase",
                        List.of("PREPARED", "PAUSED", "STATE_TAKEN", "OUTPUT_SYNCED", "RAM_WRITTEN", "STATE_DURABLE"),
                        "dev.holdover.RestorePhase",
                        List.of("READ", "OPEN", "MEMSLOTS", "IRQCHIP", "VCPUS", "STATE", "FIRST_EXIT")));
    }

    @Test
    void aHandOverHasThoseOfBothSides() throws Exception {
        Path file = dir.resolve("flight.jfr");
        try (Recording recording = new Recording()) {
            recording.start();
            Rehearsal.handOver(Rehearsal.Side.OUTGOING);
            recording.dump(file);
        }
        List<String> phases = phases(file, "rehearsal").get("dev.holdover.HandOverPhase");
        assertThat(phases)
                .containsSubsequence(
                        "OPEN",
                        "MEMSLOTS",
                        "IRQCHIP",
                        "VCPUS",
                        "STATE",
                        "PREPARED",
                        "OTHER_READY",
                        "PAUSED",
                        "STATE_TAKEN")
                .containsSubsequence("STATE_TAKEN", "STATE_APPLIED")
                .containsSubsequence("STATE_TAKEN", "RUNNING_THERE");
    }

    @Test
    void withoutARecordingNoEventIsLoaded() throws Exception {
        Path classes = dir.resolve("classes");
        Process vmm = new ProcessBuilder(List.of(
                        System.getProperty("java.home") + "/bin/java",
                        "-Xlog:disable",
                        "-Xlog:class+load:file=" + classes,
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("jdk.module.path", "") + ":" + System.getProperty("java.class.path"),
                        "dev.holdover.cli.Main",
                        "run",
                        "--bios",
                        GUESTS.resolve("poweroff.bin").toString(),
                        "--serial",
                        "null"))
                .redirectErrorStream(true)
                .redirectOutput(dir.resolve("said").toFile())
                .start();
        assertThat(vmm.waitFor(Patience.host().seconds(60), TimeUnit.SECONDS)).isTrue();
        assertThat(vmm.exitValue()).as(Files.readString(dir.resolve("said"))).isZero();
        assertThat(classes)
                .content()
                .contains("dev.holdover.machine.FlightPhases ")
                .doesNotContain("dev.holdover.machine.PhaseEvent", "jdk.jfr.Event ");
    }
}
