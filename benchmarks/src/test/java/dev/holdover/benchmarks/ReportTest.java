package dev.holdover.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReportTest {
    @TempDir
    private Path dir;

    private static Map<String, Object> line(Object... keysAndValues) {
        Map<String, Object> line = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            line.put((String) keysAndValues[i], keysAndValues[i + 1]);
        }
        return line;
    }

    private static Map<String, Object> restore(String contestant, int round, long nanos) {
        return line(
                "benchmark",
                "RestoreBenchmark",
                "contestant",
                contestant,
                "round",
                round,
                "mib",
                "256",
                "touched",
                "false",
                "cpus",
                "1",
                "ram",
                "FILE",
                "nanos",
                nanos,
                "parts",
                Map.of("open", nanos / 2, "run", nanos / 2));
    }

    private static Map<String, Object> cold(String contestant, int round, long nanos) {
        return line(
                "benchmark",
                "ColdRestore",
                "contestant",
                contestant,
                "round",
                round,
                "mib",
                256,
                "nanos",
                nanos,
                "cpuNanos",
                nanos,
                "anonKib",
                2048,
                "fileKib",
                1024,
                "shmemKib",
                0);
    }

    private static List<Map<String, Object>> sample() {
        List<Map<String, Object>> lines = new ArrayList<>();
        for (int round = 0; round < 2; round++) {
            lines.add(restore("holdover", round, 2_000_000L * (round + 1)));
            lines.add(restore("floor", round, 1_000_000));
            lines.add(cold("Holdover", round, 60_000_000));
            lines.add(cold("QEMU <7>", round, 30_000_000));
        }
        return lines;
    }

    @Test
    void saysRatiosOfContestantsRoundByRound() {
        assertThat(new Report(sample(), Map.of()).text())
                .contains("in-process restore ÷ its system calls, 256 MiB: 4.00 (rounds 2.00 to 4.00): 4.00 ÷ 1.00 ms")
                .contains("cold restore, spawn → first byte, Holdover ÷ QEMU <7>: 2.00 (least 2.00): 60.00 ÷ 30.00 ms")
                .contains("resident memory besides guest RAM, after a restore, Holdover: 3 MiB")
                .doesNotContain("PIO");
    }

    @Test
    void makesAPageThatNeedsNothingElse() throws IOException {
        new Report(sample(), Map.of("cpu", "a < b", "busyShare", 0.25)).write(dir);
        String page = Files.readString(dir.resolve("index.html"));
        assertThat(page)
                .contains("data:image/svg+xml;base64,")
                .contains("QEMU &lt;7&gt;")
                .contains("a &lt; b")
                .contains("25 %")
                .doesNotContain("http://", "https://", "<script", "<link");
        assertThat(Files.readString(dir.resolve("restore-parts.svg"))).contains("<svg");
    }

    @Test
    void makesAPageWhereAContestantWasLeftOut() throws IOException {
        List<Map<String, Object>> lines = List.of(
                line("benchmark", "HandOver", "contestant", "QEMU 7", "round", 0, "mib", 256, "nanos", 1000L),
                restore("floor", 0, 1000L));
        new Report(lines, Map.of()).write(dir);
        assertThat(dir.resolve("index.html")).content().contains("QEMU 7");
        assertThat(dir.resolve("handover-parts.svg")).doesNotExist();
    }

    @Test
    void whatAnEmulatedHostGivesIsMarkedAndHasRatiosFirst() throws IOException {
        Report report = new Report(sample(), Map.of(Host.EMULATED, "software"));
        report.write(dir);
        String page = Files.readString(dir.resolve("index.html"));
        assertThat(page)
                .contains("<title>Holdover: benchmarks in an emulated host</title>", "times mean nothing")
                .doesNotContain("Goals");
        assertThat(page.indexOf("<h2>Ratios</h2>"))
                .isPositive()
                .isLessThan(page.indexOf("<h2>Times of the emulated host</h2>"));
        assertThat(Files.readString(dir.resolve("results.md"))).contains("times mean nothing");
        String plot = Files.readString(dir.resolve("restore-parts.svg"));
        new Report(sample(), Map.of()).write(dir);
        // Text is drawn as outlines.
        assertThat(dir.resolve("restore-parts.svg").toFile())
                .as("the unit on the axis")
                .content()
                .isNotEqualTo(plot);
        assertThat(report.text())
                .startsWith("Measured in an emulated host: times mean nothing")
                .contains("restore in a warm process, 256 MiB, untouched, 1 vCPU, RAM in file ÷ its system calls: ")
                .contains("cold restore, Holdover, 256 MiB ÷ QEMU <7>: 2.00")
                .doesNotContain("goal", " ms");
    }

    @Test
    void aPercentileIsTheNearestFigure() {
        List<Map<String, Object>> lines = new ArrayList<>();
        for (int i = 100; i >= 0; i--) {
            lines.add(line("round", 0, "nanos", (long) i));
        }
        Sample sample = Sample.of(lines, each -> true, each -> ((Number) each.get("nanos")).doubleValue());
        assertThat(sample.least()).isZero();
        assertThat(sample.median()).isEqualTo(50);
        assertThat(sample.percentile(90)).isEqualTo(90);
        assertThat(sample.percentile(100)).isEqualTo(100);
    }
}
