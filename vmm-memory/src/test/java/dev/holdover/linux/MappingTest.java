package dev.holdover.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MappingTest {
    private static final long GIB = 1 << 30;

    @ParameterizedTest
    @ValueSource(longs = {4096, 12_288, 2 << 20, 5 << 20})
    void liesOnTheBoundaryAskedFor(long size) throws Exception {
        for (long alignment = 4096; alignment <= GIB; alignment <<= 6) {
            try (Mapping mapping = Mapping.anonymous(size, alignment)) {
                assertThat(mapping.segment().address() % alignment).isZero();
                assertThat(mapping.segment().byteSize()).isEqualTo(size);
                mapping.segment().set(ValueLayout.JAVA_BYTE, size - 1, (byte) 1);
            }
        }
    }

    @Test
    void keepsNothingOfWhatItReservedToFindABoundary() throws Exception {
        long before = mappings();
        for (int i = 0; i < 64; i++) {
            Mapping.anonymous(4096, GIB).close();
        }
        assertThat(mappings()).isLessThan(before + 8 * GIB / 1024);
    }

    /** The process's address space in KiB: VmSize. The JVM's other threads change it too, but by less than a GiB. */
    private static long mappings() throws Exception {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmSize:")) {
                return Long.parseLong(line.replaceAll("\\D", ""));
            }
        }
        throw new AssertionError("no VmSize");
    }

    @Test
    void useAfterCloseThrows() {
        Mapping mapping = Mapping.anonymous(4096, 1);
        MemorySegment segment = mapping.segment();
        segment.set(ValueLayout.JAVA_BYTE, 0, (byte) 1);
        mapping.close();
        assertThatThrownBy(() -> segment.get(ValueLayout.JAVA_BYTE, 0)).isInstanceOf(IllegalStateException.class);
        mapping.close();
    }

    @Test
    void closingUnmaps() {
        Mapping mapping = Mapping.anonymous(4096, 1);
        long address = mapping.segment().address();
        mapping.close();
        // madvise(2) of what is not mapped
        assertThat(Errno.ENOMEM.is(Syscall.call(Syscall.MADVISE, address, 4096, Mapping.MADV_DONTDUMP)))
                .isTrue();
    }

    @Test
    void storesReachASharedFileAndNotAPrivateOne() {
        try (Fd memfd = Memfd.create("test", 8192);
                Mapping shared = Mapping.shared(memfd, 4096, 4096);
                Mapping again = Mapping.file(memfd, 0, 8192, 2 << 20, true, true);
                Mapping priv = Mapping.file(memfd, 0, 8192, 1, false, true)) {
            shared.segment().set(ValueLayout.JAVA_INT, 0, 0x1234);
            assertThat(again.segment().get(ValueLayout.JAVA_INT, 4096)).isEqualTo(0x1234);
            assertThat(priv.segment().get(ValueLayout.JAVA_INT, 4096)).isEqualTo(0x1234);
            priv.segment().set(ValueLayout.JAVA_INT, 4096, 0x5678);
            assertThat(again.segment().get(ValueLayout.JAVA_INT, 4096)).isEqualTo(0x1234);
        }
    }

    @Test
    void aFailedMappingNamesTheFileAndLeavesNothing() throws Exception {
        try (Fd memfd = Memfd.create("test", 4096)) {
            Memfd.seal(memfd, Memfd.F_SEAL_WRITE);
            long before = mappings();
            assertThatThrownBy(() -> Mapping.file(memfd, 0, 4096, GIB, true, true))
                    .hasMessage("mmap memfd test: EPERM (Operation not permitted)");
            assertThat(mappings()).isLessThan(before + GIB / 1024);
        }
    }
}
