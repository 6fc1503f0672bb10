package dev.holdover.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.linux.HostMemory;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.GuestMemory.Region;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RamTest {
    private static final long MIB = 1 << 20;
    private static final long LOW_END = 0xc000_0000L;
    private static final long HIGH_START = 0x1_0000_0000L;

    /** On a tmpfs, where RAM belongs. */
    private Path shm;

    /** Wherever temporary files are, on storage mostly. */
    @TempDir
    Path dir;

    private final FdSets fdsets = new FdSets();

    @BeforeEach
    void makeDirectory() throws IOException {
        shm = Files.createTempDirectory(Path.of("/dev/shm"), "holdover-test");
    }

    @AfterEach
    void removeDirectory() throws IOException {
        fdsets.close();
        try (Stream<Path> files = Files.list(shm)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(shm);
    }

    private Ram open(String memory, String ram) {
        return Ram.open(RamConfig.parse(memory, ram), fdsets, LOW_END, HIGH_START);
    }

    private void refuses(String memory, String ram, String sentence) {
        assertThatThrownBy(() -> open(memory, ram))
                .isInstanceOf(VmmException.class)
                .hasMessage(sentence);
    }

    private Path file(String name, long size) {
        Path path = shm.resolve(name);
        try (Fd fd = Fd.open(path.toString(), Fd.O_RDWR | Fd.O_CREAT | Fd.O_EXCL, 0600)) {
            fd.truncate(size);
        }
        return path;
    }

    // Backends

    @Test
    void aMemfdIsSealedInItsSizeOnly() {
        try (Ram ram = open("4M", null)) {
            Region region = ram.memory().regions().get(0);
            assertThat(ram.memory().regions()).hasSize(1);
            assertThat(region.size()).isEqualTo(4 * MIB);
            assertThat(region.gpa()).isZero();
            assertThat(region.shared()).isTrue();
            assertThat(region.fd().stat().size()).isEqualTo(4 * MIB);
            assertThat(Memfd.trySeals(region.fd())).isEqualTo(0x7);
            assertThat(region.segment().address() % (2 * MIB)).isZero();
            assertThat(ram.onRealFileSystem()).isFalse();
            assertThat(ram.whyLost()).isNull();
        }
    }

    @Test
    void sharedRamIsSeenThroughTheDescriptorAndPrivateRamIsNot() {
        for (boolean share : new boolean[] {true, false}) {
            try (Ram ram = open("4M", share ? null : "share=off")) {
                ram.memory().putInt(8192, 0x600d);
                Region region = ram.memory().regions().get(0);
                assertThat(region.shared()).isEqualTo(share);
                try (Mapping again = Mapping.shared(region.fd(), 8192, 4096)) {
                    assertThat(again.segment().get(ValueLayout.JAVA_INT, 0)).isEqualTo(share ? 0x600d : 0);
                }
            }
        }
    }

    @Test
    void anonymousMemoryHasNoDescriptor() {
        try (Ram ram = open("4M", "backend=anonymous,prefault=on")) {
            Region region = ram.memory().regions().get(0);
            assertThat(region.fd()).isNull();
            assertThat(region.shared()).isFalse();
            assertThat(region.segment().address() % (2 * MIB)).isZero();
            ram.memory().putLong(4 * MIB - 8, -1);
            assertThat(ram.whyLost()).isNull();
        }
    }

    @Test
    void ramGoesOnBehindTheHoleAndOverSeveralMemfds() {
        // Low RAM ends in the second memfd of four; the last is smaller.
        RamConfig config = RamConfig.parse("14M", null);
        try (Ram ram = Ram.open(config, fdsets, 6 * MIB, 64 * MIB, 4 * MIB)) {
            List<Region> regions = ram.memory().regions();
            assertThat(regions).extracting(r -> r.gpa() / MIB).containsExactly(0L, 4L, 64L, 66L, 70L);
            assertThat(regions).extracting(r -> r.size() / MIB).containsExactly(4L, 2L, 2L, 4L, 2L);
            assertThat(regions).extracting(r -> r.fdOffset() / MIB).containsExactly(0L, 0L, 2L, 0L, 0L);
            assertThat(regions.get(1).fd()).isSameAs(regions.get(2).fd());
            for (Region region : regions) {
                assertThat(region.segment().address() % (2 * MIB)).isZero();
                assertThat(region.fd().stat().size()).isEqualTo(region.gpa() == 70 * MIB ? 2 * MIB : 4 * MIB);
                ram.memory().putLong(region.end() - 8, region.gpa());
            }
            assertThat(ram.memory().size()).isEqualTo(14 * MIB);
        }
    }

    @Test
    void ramThatFillsTheLowPartExactlyHasNoHighPart() {
        try (Ram ram = Ram.open(RamConfig.memfd(6 * MIB), fdsets, 6 * MIB, 64 * MIB)) {
            assertThat(ram.memory().regions()).hasSize(1);
        }
    }

    @Test
    void moreThanTheLowPartKeepsAddressesCongruent() {
        HostMemory host = HostMemory.query();
        assumeTrue(host.ram() + host.swap() >= 3584 * MIB, "such RAM is refused on this host");
        try (Ram ram = open("3.5G", null)) {
            List<Region> regions = ram.memory().regions();
            assertThat(regions).extracting(Region::gpa).containsExactly(0L, HIGH_START);
            assertThat(regions).extracting(Region::fdOffset).containsExactly(0L, LOW_END);
            assertThat(regions.get(1).segment().address() % (2 * MIB)).isZero();
            ram.memory().putLong(HIGH_START + 512 * MIB - 8, 1);
        }
    }

    @Test
    void prefaultGivesEveryPage() throws IOException {
        try (Ram ram = open("8M", "prefault=on,mem-path=" + shm.resolve("ram"))) {
            assertThat(ram.memory().size()).isEqualTo(8 * MIB);
            assertThat(Files.getFileStore(shm).type()).isEqualTo("tmpfs");
            // st_blocks, in 512 bytes, by way of du(1)
            Process du = new ProcessBuilder("du", "-B1", shm.resolve("ram").toString()).start();
            assertThat(new String(du.getInputStream().readAllBytes(), StandardCharsets.US_ASCII))
                    .startsWith(8 * MIB + "\t");
        }
    }

    // Files

    @Test
    void aMissingFileIsCreatedAndKept() throws IOException {
        Path path = shm.resolve("ram");
        try (Ram ram = open("4M", "mem-path=" + path)) {
            ram.memory().putInt(0, 7);
            assertThat(ram.memory().regions().get(0).shared()).isTrue();
            assertThat(ram.onRealFileSystem()).isFalse();
        }
        assertThat(Files.size(path)).isEqualTo(4 * MIB);
        try (Ram ram = open("4M", "mem-path=" + path)) {
            assertThat(ram.memory().getInt(0)).isEqualTo(7);
        }
    }

    @Test
    void aFileCreatedForAGuestThatNeverRanIsDeleted() {
        Path created = shm.resolve("created");
        open("4M", "mem-path=" + created).discard();
        assertThat(created).doesNotExist();
        Path existing = file("existing", 4 * MIB);
        open("4M", "mem-path=" + existing).discard();
        assertThat(existing).exists();
    }

    @Test
    void aFileOnStorageSaysSo() {
        try (Ram ram = open("4M", "mem-path=" + dir.resolve("ram"));
                Fd fd = Fd.open(dir.toString(), Fd.O_RDONLY)) {
            assertThat(ram.onRealFileSystem()).isEqualTo(!fd.fileSystem().isTmpfs());
            ram.memory().putInt(0, 7);
        }
    }

    @Test
    void anEmptyFileIsSizedAndALargerOneIsLeftAlone() throws IOException {
        Path empty = file("empty", 0);
        try (Ram ram = open("4M", "offset=2M,mem-path=" + empty)) {
            assertThat(Files.size(empty)).isEqualTo(6 * MIB);
            assertThat(ram.memory().regions().get(0).fdOffset()).isEqualTo(2 * MIB);
        }
        Path larger = file("larger", 16 * MIB);
        try (Ram ram = open("4M", "offset=2M,mem-path=" + larger)) {
            ram.memory().putInt(0, 0x600d);
            assertThat(ram.memory().size()).isEqualTo(4 * MIB);
        }
        assertThat(Files.size(larger)).isEqualTo(16 * MIB);
        try (Fd fd = Fd.open(larger.toString(), Fd.O_RDONLY);
                Arena arena = Arena.ofConfined()) {
            MemorySegment word = arena.allocate(4);
            fd.readFully(word, 2 * MIB);
            assertThat(word.get(ValueLayout.JAVA_INT, 0)).isEqualTo(0x600d);
        }
    }

    @Test
    void aSmallerFileIsRefusedAndLeftAlone() throws IOException {
        Path path = file("small", 8 * MIB);
        refuses(
                "16M",
                "mem-path=" + path,
                "backing store size 0x800000 is too small for 'size' option 0x1000000 plus 'offset' option 0x0: give "
                        + path + " that size, or the guest less RAM");
        refuses(
                "8M",
                "offset=4096,mem-path=" + path,
                "backing store size 0x800000 is too small for 'size' option 0x800000 plus 'offset' option 0x1000: give "
                        + path + " that size, or the guest less RAM");
        assertThat(Files.size(path)).isEqualTo(8 * MIB);
    }

    @Test
    void aDirectoryGetsAFileWithoutAName() throws IOException {
        for (Path directory : List.of(shm, dir)) {
            try (Ram ram = open("4M", "mem-path=" + directory)) {
                ram.memory().putInt(0, 1);
                assertThat(ram.memory().regions().get(0).fd().stat().size()).isEqualTo(4 * MIB);
                try (Stream<Path> files = Files.list(directory)) {
                    assertThat(files).isEmpty();
                }
            }
        }
    }

    @Test
    void whatCannotBeOpenedIsToldWithItsErrno() throws IOException {
        refuses(
                "4M",
                "mem-path=/nonexistent/ram",
                "can't open backing store /nonexistent/ram for guest RAM: "
                        + "ENOENT (No such file or directory); does its directory exist?");
        Path link = Files.createSymbolicLink(shm.resolve("link"), Path.of("/nonexistent/ram"));
        refuses(
                "4M",
                "mem-path=" + link,
                "can't open backing store " + link
                        + " for guest RAM: ENOENT (No such file or directory); does its directory exist?");
        Path under = file("file", 4096).resolve("ram");
        refuses(
                "4M",
                "mem-path=" + under,
                "can't open backing store " + under + " for guest RAM: ENOTDIR (Not a directory)");
    }

    @Test
    void whatIsNoMemoryIsRefused() throws Exception {
        String isNone = " for guest RAM: it is neither a regular file nor a directory nor a DAX device";
        refuses("4M", "mem-path=/dev/null", "can't use backing store /dev/null" + isNone);
        Path fifo = shm.resolve("fifo");
        assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor())
                .isZero();
        refuses("4M", "mem-path=" + fifo, "can't use backing store " + fifo + isNone);
    }

    @Test
    void aFileInUseIsRefusedToASecondVmm() {
        Path path = shm.resolve("ram");
        String inUse = "guest RAM file " + path
                + " is in use by another VMM, or as another guest RAM of this one (its lock is held): end that one first, or"
                + " use another file; a file holds one guest's RAM only";
        Ram first = open("4M", "mem-path=" + path);
        refuses("4M", "mem-path=" + path, inUse);
        refuses("4M", "share=off,mem-path=" + path, inUse);
        assertThat(path).as("it is the first one's").exists();
        first.close();
        try (Ram copy = open("4M", "share=off,mem-path=" + path);
                Ram another = open("4M", "share=off,mem-path=" + path)) {
            copy.memory().putInt(0, 1);
            assertThat(another.memory().getInt(0)).isZero();
            refuses("4M", "mem-path=" + path, inUse);
        }
        open("4M", "mem-path=" + path).close();
    }

    @Test
    void moreThanTheHostHasIsRefusedAndLeavesNothing() {
        HostMemory host = HostMemory.query();
        long tooMuch = (host.ram() + host.swap()) / MIB + 1;
        String memory = tooMuch + "M";
        String sentence = "guest RAM of " + ByteSize.text(tooMuch * MIB) + " is more than this host's "
                + (host.ram() >> 20) + " MiB of RAM and " + (host.swap() >> 20)
                + " MiB of swap: give the guest less with -m";
        refuses(memory, null, sentence);
        refuses(memory, "backend=anonymous", sentence);
        Path path = shm.resolve("ram");
        refuses(memory, "mem-path=" + path, sentence);
        assertThat(path).doesNotExist();
    }

    @Test
    void aFileThatIsMadeIsItsUsersOnly() throws IOException {
        Path path = shm.resolve("ram");
        try (Ram ram = open("4M", "mem-path=" + path)) {
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
                    .isEqualTo("rw-------");
            assertThat(ram.memory().regions().getFirst().isZero()).isTrue();
            ram.memory().putInt(4 * MIB - 4, 1);
            assertThat(ram.memory().regions().getFirst().isZero()).isFalse();
        }
    }

    /** What is in the file shows through a private mapping. */
    @Test
    void aPrivateMappingOfAFileThatHoldsSomethingIsNotZero() throws IOException {
        Path path = shm.resolve("ram");
        Files.write(path, new byte[(int) (4 * MIB)]); // no hole
        try (Ram ram = open("4M", "share=off,mem-path=" + path)) {
            assertThat(ram.memory().regions().getFirst().isZero()).isTrue();
        }
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.seek(3 * MIB);
            file.write(1);
        }
        try (Ram ram = open("4M", "share=off,mem-path=" + path)) {
            assertThat(ram.memory().regions().getFirst().isZero()).isFalse();
        }
    }

    // fdsets

    /** Two VMMs that were given one open file description have descriptors of it, and would share a lock on it. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anFdSetsFileIsLockedAgainstAVmmThatWasGivenTheSame(boolean anonymous) {
        Fd passed = anonymous
                ? Memfd.create("user's", 4 * MIB)
                : Fd.open(shm.resolve("ram").toString(), Fd.O_RDWR | Fd.O_CREAT, 0600);
        fdsets.add(3, passed, null);
        fdsets.add(4, passed.dup(), null);
        Ram first = open("4M", "mem-path=/dev/fdset/3");
        assertThatThrownBy(() -> open("4M", "mem-path=/dev/fdset/4"))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("/dev/fdset/4 is in use by another VMM");
        first.close();
        open("4M", "mem-path=/dev/fdset/4").close();
    }

    @Test
    void anFdSetsMemfdIsUsedAsItIs() {
        Fd memfd = Memfd.create("user's", 8 * MIB);
        fdsets.add(3, memfd, null);
        try (Ram ram = open("4M", "offset=2M,mem-path=/dev/fdset/3")) {
            ram.memory().putInt(0, 0x600d);
            assertThat(ram.memory().regions().get(0).fd().number()).isNotEqualTo(memfd.number());
        }
        assertThat(memfd.stat().size()).isEqualTo(8 * MIB);
        assertThat(Memfd.trySeals(memfd)).as("the user's to seal").isZero();
        try (Mapping mapping = Mapping.shared(memfd, 2 * MIB, 4096)) {
            assertThat(mapping.segment().get(ValueLayout.JAVA_INT, 0)).isEqualTo(0x600d);
        }
    }

    @Test
    void anFdSetThatIsMissingIsNeverCreated() {
        refuses(
                "4M",
                "mem-path=/dev/fdset/9",
                "can't open backing store /dev/fdset/9 for guest RAM: Failed to find fdset /dev/fdset/9: "
                        + "ENOENT (No such file or directory); "
                        + "did you forget to pass it with '--add-fd fd=<n>,set=<id>'?");
    }

    @Test
    void anFdSetWithAWrongAccessModeIsRefused() {
        fdsets.add(3, Fd.open(file("ro", 4 * MIB).toString(), Fd.O_RDONLY), null);
        refuses(
                "4M",
                "mem-path=/dev/fdset/3",
                "can't open backing store /dev/fdset/3 for guest RAM: "
                        + "Failed to find file descriptor with matching flags=0x2 in /dev/fdset/3: "
                        + "EACCES (Permission denied); its descriptors are open read-only, "
                        + "one that is open read-write is needed");
    }

    @Test
    void anFdSetsMemfdThatIsSealedIsRefusedInASentence() {
        Fd small = Memfd.create("small", 4096);
        fdsets.add(1, small, null);
        refuses(
                "4M",
                "mem-path=/dev/fdset/1",
                "backing store size 0x1000 is too small for 'size' option 0x400000 plus 'offset' option 0x0: give "
                        + "/dev/fdset/1 that size, or the guest less RAM");
        Fd empty = Memfd.create("empty", 0);
        Memfd.seal(empty, Memfd.F_SEAL_GROW);
        fdsets.add(2, empty, null);
        refuses(
                "4M",
                "mem-path=/dev/fdset/2",
                "can't give backing store /dev/fdset/2 the size of guest RAM, 4 MiB: EPERM (Operation not permitted)");
        Fd readable = Memfd.create("read only", 4 * MIB);
        Memfd.seal(readable, Memfd.F_SEAL_WRITE);
        fdsets.add(3, readable, null);
        refuses(
                "4M",
                "mem-path=/dev/fdset/3",
                "unable to map backing store /dev/fdset/3 for guest RAM: EPERM (Operation not permitted); "
                        + "is it sealed against writing?");
    }

    @Test
    void anFdSetsFileIsRefusedOnlyIfAnotherDescriptionHoldsItsLock() {
        Path path = file("ram", 4 * MIB);
        Fd users = Fd.open(path.toString(), Fd.O_RDWR);
        assertThat(users.tryLock(true)).isTrue();
        fdsets.add(1, users, null);
        open("4M", "mem-path=/dev/fdset/1").close();
        fdsets.add(2, Fd.open(path.toString(), Fd.O_RDWR), null);
        assertThatThrownBy(() -> open("4M", "mem-path=/dev/fdset/2"))
                .hasMessageStartingWith("guest RAM file /dev/fdset/2 is in use by another VMM");
    }

    // Closing, and RAM that is lost

    @Test
    void closingUnmapsAndClosesEverythingOnce() {
        Ram ram = Ram.open(RamConfig.parse("8M", null), fdsets, LOW_END, HIGH_START, 4 * MIB);
        GuestMemory memory = ram.memory();
        Fd fd = memory.regions().get(1).fd();
        ram.close();
        assertThat(fd.isClosed()).isTrue();
        assertThatThrownBy(() -> memory.getByte(0)).isInstanceOf(IllegalStateException.class);
        ram.close();
    }

    @Test
    void aCutFileIsMetAsAnErrorThatCanBeExplained() {
        Path path = shm.resolve("ram");
        try (Ram ram = open("4M", "mem-path=" + path);
                Fd fd = Fd.open(path.toString(), Fd.O_RDWR)) {
            GuestMemory memory = ram.memory();
            memory.putInt(MIB, 1);
            assertThat(ram.whyLost()).isNull();
            fd.truncate(4096);
            memory.putInt(0, 1); // this page is still there
            assertThatThrownBy(() -> memory.getInt(MIB)).isInstanceOf(InternalError.class);
            assertThatThrownBy(() -> memory.putLong(MIB, 1)).isInstanceOf(InternalError.class);
            assertThatThrownBy(() -> memory.read(MIB, 4096)).isInstanceOf(InternalError.class);
            assertThatThrownBy(() -> memory.write(MIB, new byte[4096])).isInstanceOf(InternalError.class);
            assertThatThrownBy(() -> memory.slice(MIB, 4096).fill((byte) 1)).isInstanceOf(InternalError.class);
            // An I/O call into it: EFAULT, not SIGBUS.
            try (Fd zero = Fd.open("/dev/zero", Fd.O_RDONLY)) {
                assertThat(Errno.EFAULT.is(zero.tryRead(memory.slice(MIB, 4096))))
                        .isTrue();
            }
            String sentence =
                    "guest RAM file " + path + " was cut to 4096 bytes (needs 4194304): the guest cannot go on";
            assertThat(ram.whyLost()).isEqualTo(sentence);
            fd.truncate(0);
            assertThat(ram.whyLost()).contains("was cut to 0 bytes");
        }
    }
}
