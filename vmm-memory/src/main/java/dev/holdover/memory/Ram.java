package dev.holdover.memory;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.FileSystem;
import dev.holdover.linux.HostMemory;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.VmmException;
import java.io.BufferedReader;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Guest RAM, opened and mapped: owner of the descriptors and mappings behind a {@link GuestMemory}.
 *
 * <p>RAM fills the guest's address space from 0, leaves a hole, and goes on behind it. Mappings are 2 MiB aligned and
 * the hole's ends are, too, so guest-physical address, host address and file offset are congruent modulo 2 MiB: what it
 * takes to map huge pages (as long as the user's {@code offset=} is a multiple as well). RAM is left out of core dumps.
 */
public final class Ram implements AutoCloseable {
    /**
     * As much as one memfd holds: a live update takes no more than just under 1 TiB in one descriptor, and refuses it
     * only when it is under way.
     */
    static final long MAX_MEMFD = 512L << 30;

    private static final long HUGE_PAGE = 2L << 20;
    private static final long PREFAULT_SLICE = 1L << 30;

    /** A stretch of RAM with a descriptor of its own. */
    private record Piece(Fd fd, long offset, Mapping mapping) {}

    private final RamConfig config;
    private final List<Piece> pieces = new ArrayList<>();
    private RamFile file;
    private Mapping label;
    /** Why RAM has no mark, see {@link #whyUnmarked}. */
    private String unmarked = "";

    private GuestMemory memory;

    private Ram(RamConfig config) {
        this.config = config;
    }

    /**
     * Opens, sizes, maps and, if asked to, prefaults RAM. What fails is undone, and thrown as a {@link VmmException}.
     * Blocks as opening a file does, and for about a second a few GiB if RAM is prefaulted.
     *
     * @param fdsets where {@code mem-path=/dev/fdset/ID} is looked up
     * @param lowEnd the guest-physical address where the hole in RAM begins, a multiple of 2 MiB
     * @param highStart where it ends, a multiple of 2 MiB
     */
    public static Ram open(RamConfig config, FdSets fdsets, long lowEnd, long highStart) {
        return open(config, fdsets, lowEnd, highStart, MAX_MEMFD);
    }

    static Ram open(RamConfig config, FdSets fdsets, long lowEnd, long highStart, long maxMemfd) {
        Ram ram = new Ram(config);
        try {
            if (config.backend() == RamConfig.Backend.MEMFD) {
                ram.openMemfds(maxMemfd);
            } else if (config.backend() == RamConfig.Backend.FILE) {
                ram.openFile(fdsets);
            } else {
                ram.openAnonymous();
            }
            ram.advise();
            if (config.prefault()) {
                ram.prefault();
            }
            ram.memory = new GuestMemory(ram.regions(lowEnd, highStart));
            return ram;
        } catch (RuntimeException e) {
            ram.discard();
            throw e;
        }
    }

    /**
     * Maps RAM that another VMM, or a live update, hands over. Takes the descriptors over, also if it fails.
     *
     * @param config what the RAM is; shared, and not anonymous
     * @param fds of its pieces in order: one file, or the memfds that {@link #open} would make
     */
    public static Ram adopt(RamConfig config, List<Fd> fds, long lowEnd, long highStart) {
        Ram ram = new Ram(config);
        int next = 0;
        try {
            if (config.backend() == RamConfig.Backend.FILE && fds.size() == 1) {
                next = 1;
                ram.file = RamFile.adopt(config, fds.getFirst());
                ram.mapFile();
            } else if (config.backend() == RamConfig.Backend.MEMFD) {
                long sum = 0;
                while (next < fds.size()) {
                    Fd fd = fds.get(next++);
                    sum += ram.adoptMemfd(fd, config.size() - sum);
                }
                if (sum != config.size()) {
                    throw new VmmException(
                            "the RAM that is handed over has " + sum + " bytes, the guest " + config.size());
                }
            } else {
                throw new VmmException("the RAM that is handed over is " + fds.size()
                        + " descriptors, which is not how a " + config.backend() + " keeps it");
            }
            ram.advise();
            ram.memory = new GuestMemory(ram.regions(lowEnd, highStart));
            return ram;
        } catch (RuntimeException e) {
            while (next < fds.size()) {
                fds.get(next++).close();
            }
            ram.close();
            throw e;
        }
    }

    private long adoptMemfd(Fd fd, long room) {
        long size = fd.stat().size();
        if (!Memfd.isSafeFromOthers(fd)) {
            fd.close();
            throw new VmmException("the RAM that is handed over is no memfd");
        }
        if (size <= 0 || size % RamConfig.PAGE != 0 || size > room) {
            fd.close();
            throw new VmmException("a memfd of RAM that is handed over has " + size + " bytes, where the guest has room"
                    + " for " + room);
        }
        map(fd, 0, size, HUGE_PAGE);
        return size;
    }

    /** Refuses RAM that this host could never give. */
    static void requireHostMemory(long size) {
        HostMemory host = HostMemory.query();
        if (size > host.ram() + host.swap()) {
            throw new VmmException("guest RAM of " + ByteSize.text(size) + " is more than this host's "
                    + mib(host.ram()) + " of RAM and " + mib(host.swap()) + " of swap: give the guest less with -m");
        }
    }

    /** In whole MiB: nobody reads a host's odd KiB. */
    private static String mib(long bytes) {
        return (bytes >> 20) + " MiB";
    }

    private void openMemfds(long maxMemfd) {
        requireHostMemory(config.size());
        for (long done = 0; done < config.size(); ) {
            long size = Math.min(config.size() - done, maxMemfd);
            Fd fd = createMemfd("holdover-ram" + pieces.size(), size);
            map(fd, 0, size, HUGE_PAGE);
            // Nobody can cut it under the guest; and a live update gives these seals back as they were.
            Memfd.seal(fd, Memfd.F_SEAL_GROW | Memfd.F_SEAL_SHRINK | Memfd.F_SEAL_SEAL);
            done += size;
        }
    }

    private static Fd createMemfd(String name, long size) {
        try {
            return Memfd.create(name, size);
        } catch (ErrnoException e) {
            String advice = e.errno() == Errno.EACCES
                    ? "; if sysctl vm.memfd_noexec is 2, set it to 0 or 1, or make /dev/shm writable"
                    : "";
            throw new VmmException(
                    "can't create a memfd of " + ByteSize.text(size) + " for guest RAM: " + reason(e) + advice, e);
        }
    }

    private void openFile(FdSets fdsets) {
        file = RamFile.open(config, fdsets);
        mapFile();
    }

    private void mapFile() {
        map(file.fd(), config.offset(), config.size(), Math.max(HUGE_PAGE, file.pageSize()));
        if (file.isDevice() && config.share()) {
            label = file.mapLabel(config);
        }
    }

    private void openAnonymous() {
        requireHostMemory(config.size());
        map(null, 0, config.size(), HUGE_PAGE);
    }

    /** Adds a piece; a descriptor that cannot be mapped is closed, or belongs to {@link #file}. */
    private void map(Fd fd, long offset, long size, long alignment) {
        try {
            Mapping mapping = fd == null
                    ? Mapping.anonymous(size, alignment)
                    : Mapping.file(fd, offset, size, alignment, config.share(), true);
            pieces.add(new Piece(fd, offset, mapping));
        } catch (ErrnoException e) {
            String advice = "";
            if (e.errno() == Errno.ENOMEM && file != null && file.pageSize() > RamConfig.PAGE) {
                advice = "; too few huge pages are free (HugePages_Free in /proc/meminfo), raise vm.nr_hugepages";
            } else if (e.errno() == Errno.EPERM) {
                advice = "; is it sealed against writing?";
            }
            if (fd != null) {
                fd.close();
            }
            String store = file == null ? "" : " " + config.memPath();
            throw new VmmException("unable to map backing store" + store + " for guest RAM: " + reason(e) + advice, e);
        }
    }

    private static String reason(ErrnoException e) {
        return e.errno().name() + " (" + e.errno().text() + ")";
    }

    private void advise() {
        boolean canBeHuge = file == null || file.isTmpfs();
        for (int i = 0; i < pieces.size(); i++) {
            Mapping mapping = pieces.get(i).mapping();
            mapping.tryAdvise(Mapping.MADV_DONTDUMP);
            if (canBeHuge) {
                // EINVAL from a kernel without huge pages: the guest only runs slower.
                mapping.tryAdvise(config.thp() ? Mapping.MADV_HUGEPAGE : Mapping.MADV_NOHUGEPAGE);
            }
        }
    }

    /**
     * Gives every page that RAM has not yet, in huge pages where it may, slice by slice; what is there stays as it is. For
     * a live update, which preserves a populated huge page in no time and fills a hole with small ones. The guest may run.
     */
    public void populate() {
        prefault();
    }

    /**
     * How much of RAM this process maps in huge pages, bytes: ShmemPmdMapped of proc_pid_smaps(5); 0 where that cannot be
     * read. Blocks for some milliseconds.
     */
    public long hugeBytes() {
        long sum = 0;
        boolean ours = false;
        try (BufferedReader smaps = Files.newBufferedReader(Path.of("/proc/self/smaps"))) {
            for (String line = smaps.readLine(); line != null; line = smaps.readLine()) {
                int dash = line.indexOf('-');
                if (dash > 0 && dash <= 16 && isHex(line, dash)) {
                    ours = isOurs(Long.parseUnsignedLong(line, 0, dash, 16));
                } else if (ours && line.startsWith("ShmemPmdMapped:")) {
                    sum += Long.parseLong(line.substring(15, line.length() - 2).trim()) << 10;
                }
            }
            return sum;
        } catch (IOException | NumberFormatException e) {
            return 0;
        }
    }

    private static boolean isHex(String line, int length) {
        for (int i = 0; i < length; i++) {
            if (Character.digit(line.charAt(i), 16) < 0) {
                return false;
            }
        }
        return true;
    }

    private boolean isOurs(long address) {
        for (int i = 0; i < pieces.size(); i++) {
            MemorySegment segment = pieces.get(i).mapping().segment();
            if (address >= segment.address() && address < segment.address() + segment.byteSize()) {
                return true;
            }
        }
        return false;
    }

    /**
     * Refuses RAM that Linux's Live Update Orchestrator cannot take, with what to do: when the VMM starts, not when the
     * host is about to reboot.
     */
    public void requirePreservable() {
        String why = whyNotPreservable();
        if (why != null) {
            throw new VmmException("guest RAM cannot be kept through a live update: " + why
                    + "; use memfd RAM (the default), or leave --live-update out");
        }
    }

    private String whyNotPreservable() {
        if (!config.share()) {
            return "it is private (backend=anonymous or share=off)";
        }
        for (int i = 0; i < pieces.size(); i++) {
            Fd fd = pieces.get(i).fd();
            FileSystem system = fd.fileSystem();
            if (system.isHugetlbfs()) {
                return "it lies on hugetlbfs";
            }
            if (!system.isTmpfs() || !fd.stat().isRegular()) {
                return config.memPath() + " is neither a memfd nor a file on a tmpfs";
            }
            if (fd.stat().links() > 0) {
                return config.memPath() + " is a file with a name, the kernel takes only those without";
            }
            if ((Memfd.trySeals(fd) & Memfd.F_SEAL_EXEC) != 0) {
                return config.memPath()
                        + " is a memfd sealed F_SEAL_EXEC, which comes back sealed against writing: make it"
                        + " with MFD_EXEC, or set sysctl vm.memfd_noexec to 0";
            }
        }
        return null;
    }

    private void prefault() {
        for (int i = 0; i < pieces.size(); i++) {
            Mapping mapping = pieces.get(i).mapping();
            long size = mapping.segment().byteSize();
            for (long done = 0; done < size; ) {
                long slice = Math.min(size - done, PREFAULT_SLICE);
                long result = mapping.tryAdvise(Mapping.MADV_POPULATE_WRITE, done, slice);
                if (result == 0) {
                    done += slice;
                } else if (!Errno.EINTR.is(result) && !Errno.EAGAIN.is(result)) {
                    throw cannotPrefault(Errno.of(-result));
                }
            }
        }
    }

    private VmmException cannotPrefault(Errno errno) {
        String lost = whyLost();
        String advice = switch (errno) {
            case EINVAL -> "it takes Linux 5.14 or later: leave prefault=on out";
            case ENOMEM -> "the host has no memory left for it: give the guest less with -m";
            case EFAULT -> lost == null ? "its file has no page left for it" : lost;
            case EHWPOISON -> "the host's memory has a hardware error there";
            default -> "leave prefault=on out, or give the guest less with -m";
        };
        return new VmmException("can't prefault guest RAM of " + ByteSize.text(config.size()) + ": " + errno.name()
                + " (" + errno.text() + "); " + advice);
    }

    private List<GuestMemory.Region> regions(long lowEnd, long highStart) {
        List<GuestMemory.Region> regions = new ArrayList<>();
        long gpa = 0;
        for (int i = 0; i < pieces.size(); i++) {
            Piece piece = pieces.get(i);
            long size = piece.mapping().segment().byteSize();
            for (long at = 0; at < size; ) {
                long length = gpa < lowEnd ? Math.min(size - at, lowEnd - gpa) : size - at;
                regions.add(new GuestMemory.Region(
                        gpa,
                        piece.mapping().segment().asSlice(at, length),
                        piece.fd(),
                        piece.offset() + at,
                        config.share()));
                at += length;
                gpa += length;
                if (gpa == lowEnd) {
                    gpa = highStart;
                }
            }
        }
        return regions;
    }

    /** How many descriptors keep RAM of that configuration. */
    public static int pieces(RamConfig config) {
        if (config.backend() == RamConfig.Backend.ANONYMOUS) {
            return 0;
        }
        return config.backend() == RamConfig.Backend.FILE ? 1 : (int) ((config.size() + MAX_MEMFD - 1) / MAX_MEMFD);
    }

    /** The descriptors of its pieces, in order; empty for anonymous RAM. Owned by this. */
    public List<Fd> fds() {
        List<Fd> fds = new ArrayList<>();
        for (int i = 0; i < pieces.size(); i++) {
            if (pieces.get(i).fd() != null) {
                fds.add(pieces.get(i).fd());
            }
        }
        return fds;
    }

    /** RAM as the guest addresses it; valid until this is closed. */
    public GuestMemory memory() {
        return memory;
    }

    public RamConfig config() {
        return config;
    }

    /** What stands with RAM in a file; null if there is nothing, or it keeps none. */
    public RamIdentity identity() {
        if (label != null) {
            return RamIdentity.readLabel(labelPage());
        }
        return file == null || file.isDevice() ? null : mark().read();
    }

    /**
     * Writes what stands with RAM in a file; false if it keeps none, {@link #whyUnmarked} says why. Blocks as fsync(2) does
     * where an older mark is replaced on storage.
     *
     * @throws VmmException if an older mark stands that cannot be replaced: the guest must not run
     */
    public boolean writeIdentity(RamIdentity identity) {
        if (file == null) {
            return false;
        }
        if (file.isDevice()) {
            boolean written = label != null && identity.writeLabel(labelPage());
            unmarked = written
                    ? ""
                    : config.memPath() + " has no page at its end that is free for a mark, by which this RAM is known"
                            + " again; give the guest less RAM, or clear that page if nobody's RAM is in it";
            return written;
        }
        String why = mark().write(identity);
        unmarked = why == null ? "" : why;
        return why == null;
    }

    /** Why the last {@link #writeIdentity} has failed, the first part of a sentence; empty if it has not. */
    public String whyUnmarked() {
        return unmarked;
    }

    private FileMark mark() {
        return new FileMark(file.fd(), config.offset() + config.size());
    }

    private MemorySegment labelPage() {
        MemorySegment all = label.segment();
        return all.asSlice(all.byteSize() - RamConfig.PAGE, RamConfig.PAGE);
    }

    /** Whether RAM lies in a file on storage: what the guest wrote outlives the host's kernel only after msync(2). */
    public boolean onRealFileSystem() {
        return file != null && config.share() && file.isOnStorage();
    }

    /**
     * Why RAM was lost under the guest: to be asked when Java meets an {@link InternalError} (SIGBUS), or KVM_RUN or an
     * I/O call meets EFAULT. Any thread; looks at the file as it is now.
     *
     * @return a sentence, or null if the file is whole: then RAM was not the cause
     */
    public String whyLost() {
        // A memfd of ours is sealed against being cut.
        return file == null ? null : file.whyLost(config.offset() + config.size());
    }

    /** Unmaps RAM and closes its descriptors, once; after the memslots are gone. A file keeps what the guest wrote. */
    @Override
    public void close() {
        for (int i = 0; i < pieces.size(); i++) {
            pieces.get(i).mapping().close();
            if (pieces.get(i).fd() != null) {
                pieces.get(i).fd().close();
            }
        }
        if (label != null) {
            label.close();
        }
        if (file != null) {
            file.close();
        }
    }

    /** Closes RAM of a guest that never ran: a file that {@link #open} created is deleted again. */
    public void discard() {
        if (file != null) {
            file.discard();
        }
        close();
    }
}
