package dev.holdover.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.holdover.linux.Errno;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.VmmException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.UUID;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Both ways, whatever the host's file systems keep: where a test needs one without attributes, it says that there are none. */
class FileMarkTest {
    private static final long RAM = 64 << 10;
    private static final long PAGE = 4096;
    private static final RamIdentity FIRST = RamIdentity.fresh();
    private static final RamIdentity SECOND = FIRST.next(RamIdentity.Cause.RESTORED);
    private static final RamIdentity THIRD = SECOND.next(RamIdentity.Cause.WENT_ON);

    @TempDir
    private Path dir;

    private Path path;
    private Fd file;

    @BeforeEach
    void create() {
        path = dir.resolve("ram");
        file = Fd.open(path.toString(), Fd.O_RDWR | Fd.O_CREAT | Fd.O_EXCL, 0600);
        file.truncate(RAM);
    }

    @AfterEach
    void close() {
        file.close();
    }

    /** An attribute that a file system keeps, until told otherwise. */
    private static final class Kept implements FileMark.Attribute {
        private byte[] value = new byte[0];
        private Errno failure;

        @Override
        public long tryGet(MemorySegment to) {
            if (value.length == 0) {
                return -Errno.ENODATA.number();
            }
            to.copyFrom(MemorySegment.ofArray(value));
            return value.length;
        }

        @Override
        public long trySet(MemorySegment from) {
            if (failure != null) {
                return -failure.number();
            }
            value = from.toArray(ValueLayout.JAVA_BYTE);
            return 0;
        }
    }

    /** As a file system answers that keeps no user attributes. */
    private static final class NotKept implements FileMark.Attribute {
        @Override
        public long tryGet(MemorySegment to) {
            return -Errno.EOPNOTSUPP.number();
        }

        @Override
        public long trySet(MemorySegment from) {
            return -Errno.EOPNOTSUPP.number();
        }
    }

    private FileMark withoutAttributes() {
        return withoutAttributes(file);
    }

    private static FileMark withoutAttributes(Fd file) {
        return new FileMark(file, RAM, new NotKept());
    }

    private static RamIdentity readWithoutAttributes(Path path) {
        try (Fd fd = Fd.open(path.toString(), Fd.O_RDWR)) {
            return withoutAttributes(fd).read();
        }
    }

    private long size() {
        return file.stat().size();
    }

