package dev.holdover.benchmarks;

import dev.holdover.linux.HostMemory;
import dev.holdover.machine.Finding;
import dev.holdover.machine.HostCheck;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** What the measurements were taken on. */
final class Host {
    /** There in a description of an emulated host only: times that are measured in one mean nothing. */
    static final String EMULATED = "emulated host";

    private Host() {}

    /** Whether this process runs in an emulated host, as whoever starts programs in one says. */
    static boolean isEmulated() {
        return "1".equals(System.getenv("HOLDOVER_EMULATED_HOST"));
    }

    static Map<String, Object> describe() throws IOException {
        Map<String, Object> host = new LinkedHashMap<>();
        if (isEmulated()) {
            host.put(EMULATED, "software emulation: times mean nothing, only ratios do");
        }
        host.put("cpu", field(Path.of("/proc/cpuinfo"), "model name"));
        host.put("cpus", Runtime.getRuntime().availableProcessors());
        host.put("memoryMib", HostMemory.query().ram() >> 20);
        host.put(
                "kernel",
                Files.readString(Path.of("/proc/sys/kernel/osrelease")).strip());
        host.put("java", System.getProperty("java.vm.name") + " " + Runtime.version());
        for (Finding finding : new HostCheck().run()) {
            if (finding.subject().equals("kvm") || finding.subject().equals("guest speed")) {
                host.put(finding.subject(), finding.text());
            }
        }
        return host;
    }

    private static String field(Path file, String name) throws IOException {
        for (String line : Files.readAllLines(file)) {
            if (line.startsWith(name)) {
                return line.substring(line.indexOf(':') + 1).strip();
            }
        }
        return "unknown";
    }

    /** Bytes that could be had without swapping. */
    static long availableMemory() throws IOException {
        String kib = field(Path.of("/proc/meminfo"), "MemAvailable").replaceAll("[^0-9]", "");
        return Long.parseLong(kib) << 10;
    }
}
