package dev.holdover.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.UsageException;
import dev.holdover.memory.RamConfig.Backend;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RamConfigTest {
    private static final long MIB = 1 << 20;

    @Test
    void withoutOptionsItIsASharedMemfd() {
        assertThat(RamConfig.parse(null, null))
                .isEqualTo(new RamConfig(Backend.MEMFD, 256 * MIB, null, true, 0, true, false));
        assertThat(RamConfig.parse("1.5G", "")).isEqualTo(RamConfig.memfd(1536 * MIB));
    }

    @Test
    void aPathImpliesTheFileBackend() {
        assertThat(RamConfig.parse("64", "mem-path=/dev/shm/a,,b,offset=2M,share=off,thp=off,prefault=on"))
                .isEqualTo(new RamConfig(Backend.FILE, 64 * MIB, "/dev/shm/a,b", false, 2 * MIB, false, true));
        assertThat(RamConfig.parse("64", "backend=file,mem-path=/x").backend()).isEqualTo(Backend.FILE);
    }

    @Test
    void aMemfdCanBePrivateAndAnonymousMemoryIs() {
        assertThat(RamConfig.parse("64", "backend=memfd,share=off").share()).isFalse();
        assertThat(RamConfig.parse("64", "backend=anonymous").share()).isFalse();
        assertThat(RamConfig.parse("64", "backend=anonymous,share=off").share()).isFalse();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            0     | -m 0: a guest needs RAM, say -m 256M
            0.0G  | -m 0.0G: a guest needs RAM, say -m 256M
            4097B | -m 4097B: 4097 bytes are no multiple of the page size 4096, say -m 256M
            -1    | -m -1: expects a size below 8 EiB such as 256M or 1.5G (units K, M, G, T; M if there is none)
            256MB | -m 256MB: expects a size below 8 EiB such as 256M or 1.5G (units K, M, G, T; M if there is none)
            8E    | -m 8E: expects a size below 8 EiB such as 256M or 1.5G (units K, M, G, T; M if there is none)
            """)
    void refusesASizeThatIsNone(String memory, String sentence) {
        assertThatThrownBy(() -> RamConfig.parse(memory, null))
                .isInstanceOf(UsageException.class)
                .hasMessage(sentence);
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', textBlock = """
            foo=1;                           Invalid parameter 'foo' (there are
            size=1G;                         Invalid parameter 'size' (there are
            backend=shm;                     Parameter 'backend' expects 'memfd', 'file' or 'anonymous'
            backend;                         Parameter 'backend' expects 'memfd', 'file' or 'anonymous'
            share=maybe;                     Parameter 'share' expects 'on' or 'off'
            share;                           Parameter 'share' expects 'on' or 'off'
            share=on,share=off;              Parameter 'share' is given twice
            thp=1;                           Parameter 'thp' expects 'on' or 'off'
            prefault=ON;                     Parameter 'prefault' expects 'on' or 'off'
            mem-path=;                       Parameter 'mem-path' expects a path
            mem-path;                        Parameter 'mem-path' expects a path
            backend=file;                    Parameter 'mem-path' is missing, which backend=file needs
            backend=memfd,mem-path=/x;       Parameter 'mem-path' expects backend=file, or none
            mem-path=/x,backend=anonymous;   Parameter 'mem-path' expects backend=file, or none
            offset=4096;                     Parameter 'offset' expects backend=file, or none
            mem-path=/x,offset=1;            Parameter 'offset' expects a multiple of the page size 4096, say 2M
            mem-path=/x,offset=x;            Parameter 'offset' expects a multiple of the page size 4096, say 2M
            mem-path=/x,offset=0x7ffffffffffff000; Parameter 'offset' plus the size of RAM is 2^63 bytes or more
            backend=anonymous,share=on;      Parameter 'share' expects 'off' with backend=anonymous
            """)
    void refusesAWrongRamOption(String ram, String text) {
        assertThatThrownBy(() -> RamConfig.parse("64M", ram))
                .isInstanceOf(UsageException.class)
                .hasMessageStartingWith("--ram " + ram + ": " + text);
    }
}
