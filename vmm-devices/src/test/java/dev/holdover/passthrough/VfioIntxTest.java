package dev.holdover.passthrough;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import dev.holdover.kvm.Kvm;
import dev.holdover.kvm.KvmVm;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.Memfd;
import dev.holdover.testing.NeedsKvm;
import dev.holdover.vfio.VfioDevice;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A device that knows no interrupts: a memfd, which answers each ioctl with ENOTTY. The vCPU that asked goes on. */
@NeedsKvm
class VfioIntxTest {
    private static final int GSI = 16;

    private final VfioDevice device = VfioDevice.adopt(Memfd.create("device", 4096), "0000:01:00.0");
    private final VfioIntx intx = new VfioIntx(device, GSI);
    private Kvm kvm;
    private KvmVm vm;

    @BeforeEach
    void open() {
        kvm = Kvm.open();
        vm = kvm.createVm();
        vm.createIrqchip();
    }

    @AfterEach
    void close() {
        intx.close();
        vm.close();
        kvm.close();
        device.close();
    }

    @Test
    void aDeviceThatCannotInterruptStopsNobody() {
        assertThatCode(() -> {
                    intx.connect(vm);
                    intx.set(false);
                    intx.set(true);
                    intx.listenAgain();
                    intx.silence();
                })
                .doesNotThrowAnyException();
        assertThat(intx.isAttached()).isFalse();
    }

    @Test
    void oneThatNoLongerCanNeither() {
        intx.inherit(new EventFd(), new EventFd());
        assertThat(intx.isAttached()).isTrue();
        assertThatCode(() -> {
                    intx.connect(vm);
                    intx.listenAgain();
                    intx.release();
                    intx.listenAgain();
                    intx.set(false);
                })
                .doesNotThrowAnyException();
        assertThat(intx.isAttached()).isFalse();
    }
}
