import dev.holdover.linux.Fd;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.Memfd;
import dev.holdover.liveupdate.LiveUpdateDevice;
import dev.holdover.liveupdate.Session;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * How long the kernel takes to preserve guest RAM, and to let go of it again, in pages of 4 KiB and in huge ones: {@code
 * PreserveTimes ROUNDS MEBIBYTES...}. Beside it, in the same rounds, what saving without live update has to do: a copy of
 * as much RAM into another memfd, whose pages are there.
 */
final class PreserveTimes {
    private static final long MIB = 1 << 20;

    private enum Pages {
        SMALL("4 KiB", Mapping.MADV_NOHUGEPAGE),
        HUGE("2 MiB", Mapping.MADV_HUGEPAGE);

        private final String size;
        private final int advice;

        Pages(String size, int advice) {
            this.size = size;
            this.advice = advice;
        }
    }

    /** Times of all rounds, ns. */
    private record Row(long mebibytes, Pages pages, long[] preserve, long[] unpreserve, long[] copy) {}

    public static void main(String[] args) throws Exception {
        int rounds = Integer.parseInt(args[0]);
        List<Row> rows = new ArrayList<>();
        for (int i = 1; i < args.length; i++) {
            for (Pages pages : Pages.values()) {
                rows.add(new Row(Long.parseLong(args[i]), pages, new long[rounds], new long[rounds], new long[rounds]));
            }
        }
        for (int round = -1; round < rounds; round++) { // the first one warms up
            for (Row row : rows) {
                measure(row, round);
            }
        }
        System.out.println("  MiB  pages   preserve       let go         copy   preserve / copy    (ms, medians of " + rounds + ")");
        for (Row row : rows) {
            double preserve = median(row.preserve);
            System.out.printf(
                    "%5d  %s  %9.3f    %9.3f    %9.3f   %15.4f%n",
                    row.mebibytes,
                    row.pages.size,
                    preserve,
                    median(row.unpreserve),
                    median(row.copy),
                    preserve / median(row.copy));
        }
    }

    private static double median(long[] times) {
        long[] sorted = times.clone();
        Arrays.sort(sorted);
        return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2e6;
    }

    private static void measure(Row row, int round) {
        long bytes = row.mebibytes * MIB;
        try (Fd memfd = Memfd.create("ram", bytes);
                Mapping ram = touched(memfd, bytes, row.pages);
                Fd other = Memfd.create("copy", bytes);
                Mapping copy = touched(other, bytes, row.pages)) {
            long start = System.nanoTime();
            copy.segment().copyFrom(ram.segment());
            long copied = System.nanoTime() - start;
            long preserved;
            long letGo;
            try (LiveUpdateDevice device = LiveUpdateDevice.open()) {
                Session session = device.create("preserve-times");
                start = System.nanoTime();
                session.preserve(memfd, 1);
                long now = System.nanoTime();
                preserved = now - start;
                session.close();
                letGo = System.nanoTime() - now;
            }
            if (round >= 0) {
                row.preserve[round] = preserved;
                row.unpreserve[round] = letGo;
                row.copy[round] = copied;
            }
        }
    }

    private static Mapping touched(Fd memfd, long bytes, Pages pages) {
        Mapping mapping = Mapping.file(memfd, 0, bytes, 2 * MIB, true, true);
        if (mapping.tryAdvise(pages.advice) < 0) {
            throw new IllegalStateException("this kernel has no huge pages for memfds");
        }
        mapping.segment().fill((byte) 0x5a);
        return mapping;
    }
}
