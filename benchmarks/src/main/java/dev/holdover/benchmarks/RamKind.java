package dev.holdover.benchmarks;

import dev.holdover.linux.Memfd;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.RamConfig;
import java.nio.file.Path;

/** Where a guest's RAM is kept between its save and its restore. */
public enum RamKind {
    /** A file on tmpfs. */
    FILE,
    /** A memfd that this process keeps, handed over as an fdset. */
    MEMFD,
    /** Nowhere: private memory, which goes into the state. */
    ANONYMOUS;

    RamConfig config(Path directory, FdSets fdsets, long size) {
        return switch (this) {
            case FILE -> file(directory.resolve("ram").toString(), size);
            case MEMFD -> {
                long set = fdsets.addToNewSet(Memfd.create("bench", size), null);
                yield file("/dev/fdset/" + set, size);
            }
            case ANONYMOUS -> new RamConfig(RamConfig.Backend.ANONYMOUS, size, null, false, 0, true, false);
        };
    }

    private static RamConfig file(String path, long size) {
        return new RamConfig(RamConfig.Backend.FILE, size, path, true, 0, true, false);
    }
}
