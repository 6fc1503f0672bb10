package dev.holdover.vmstate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Mapping;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.GuestMemory;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StateTargetTest {
    private static final SectionType NUMBER = new SectionType("number", 1);
    private static final SectionType BULK = new SectionType("bulk", 1);
    private static final List<SectionType> KNOWN = List.of(NUMBER, BULK);
    private static final long MIB = 1 << 20;

    @TempDir
    Path directory;

    private static StateImage image(long number, long bulk) {
        StateLayout layout = new StateLayout("test", 1, MemorySegment.NULL);
        int index = layout.section(NUMBER, 0, 8);
        layout.section(BULK, 0, bulk);
        StateImage image = layout.build();
        image.output(index).i64(number);
        return image;
    }

    private static void save(Path path, long number, long bulk) {
        StateImage image = image(number, bulk);
        try (FileTarget target = FileTarget.create(path.toString(), image.size())) {
            target.publish(image);
        }
    }

    private static long load(Path path) {
        try (StateFile state = StateFile.open(path.toString(), KNOWN)) {
            return state.section(NUMBER, 0).input().i64();
        }
    }

    private static long load(Fd fd) {
        try (StateFile state = StateFile.open(fd, KNOWN)) {
            return state.section(NUMBER, 0).input().i64();
        }
    }

    private static List<String> names(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void fileIsPublishedWithMode0600AndNothingBeside() throws IOException {
        Path state = directory.resolve("state");
        save(state, 1, 10_000);
        save(state, 2, 10);
        assertThat(load(state)).isEqualTo(2);
        assertThat(names(directory)).containsExactly("state");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(state)))
                .isEqualTo("rw-------");
    }

    @Test
    void fileIsFoundUnderItsNameOnlyWhenItIsWhole() throws IOException {
        Path state = directory.resolve("state");
        save(state, 1, 10);
        StateImage image = image(2, 10);
        try (FileTarget target = FileTarget.create(state.toString(), image.size())) {
            // Had the process died here or later, this is what it would leave.
            assertThat(names(directory)).hasSize(2).anyMatch(name -> name.startsWith("state.part-"));
            target.write(image.bytes(), 0);
            assertThat(load(state)).isEqualTo(1);
        }
        assertThat(names(directory)).containsExactly("state");
        assertThat(load(state)).isEqualTo(1);
    }

    @Test
    void readersSeeTheOldStateOrTheNewOne() throws Exception {
        Path state = directory.resolve("state");
        save(state, 0, 100_000);
        AtomicBoolean done = new AtomicBoolean();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        long[] seen = new long[2];
        Thread reader = new Thread(() -> {
            try {
                while (!done.get()) {
                    long number = load(state);
                    assertThat(number).isGreaterThanOrEqualTo(seen[0]);
                    seen[0] = number;
                    seen[1]++;
                }
            } catch (Throwable e) {
                failure.set(e);
            }
        });
        reader.start();
        for (int i = 1; i <= 200; i++) {
            save(state, i, i % 2 == 0 ? 100_000 : 100);
        }
        done.set(true);
        reader.join(Patience.host().millis(30_000));
        assertThat(reader.isAlive()).isFalse();
        assertThat(failure.get()).isNull();
        assertThat(seen[1]).isPositive();
        assertThat(load(state)).isEqualTo(200);
    }

    @Test
    void whatIsNoPlaceForAFileIsASentence() throws IOException {
        assertThatThrownBy(() -> FileTarget.create(directory.toString(), 1))
                .isInstanceOf(VmmException.class)
                .hasMessage("can't save to " + directory + ": EISDIR (Is a directory); name a file in it");
        assertThatThrownBy(() -> FileTarget.create(directory + "/", 1)).hasMessageContaining("EISDIR");
        assertThatThrownBy(() -> FileTarget.create(directory + "/no/state", 1))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("ENOENT (No such file or directory); does its directory exist?");
        Path file = Files.createFile(directory.resolve("file"));
        assertThatThrownBy(() -> FileTarget.create(file + "/state", 1)).hasMessageContaining("ENOTDIR");
        assertThatThrownBy(() -> FileTarget.create("/dev/null", 1))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("it is no regular file");
        assertThatThrownBy(() -> FileTarget.create(directory + "/" + "x".repeat(255), 1))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("ENAMETOOLONG");
        assertThat(names(directory)).containsExactly("file");
    }

    @Test
    void linkIsReplacedNotFollowed() throws IOException {
        Path other = Files.writeString(directory.resolve("other"), "precious");
        Path link = Files.createSymbolicLink(directory.resolve("state"), other);
        save(link, 3, 10);
        assertThat(other).hasContent("precious");
        assertThat(link).isRegularFile();
        assertThat(Files.isSymbolicLink(link)).isFalse();
        assertThat(load(link)).isEqualTo(3);
    }

    /** A tmpfs on a directory of its own, or none where mounts are not permitted. */
    private record Tmpfs(Path path) implements AutoCloseable {
        static Tmpfs mount(Path path, String options) throws IOException {
            Files.createDirectories(path);
            assumeTrue(
                    run("mount", "-t", "tmpfs", "-o", options, "tmpfs", path.toString()) == 0,
                    "mounting a tmpfs is not permitted here");
            return new Tmpfs(path);
        }

        static int run(String... command) throws IOException {
            Process process =
                    new ProcessBuilder(command).redirectErrorStream(true).start();
            process.getInputStream().readAllBytes();
            return process.onExit().join().exitValue();
        }

        @Override
        public void close() throws IOException {
            run("umount", path.toString());
        }
    }

    @Test
    void fullFileSystemLeavesTheOldStateAlone() throws IOException {
        try (Tmpfs tmpfs = Tmpfs.mount(directory.resolve("small"), "size=128k")) {
            Path state = tmpfs.path().resolve("state");
            save(state, 1, 10);
            // Told before the guest is stopped, as the image's size is known by then.
            assertThatThrownBy(() -> save(state, 2, 200_000))
                    .isInstanceOf(VmmException.class)
                    .hasMessage("can't save to " + state
                            + ": ENOSPC (No space left on device); make room there, or save elsewhere");
            assertThat(names(tmpfs.path())).containsExactly("state");

            // RAM pages fill it later.
            StateLayout layout = new StateLayout("test", 1, MemorySegment.NULL);
            layout.region(RamRegion.copied("ram0", 0, MIB, 0, false));
            StateImage image = layout.build();
            try (Mapping ram = Mapping.anonymous(MIB, 1);
                    FileTarget target = FileTarget.create(state.toString(), image.size());
                    PageWriter pages = new PageWriter(target, image)) {
                ram.segment().fill((byte) 1);
                assertThatThrownBy(() -> pages.write(0, new GuestMemory.Region(0, ram.segment(), null, 0, false)))
                        .isInstanceOf(VmmException.class)
                        .hasMessageContaining("ENOSPC");
            }
            assertThat(names(tmpfs.path())).containsExactly("state");
            assertThat(load(state)).isEqualTo(1);
            save(state, 3, 10);
            assertThat(load(state)).isEqualTo(3);
        }
    }

    @Test
    void readOnlyFileSystemLeavesTheOldStateAlone() throws IOException {
        try (Tmpfs tmpfs = Tmpfs.mount(directory.resolve("fixed"), "size=128k")) {
            Path state = tmpfs.path().resolve("state");
            save(state, 1, 10);
            StateImage image = image(2, 10);
            assumeTrue(Tmpfs.run("mount", "-o", "remount,ro", tmpfs.path().toString()) == 0);
            assertThatThrownBy(() -> FileTarget.create(state.toString(), image.size()))
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("EROFS (Read-only file system); save to a file system that can be written");
            assertThat(load(state)).isEqualTo(1);
        }
    }

    @Test
    void vanishedDirectoryIsASentence() throws IOException {
        Path gone = Files.createDirectory(directory.resolve("gone"));
        StateImage image = image(1, 10);
        try (FileTarget target = FileTarget.create(gone.resolve("state").toString(), image.size())) {
            for (String name : names(gone)) {
                Files.delete(gone.resolve(name));
            }
            Files.delete(gone);
            assertThatThrownBy(() -> target.publish(image))
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("ENOENT");
        }
    }

    @Test
    void descriptorHoldsNoStateUntilItHoldsAWholeOne() {
        try (Fd fd = Memfd.create("target", 0)) {
            StateImage large = image(1, 100_000);
            FdTarget.of(fd).publish(large);
            assertThat(load(fd)).isEqualTo(1);

            StateImage small = image(2, 10);
            FdTarget target = FdTarget.of(fd);
            assertThat(load(fd)).isEqualTo(1);
            target.write(small.bytes().asSlice(8), 8);
            assertThatThrownBy(() -> load(fd))
                    .isInstanceOf(StateException.class)
                    .hasMessageContaining("or one that was not written to its end");

            target.publish(small);
            assertThat(load(fd)).isEqualTo(2);
            assertThat(fd.stat().size()).isEqualTo(small.size());
        }
    }

    @Test
    void descriptorThatCannotTakeAStateIsASentence() throws IOException {
        Path file = Files.createFile(directory.resolve("file"));
        try (Fd reading = Fd.open(file.toString(), Fd.O_RDONLY);
                Fd appending = Fd.open(file.toString(), Fd.O_WRONLY | Fd.O_APPEND);
                Fd writing = Fd.open(file.toString(), Fd.O_WRONLY)) {
            assertThatThrownBy(() -> FdTarget.of(reading)).hasMessageContaining("EBADF");
            assertThatThrownBy(() -> FdTarget.of(appending)).hasMessageContaining("open for appending");
            FdTarget.of(writing).publish(image(4, 10));
            assertThatThrownBy(() -> load(writing))
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("EBADF");
        }
        assertThat(load(file)).isEqualTo(4);
        UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.STREAM);
        try (UnixSocket one = pair[0];
                UnixSocket other = pair[1]) {
            assertThatThrownBy(() -> FdTarget.of(one.fd())).hasMessageContaining("neither a regular file");
            assertThatThrownBy(() -> load(other.fd())).hasMessageContaining("neither a regular file");
        }
    }

    @Test
    void sealedDescriptorIsASentenceAndNoState() {
        try (Fd fd = Memfd.create("target", 4096)) {
            Memfd.seal(fd, Memfd.F_SEAL_GROW);
            assertThatThrownBy(() -> FdTarget.of(fd).publish(image(1, 10_000)))
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("EPERM");
            assertThatThrownBy(() -> load(fd)).isInstanceOf(StateException.class);
        }
    }

    @Test
    void memfdIsSealedAndItsTimelineGoesOn() {
        StateImage image = image(5, 10);
        image.timeline().stamp(1, 10, 20, 30);
        Fd memfd;
        try (MemfdTarget target = MemfdTarget.create("state", image.size())) {
            target.publish(image);
            memfd = target.fd();
        }
        try (memfd) {
            assertThat(Memfd.trySeals(memfd)).isEqualTo(Memfd.F_SEAL_GROW | Memfd.F_SEAL_SHRINK | Memfd.F_SEAL_SEAL);
            assertThatThrownBy(() -> memfd.truncate(0)).isInstanceOf(ErrnoException.class);
            image.timeline().stamp(2, 11, 21, 31);
            image.timeline().writeTo(memfd);
            try (StateFile state = StateFile.open(memfd, KNOWN)) {
                assertThat(state.section(NUMBER, 0).input().i64()).isEqualTo(5);
                assertThat(state.timeline().events())
                        .containsExactly(new TimelineEvent(1, 10, 20, 30), new TimelineEvent(2, 11, 21, 31));
            }
        }
    }

    @Test
    void memfdThatWasNotPublishedIsClosed() {
        MemfdTarget target = MemfdTarget.create("state", 4096);
        Fd fd = target.fd();
        target.close();
        assertThat(fd.isClosed()).isTrue();
    }

    @Test
    void fileThatIsNoStateIsASentence() throws IOException {
        assertThatThrownBy(() -> load(directory.resolve("none")))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("ENOENT");
        assertThatThrownBy(() -> load(directory)).hasMessageContaining("neither a regular file");
        Path text = Files.writeString(directory.resolve("text"), "x".repeat(1000));
        assertThatThrownBy(() -> load(text))
                .isInstanceOf(StateException.class)
                .hasMessageContaining("it is not a state of this VMM");
        Path shortText = Files.writeString(directory.resolve("short"), "x");
        assertThatThrownBy(() -> load(shortText)).hasMessageContaining("it is not a state of this VMM");
        Path empty = Files.writeString(directory.resolve("empty"), "");
        assertThatThrownBy(() -> load(empty)).hasMessageContaining("it is empty");
    }
}
