package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Patience;
import dev.holdover.linux.VmmException;
import dev.holdover.testing.NeedsKvm;
import dev.holdover.virtio.VirtioDevice;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A disk that does not answer costs a stop or a save, never the guest. */
@NeedsKvm
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HangingDeviceTest {
    @TempDir
    Path directory;

    private final CountDownLatch released = new CountDownLatch(1);
    private Machine machine;

    @BeforeEach
    void hangTheDisk() throws Exception {
        Path disk = Files.write(directory.resolve("disk"), new byte[4096]);
        machine = Guest.named("count.bin", directory).disk(disk, false).machine();
        machine.resume();
        Guest.awaitCount(machine);
        CountDownLatch reached = new CountDownLatch(1);
        diskLoop().run(() -> {
            // As its thread is in a request that the storage does not answer.
            reached.countDown();
            try {
                assertThat(released.await(Patience.host().seconds(60), TimeUnit.SECONDS))
                        .isTrue();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        });
        assertThat(reached.await(Patience.host().seconds(10), TimeUnit.SECONDS)).isTrue();
    }

    @AfterEach
    void close() {
        released.countDown();
        machine.close();
    }

    /** The thread that a request keeps busy; no disk of this host hangs at will. */
    private EventLoop diskLoop() throws ReflectiveOperationException {
        Field devices = Machine.class.getDeclaredField("devices");
        devices.setAccessible(true);
        Field slots = Devices.class.getDeclaredField("slots");
        slots.setAccessible(true);
        Object slot = ((List<?>) slots.get(devices.get(machine))).getFirst();
        Method device = slot.getClass().getDeclaredMethod("device");
        device.setAccessible(true);
        Method loop = VirtioDevice.class.getDeclaredMethod("loop");
        loop.setAccessible(true);
        return (EventLoop) loop.invoke(device.invoke(slot));
    }

    @Test
    void theGuestRunsOnAndCanBeStoppedLater() throws Exception {
        String sentence = "disk disk has not answered the request under way after "
                + Patience.text(Patience.host().millis(5000)) + ", so the guest cannot be stopped and runs on";
        assertThatThrownBy(machine::pause).isInstanceOf(VmmException.class).hasMessageContaining(sentence);
        assertThat(machine.state()).isEqualTo(RunState.RUNNING);
        Guest.awaitCount(machine);

        Path state = directory.resolve("state");
        SaveOptions copy = new SaveOptions(false, false);
        assertThatThrownBy(() -> machine.save(state.toString(), copy))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining(sentence);
        assertThat(machine.state()).isEqualTo(RunState.RUNNING);
        assertThat(directory).isDirectoryNotContaining("glob:**state*");
        Guest.awaitCount(machine);

        released.countDown();
        machine.save(state.toString(), copy);
        assertThat(machine.state()).isEqualTo(RunState.SAVED);
        assertThat(state).isNotEmptyFile();
    }
}
