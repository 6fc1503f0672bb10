package dev.holdover.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class ErrnoTest {
    @Test
    void aFailedCallNamesItselfItsObjectAndTheErrno() {
        assertThatThrownBy(() -> Fd.open("/nonexistent/file", Fd.O_RDONLY))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOENT))
                .hasMessage("open /nonexistent/file: ENOENT (No such file or directory)");
    }

    @Test
    void aNumberLinuxDoesNotNameIsEio() {
        assertThat(Errno.of(41)).isEqualTo(Errno.EIO);
        assertThat(Errno.of(524)).isEqualTo(Errno.EIO);
        assertThat(Errno.of(0)).isEqualTo(Errno.EIO);
        assertThat(Errno.of(Long.MIN_VALUE)).isEqualTo(Errno.EIO);
    }

    @Test
    void everyThreadHasItsOwnErrno() throws Exception {
        // EBADF here and ENOENT there, many times at once: a shared errno would mix them.
        long[] wrong = new long[2];
        Thread other = Thread.ofPlatform().start(() -> {
            for (int i = 0; i < 20_000; i++) {
                wrong[0] += Errno.EBADF.is(Syscall.call(Syscall.CLOSE, -1)) ? 0 : 1;
            }
        });
        for (int i = 0; i < 20_000; i++) {
            wrong[1] += Errno.EINVAL.is(Syscall.call(Syscall.MUNMAP, 1, 4096)) ? 0 : 1;
        }
        other.join();
        assertThat(wrong).containsExactly(0, 0);
    }
}
