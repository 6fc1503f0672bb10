package dev.holdover.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.VmmException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

class IdentityPageTest {
    private static final int RIVALS = 8;
    private static final int ROUNDS = 500;

    @Test
    void keepsWhatWasWritten() {
        RamIdentity first = RamIdentity.fresh();
        RamIdentity second = first.next(RamIdentity.Cause.WENT_ON);
        try (IdentityPage page = IdentityPage.create();
                IdentityPage elsewhere = IdentityPage.adopt(page.fd().dup())) {
            assertThat(page.read()).isNull();
            assertThat(page.replace(first, second)).isFalse();
            page.write(first);
            assertThat(elsewhere.read()).isEqualTo(first);
            assertThat(elsewhere.replace(first, second)).isTrue();
            assertThat(page.read()).isEqualTo(second);
            assertThat(page.replace(first, second)).isFalse();
            assertThat(page.replace(RamIdentity.fresh(), second)).isFalse();
            assertThat(page.read()).isEqualTo(second);
        }
    }

    /** Each has a mapping of its own, as processes do. */
    @Test
    void ofManyThatReplaceAGenerationOneDoes() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(RIVALS);
        List<IdentityPage> pages = new ArrayList<>();
        try (IdentityPage page = IdentityPage.create()) {
            RamIdentity now = RamIdentity.fresh();
            page.write(now);
            for (int i = 0; i < RIVALS; i++) {
                pages.add(IdentityPage.adopt(page.fd().dup()));
            }
            for (int round = 0; round < ROUNDS; round++) {
                RamIdentity from = now;
                RamIdentity to = from.next(RamIdentity.Cause.RESTORED);
                List<Callable<Boolean>> rivals = new ArrayList<>();
                for (IdentityPage rival : pages) {
                    rivals.add(() -> rival.replace(from, to));
                }
                int winners = 0;
                for (Future<Boolean> rival : threads.invokeAll(rivals)) {
                    winners += rival.get() ? 1 : 0;
                }
                assertThat(winners).isOne();
                assertThat(page.read()).isEqualTo(to);
                now = to;
            }
        } finally {
            for (IdentityPage page : pages) {
                page.close();
            }
            threads.shutdownNow();
        }
    }

    @Test
    void aFileOfAnotherSizeIsRefused() {
        Fd fd = Memfd.create("small", 100);
        assertThatThrownBy(() -> IdentityPage.adopt(fd))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("4096 bytes");
        assertThat(fd.isClosed()).isTrue();
    }
}
