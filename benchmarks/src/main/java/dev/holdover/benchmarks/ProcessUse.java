package dev.holdover.benchmarks;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What a running process has used so far.
 *
 * @param cpuNanos of all its threads that live
 * @param anonKib memory of its own that is resident
 * @param fileKib mapped files that are resident: programs, libraries, archives
 * @param shmemKib shared memory that is resident, guest RAM on tmpfs above all
 */
record ProcessUse(long cpuNanos, long anonKib, long fileKib, long shmemKib) {
    static ProcessUse of(long pid) throws IOException {
        Path proc = Path.of("/proc", Long.toString(pid));
        long cpu = 0;
        try (DirectoryStream<Path> threads = Files.newDirectoryStream(proc.resolve("task"))) {
            for (Path thread : threads) {
                String stat = Files.readString(thread.resolve("schedstat"));
                cpu += Long.parseLong(stat.substring(0, stat.indexOf(' ')));
            }
        }
        long anon = 0;
        long file = 0;
        long shmem = 0;
        for (String line : Files.readAllLines(proc.resolve("status"))) {
            if (line.startsWith("RssAnon:")) {
                anon = kib(line);
            } else if (line.startsWith("RssFile:")) {
                file = kib(line);
            } else if (line.startsWith("RssShmem:")) {
                shmem = kib(line);
            }
        }
        return new ProcessUse(cpu, anon, file, shmem);
    }

    private static long kib(String line) {
        return Long.parseLong(line.replaceAll("[^0-9]", ""));
    }
}
