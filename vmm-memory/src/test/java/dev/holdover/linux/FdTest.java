package dev.holdover.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FdTest {
    @TempDir
    Path dir;

    private Fd create(String name) {
        return Fd.open(dir.resolve(name).toString(), Fd.O_RDWR | Fd.O_CREAT | Fd.O_EXCL, 0600);
    }

    @Test
    void opensCloseOnExec() {
        try (Fd fd = create("f")) {
            assertThat(Fd.isOpenAcrossExec(fd.number())).isFalse();
            fd.setCloseOnExec(false);
            assertThat(Fd.isOpenAcrossExec(fd.number())).isTrue();
            try (Fd dup = fd.dup()) {
                assertThat(Fd.isOpenAcrossExec(dup.number())).isFalse();
            }
        }
        assertThat(Fd.isOpenAcrossExec(987_654)).isFalse();
    }

    /** A duplicate with a number that no other thread of the JVM comes by. */
    private static Fd highNumbered(Fd fd) {
        long number = Syscall.call(Syscall.FCNTL, fd.number(), 1030, 900); // F_DUPFD_CLOEXEC
        return Fd.adopt((int) ErrnoException.check("dup", number), fd.name());
    }

    @Test
    void isClosedOnce() {
        Fd first;
        try (Fd low = create("first")) {
            first = highNumbered(low);
        }
        int number = first.number();
        first.close();
        try (Fd low = create("second");
                Fd second = highNumbered(low)) {
            assertThat(second.number()).as("the number is used again").isEqualTo(number);
            first.close();
            assertThat(second.stat().isRegular()).as("not closed by the first").isTrue();
        }
        assertThat(first.isClosed()).isTrue();
        assertThatThrownBy(first::number)
                .isInstanceOf(IllegalStateException.class)
                .hasMessage(dir.resolve("first") + " is closed");
    }

    @Test
    void aPathWithANulIsRefused() {
        assertThatThrownBy(() -> Fd.open("/tmp/a\0b", Fd.O_RDONLY)).hasMessageContaining("EINVAL");
    }

    @Test
    void dupOfANumberThatIsNotOpenIsEbadf() {
        assertThatThrownBy(() -> Fd.dupOf(987_654, "fd 987654"))
                .hasMessage("dup fd 987654: EBADF (Bad file descriptor)");
    }

    @Test
    void aDuplicateSharesTheOpenFileDescription() {
        try (Fd fd = create("f");
                Fd dup = Fd.dupOf(fd.number(), "dup")) {
            fd.setNonBlocking(true);
            assertThat(dup.statusFlags() & Fd.O_NONBLOCK).isNotZero();
            assertThat(dup.statusFlags() & Fd.O_ACCMODE).isEqualTo(Fd.O_RDWR);
            dup.setNonBlocking(false);
            assertThat(fd.statusFlags() & Fd.O_NONBLOCK).isZero();
        }
    }

    @Test
    void anExclusiveLockKeepsOtherDescriptionsOut() {
        Fd fd = create("f");
        try (Fd other = Fd.open(fd.name(), Fd.O_RDWR)) {
            assertThat(fd.tryLock(true)).isTrue();
            assertThat(other.tryLock(true)).isFalse();
            assertThat(other.tryLock(false)).isFalse();
            try (Fd dup = fd.dup()) {
                assertThat(dup.tryLock(true)).as("the same description").isTrue();
            }
            assertThat(other.tryLock(true))
                    .as("closing a duplicate keeps the lock")
                    .isFalse();
            fd.close();
            assertThat(other.tryLock(true)).isTrue();
        }
    }

    @Test
    void sharedLocksKeepExclusiveOnesOut() {
        try (Fd fd = create("f");
                Fd other = Fd.open(fd.name(), Fd.O_RDWR);
                Fd third = Fd.open(fd.name(), Fd.O_RDWR)) {
            assertThat(fd.tryLock(false)).isTrue();
            assertThat(other.tryLock(false)).isTrue();
            assertThat(third.tryLock(true)).isFalse();
        }
    }

    @Test
    void readsAndWritesFully() {
        try (Arena arena = Arena.ofConfined();
                Fd fd = create("f")) {
            MemorySegment out = arena.allocate(3 << 20);
            for (long i = 0; i < out.byteSize(); i += 4) {
                out.set(ValueLayout.JAVA_INT, i, (int) (i * 0x9E3779B9L));
            }
            fd.writeFully(out, 5);
            MemorySegment in = arena.allocate(4 << 20);
            assertThat(fd.readFully(in, 5)).isEqualTo(out.byteSize());
            assertThat(in.asSlice(0, out.byteSize()).mismatch(out)).isEqualTo(-1);
            assertThat(fd.readFully(in, out.byteSize() + 5)).isZero();
            assertThat(fd.seekEnd()).isEqualTo(out.byteSize() + 5);
        }
    }

    @Test
    void aFailedReadNamesTheFile() {
        try (Arena arena = Arena.ofConfined();
                Fd fd = Fd.open(dir.toString(), Fd.O_RDONLY)) {
            assertThatThrownBy(() -> fd.readFully(arena.allocate(8), 0))
                    .hasMessage("read " + dir + ": EISDIR (Is a directory)");
        }
    }

    @Test
    void statTellsWhatTheJdkTells() throws Exception {
        Path path = dir.resolve("f");
        try (Fd fd = create("f")) {
            Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-r--r--"));
            fd.truncate(12_345);
            FileStat stat = fd.stat();
            assertThat(stat.size()).isEqualTo(12_345);
            assertThat(stat.isRegular()).isTrue();
            assertThat(stat.mode()).isEqualTo(Files.getAttribute(path, "unix:mode"));
            assertThat(stat.inode()).isEqualTo(Files.getAttribute(path, "unix:ino"));
            assertThat(stat.device()).isEqualTo(Files.getAttribute(path, "unix:dev"));
            assertThat(fd.fileSystem().blocks() * fd.fileSystem().blockSize())
                    .isEqualTo(Files.getFileStore(path).getTotalSpace());
        }
        try (Fd fd = Fd.open(dir.toString(), Fd.O_RDONLY)) {
            assertThat(fd.stat().isDirectory()).isTrue();
        }
    }

    @Test
    void statTellsADevicesNumber() {
        try (Fd fd = Fd.open("/dev/null", Fd.O_RDWR)) {
            FileStat stat = fd.stat();
            assertThat(stat.isCharacterDevice()).isTrue();
            assertThat(stat.major()).isEqualTo(1);
            assertThat(stat.minor()).isEqualTo(3);
        }
        // makedev(0x12345, 0x6789a), whose parts lie apart in the word
        FileStat large = new FileStat(0, 0, 1, 0x2000, 0x0001_2000_6783_459aL, 0, 0);
        assertThat(large.major()).isEqualTo(0x12345);
        assertThat(large.minor()).isEqualTo(0x6789a);
    }

    @Test
    void theHostHasMemory() throws Exception {
        String total = Files.readAllLines(Path.of("/proc/meminfo")).get(0);
        assertThat(total).startsWith("MemTotal:");
        assertThat(HostMemory.query().ram()).isEqualTo(Long.parseLong(total.replaceAll("\\D", "")) * 1024);
        assertThat(HostMemory.query().swap()).isNotNegative();
    }

    @Test
    void aSegmentOnTheHeapIsRefused() {
        try (Fd memfd = Memfd.create("heap", 4096)) {
            assertThatThrownBy(() -> memfd.writeFully(MemorySegment.ofArray(new byte[8]), 0))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void underAnotherNameItIsTheSameDescriptor() {
        try (Fd first = Memfd.create("first", 0)) {
            int number = first.number();
            try (Fd second = first.renamed("second")) {
                assertThat(second.number()).isEqualTo(number);
                assertThat(second.name()).isEqualTo("second");
                assertThat(first.isClosed()).isTrue();
                assertThatThrownBy(() -> first.renamed("third")).isInstanceOf(IllegalStateException.class);
                assertThat(second.stat().isRegular()).isTrue();
            }
        }
    }
}
