package dev.holdover.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EntryPointTest {
    private static final List<String> PACKAGES = List.of(
            "jdk.internal.foreign.abi", "jdk.internal.foreign.abi.x64", "jdk.internal.access", "jdk.internal.loader");

    @TempDir
    private Path dir;

    /** What both ways have to give, printed by a process that has one of them. */
    static final class Calls {
        private Calls() {}

        public static void main(String[] arguments) {
            System.out.println(EntryPoint.find() == null ? "linker" : "entry point");
            System.out.println(EntryPoint.address("syscall") == 0 ? "lookup" : "library");
            System.out.println(
                    Syscall.call(Syscall.GETPID) == ProcessHandle.current().pid());
            System.out.println(Errno.EBADF.is(Syscall.call(Syscall.CLOSE, -1)));
        }
    }

    @Test
    @SuppressWarnings("restricted")
    void takesEveryArgumentToItsPlace() throws Throwable {
        MethodHandle call = EntryPoint.find();
        assumeTrue(
                Runtime.version().feature() == 25,
                "its parts are known of JDK 25 only, where the linker is taken else");
        assertThat(call).as("exported by the tests' command line").isNotNull();
        byte[] pages = new byte[3 * 4096];
        pages[2 * 4096] = 42;
        Path file = Files.write(dir.resolve("file"), pages);
        long function = Syscall.address("syscall");
        try (Fd fd = Fd.open(file.toString(), Fd.O_RDONLY);
                Arena arena = Arena.ofConfined()) {
            MemorySegment errno = arena.allocate(ValueLayout.JAVA_INT);
            // mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 8192): all six, the last of them on the stack.
            long mapped = (long) call.invokeExact(
                    function, errno.address(), (long) Syscall.MMAP, 0L, 4096L, 1L, 2L, (long) fd.number(), 8192L, 0L);
            assertThat(MemorySegment.ofAddress(mapped).reinterpret(1).get(ValueLayout.JAVA_BYTE, 0))
                    .isEqualTo((byte) 42);
            assertThat(Syscall.call(Syscall.MUNMAP, mapped, 4096)).isZero();
            long failed = (long)
                    call.invokeExact(function, errno.address(), (long) Syscall.MUNMAP, 1L, 4096L, 0L, 0L, 0L, 0L, 0L);
            assertThat(failed).isEqualTo(-1);
            assertThat(Errno.of(errno.get(ValueLayout.JAVA_INT, 0))).isEqualTo(Errno.EINVAL);
        }
    }

    @Test
    void knowsWhereTheLookupFindsFunctions() {
        assumeTrue(
                Runtime.version().feature() == 25,
                "its parts are known of JDK 25 only, where the linker is taken else");
        for (String function : List.of("syscall", "abs")) {
            assertThat(EntryPoint.address(function))
                    .isEqualTo(Linker.nativeLinker()
                            .defaultLookup()
                            .find(function)
                            .orElseThrow()
                            .address());
        }
        assertThat(EntryPoint.address("nothing_of_this_name")).isZero();
    }

    @Test
    void whereItIsNotExportedTheLinkerMakesTheSameCalls() throws Exception {
        assertThat(calls(List.of())).isEqualTo("linker\nlookup\ntrue\ntrue\n");
        assumeTrue(
                Runtime.version().feature() == 25,
                "its parts are known of JDK 25 only, where the linker is taken else");
        List<String> exports = new ArrayList<>();
        for (String name : PACKAGES) {
            exports.add("--add-exports=java.base/" + name + "=ALL-UNNAMED");
        }
        assertThat(calls(exports)).isEqualTo("entry point\nlibrary\ntrue\ntrue\n");
        assertThat(calls(exports.subList(0, 3))).isEqualTo("entry point\nlookup\ntrue\ntrue\n");
        assertThat(calls(exports.subList(1, 4))).isEqualTo("linker\nlibrary\ntrue\ntrue\n");
    }

    private static String calls(List<String> flags) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                System.getProperty("java.home") + "/bin/java", "-Xlog:disable", "--enable-native-access=ALL-UNNAMED"));
        command.addAll(flags);
        command.addAll(List.of("-cp", "target/classes:target/test-classes", Calls.class.getName()));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(said).isZero();
        return said;
    }
}