    private void put(byte value, long offset) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment one = arena.allocate(1);
            one.fill(value);
            file.writeFully(one, offset);
        }
    }

    @Test
    void thisHostsFilesKeepOne() {
        for (Path parent : new Path[] {dir, Path.of("/dev/shm")}) {
            try (Fd fd = Fd.open(parent.toString(), Fd.O_RDWR | Fd.O_TMPFILE, 0600)) {
                fd.truncate(RAM);
                FileMark mark = new FileMark(fd, RAM);
                assertThat(mark.read()).isNull();
                assertThat(mark.write(FIRST)).isNull();
                assertThat(mark.read()).isEqualTo(FIRST);
                assertThat(mark.write(SECOND)).isNull();
                assertThat(mark.read()).isEqualTo(SECOND);
                boolean attribute =
                        fd.tryGetAttribute(RamIdentity.ATTRIBUTE, Arena.ofAuto().allocate(RamIdentity.SIZE))
                                == RamIdentity.SIZE;
                assertThat(fd.stat().size()).as("where it stands").isEqualTo(attribute ? RAM : RAM + PAGE);
            }
        }
    }

    @Test
    void anAttributeLeavesTheFileAsItIs() {
        Kept attribute = new Kept();
        FileMark mark = new FileMark(file, RAM, attribute);
        assertThat(mark.read()).isNull();
        assertThat(mark.write(FIRST)).isNull();
        assertThat(mark.read()).isEqualTo(FIRST);
        assertThat(size()).isEqualTo(RAM);
        assertThat(attribute.value).hasSize(RamIdentity.SIZE);
    }

    @Test
    void withoutAttributesAPageIsAppended() {
        FileMark mark = withoutAttributes();
        assertThat(mark.read()).isNull();
        for (RamIdentity identity : new RamIdentity[] {FIRST, SECOND, THIRD, RamIdentity.fresh()}) {
            assertThat(mark.write(identity)).isNull();
            assertThat(mark.read()).isEqualTo(identity);
            assertThat(size()).isEqualTo(RAM + PAGE);
        }
    }

    /** docs/vmstate.md: other versions read this. */
    @Test
    void thePageHasTheDocumentedBytes() throws IOException {
        UUID id = UUID.fromString("00112233-4455-4677-8899-aabbccddeeff");
        RamIdentity identity = new RamIdentity(id, 5, RamIdentity.Cause.RESTORED);
        withoutAttributes().write(identity);
        withoutAttributes().write(identity.next(RamIdentity.Cause.WENT_ON));
        byte[] all = Files.readAllBytes(path);
        assertThat(all).hasSize((int) (RAM + PAGE));
        for (int i = 0; i < 2; i++) {
            byte[] bytes = Arrays.copyOfRange(all, (int) RAM + i * 2048, (int) RAM + i * 2048 + 256);
            ByteBuffer slot = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
            CRC32C crc = new CRC32C();
            crc.update(bytes, 16, 240);
            assertThat(new String(bytes, 0, 8, StandardCharsets.US_ASCII)).isEqualTo("HOLDRAM\2");
            assertThat(slot.getInt(8)).isEqualTo((int) crc.getValue());
            assertThat(slot.getInt(12)).isZero();
            assertThat(slot.getLong(16)).as("sequence").isEqualTo(1 + i);
            assertThat(slot.getLong(24)).isEqualTo(0x0011223344554677L);
            assertThat(slot.getLong(32)).isEqualTo(0x8899aabbccddeeffL);
            assertThat(slot.getLong(40)).as("generation").isEqualTo(5 + i);
            assertThat(slot.getInt(48)).as("cause").isEqualTo(i == 0 ? 3 : 2);
            assertThat(slot.getLong(56)).isEqualTo(file.stat().inode());
            assertThat(slot.getInt(64)).isBetween(0, 2);
            assertThat(Arrays.copyOfRange(bytes, 216, 256)).containsOnly(0);
        }
    }

    @Test
    void whatIsBehindTheRamIsLeftAlone() throws IOException {
        file.truncate(RAM + 3 * PAGE + 100);
        assertThat(withoutAttributes().write(FIRST)).isNull();
        assertThat(size()).isEqualTo(RAM + 5 * PAGE);
        byte[] all = Files.readAllBytes(path);
        for (int i = 0; i < RAM + 4 * PAGE; i++) {
            assertThat(all[i]).isZero();
        }
        assertThat(withoutAttributes().write(SECOND)).isNull();
        assertThat(size()).isEqualTo(RAM + 5 * PAGE);
        assertThat(withoutAttributes().read()).isEqualTo(SECOND);
    }

    @Test
    void aPageThatTheRamReachesIsNone() {
        withoutAttributes().write(FIRST);
        FileMark larger = new FileMark(file, RAM + PAGE, new NotKept());
        assertThat(larger.read()).isNull();
        assertThat(larger.write(SECOND)).isNull();
        assertThat(size()).isEqualTo(RAM + 2 * PAGE);
        assertThat(withoutAttributes().read()).isEqualTo(SECOND);
    }

    @Test
    void aCopyIsNotMarked() throws IOException {
        withoutAttributes().write(FIRST);
        Path copy = Files.copy(path, dir.resolve("copy"), StandardCopyOption.COPY_ATTRIBUTES);
        assertThat(readWithoutAttributes(copy)).isNull();
        assertThat(readWithoutAttributes(path)).isEqualTo(FIRST);

        Files.delete(path);
        Files.copy(copy, path);
        assertThat(readWithoutAttributes(path)).as("a copy under the old name").isNull();

        try (Fd fd = Fd.open(copy.toString(), Fd.O_RDWR)) {
            assertThat(withoutAttributes(fd).write(SECOND)).isNull();
            assertThat(withoutAttributes(fd).read()).as("a guest of its own").isEqualTo(SECOND);
            assertThat(fd.stat().size()).isEqualTo(RAM + PAGE);
        }
    }

    @Test
    void theMarkGoesWithTheFileWhateverItsNames() throws IOException {
        withoutAttributes().write(FIRST);
        Path other = Files.createLink(dir.resolve("other"), path);
        withoutAttributes().write(SECOND);
        assertThat(readWithoutAttributes(other)).isEqualTo(SECOND);
        Path moved = Files.move(path, Files.createDirectory(dir.resolve("sub")).resolve("moved"));
        assertThat(readWithoutAttributes(moved)).isEqualTo(SECOND);
    }

    @Test
    void aFileThatIsCutOrZeroedIsNotMarked() {
        withoutAttributes().write(FIRST);
        file.truncate(0);
        file.truncate(RAM + PAGE);
        assertThat(withoutAttributes().read()).isNull();
        assertThat(withoutAttributes().write(SECOND)).isNull();
        assertThat(withoutAttributes().read()).isEqualTo(SECOND);
    }

    /** A write that a crash of the host tears leaves the mark from before it: the guest has not run. */
    @Test
    void aTornWriteLeavesTheMarkBefore() {
        for (int at = 0; at < 216; at++) {
            file.truncate(RAM);
            withoutAttributes().write(FIRST);
            withoutAttributes().write(SECOND);
            // The third goes to the first slot again.
            byte[] before = slot(0);
            withoutAttributes().write(THIRD);
            byte[] after = slot(0);
            assertThat(withoutAttributes().read()).isEqualTo(THIRD);
            byte[] torn = before.clone();
            System.arraycopy(after, 0, torn, 0, at);
            try (Arena arena = Arena.ofConfined()) {
                file.writeFully(arena.allocateFrom(ValueLayout.JAVA_BYTE, torn), RAM);
            }
            boolean whole = Arrays.equals(torn, after);
            assertThat(withoutAttributes().read()).as("torn at %d", at).isEqualTo(whole ? THIRD : SECOND);
            assertThat(withoutAttributes().write(THIRD)).isNull();
            assertThat(withoutAttributes().read()).isEqualTo(THIRD);
        }
    }

    private byte[] slot(int number) {
        MemorySegment bytes = Arena.ofAuto().allocate(256);
        file.readFully(bytes, RAM + number * 2048L);
        return bytes.toArray(ValueLayout.JAVA_BYTE);
    }

    @Test
    void aDamagedPageSaysNothingAndIsReplaced() {
        withoutAttributes().write(FIRST);
        put((byte) 0x55, RAM + 30);
        assertThat(withoutAttributes().read()).isNull();
        assertThat(withoutAttributes().write(SECOND)).isNull();
        assertThat(withoutAttributes().read()).isEqualTo(SECOND);
        assertThat(size()).isEqualTo(RAM + PAGE);
    }

    @Test
    void thePageCountsAsLongAsThereIsOne() {
        // The same file under a mount with nouser_xattr, and again without.
        Kept attribute = new Kept();
        FileMark mark = new FileMark(file, RAM, attribute);
        mark.write(FIRST);
        withoutAttributes().write(SECOND);
        assertThat(mark.read()).isEqualTo(SECOND);
        assertThat(mark.write(THIRD)).isNull();
        assertThat(mark.read()).isEqualTo(THIRD);
        assertThat(withoutAttributes().read()).isEqualTo(THIRD);
    }

    @ParameterizedTest
    @EnumSource(
            value = Errno.class,
            names = {"ENOSPC", "EDQUOT", "EPERM", "EACCES", "EROFS", "EIO", "EOPNOTSUPP"})
    void anOlderAttributeThatStaysKeepsTheGuestFromRunning(Errno failure) {
        Kept attribute = new Kept();
        FileMark mark = new FileMark(file, RAM, attribute);
        mark.write(FIRST);
        attribute.failure = failure;
        assertThatThrownBy(() -> mark.write(SECOND))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("can't let the guest run")
                .hasMessageContaining(path.toString())
                .hasMessageContaining(failure.name());
        assertThat(mark.read()).isEqualTo(FIRST);
        assertThat(size()).isEqualTo(RAM);

        attribute.failure = null;
        assertThat(mark.write(SECOND)).isNull();
        assertThat(mark.read()).isEqualTo(SECOND);
    }

    @Test
    void anAttributeForWhichThereIsNoRoomIsAPageInstead() {
        Kept attribute = new Kept();
        attribute.failure = Errno.ENOSPC;
        FileMark mark = new FileMark(file, RAM, attribute);
        assertThat(mark.write(FIRST)).isNull();
        assertThat(mark.read()).isEqualTo(FIRST);
        attribute.failure = null;
        assertThat(mark.write(SECOND)).isNull();
        assertThat(mark.read()).isEqualTo(SECOND);
        assertThat(attribute.value).as("it stays where it is").isEmpty();
    }

    @Test
    void anOlderPageThatStaysKeepsTheGuestFromRunning() {
        withoutAttributes().write(FIRST);
        try (Fd readOnly = Fd.open(path.toString(), Fd.O_RDONLY)) {
            assertThatThrownBy(() -> withoutAttributes(readOnly).write(SECOND))
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("can't let the guest run")
                    .hasMessageContaining("EBADF");
        }
        assertThat(withoutAttributes().read()).isEqualTo(FIRST);
    }

    @Test
    void aFileThatCannotGrowHasNone() {
        try (Fd memfd = Memfd.create("ram", RAM)) {
            assumeTrue(Memfd.trySeals(memfd) == 0, "a memfd that can be sealed");
            Memfd.seal(memfd, Memfd.F_SEAL_GROW);
            String why = withoutAttributes(memfd).write(FIRST);
            assertThat(why).contains("cannot be given a page").contains("EPERM");
            assertThat(withoutAttributes(memfd).read()).isNull();
            assertThat(memfd.stat().size()).isEqualTo(RAM);
        }
    }

    @Test
    void aMemfdThatCanGrowHasOne() {
        try (Fd memfd = Memfd.create("ram", RAM)) {
            assertThat(withoutAttributes(memfd).write(FIRST)).isNull();
            assertThat(withoutAttributes(memfd).read()).isEqualTo(FIRST);
            assertThat(memfd.stat().size()).isEqualTo(RAM + PAGE);
        }
    }

    @Test
    void aDeviceHasNone() {
        // Any character device refuses user.* attributes, as a DAX device does, with EPERM.
        try (Fd device = Fd.open("/dev/null", Fd.O_RDWR)) {
            FileMark mark = new FileMark(device, RAM);
            assertThat(mark.write(FIRST)).contains("/dev/null");
            assertThat(mark.read()).isNull();
        }
    }
}
