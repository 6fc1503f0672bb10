package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.Errno;
import dev.holdover.linux.EventFd;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.Patience;
import dev.holdover.linux.VmmException;
import dev.holdover.liveupdate.LuodAgent;
import dev.holdover.liveupdate.Session;
import dev.holdover.liveupdate.SessionException;
import dev.holdover.liveupdate.Tokens;
import dev.holdover.passthrough.VfioConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.assertj.core.api.ThrowingConsumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The order in which devices go into a session and out of it, and what is made of its refusals. luod holds the session, and
 * memfds stand for the iommufd and the devices; an eventfd for what no session keeps.
 */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HeldDevicesTest {
    private static final String ID = "vm0";
    private static final int PATIENCE_SECONDS = Patience.host().seconds(20);
    private static final int ATTEMPTS = 20;
    private static final List<VfioConfig> KEPT =
            List.of(new VfioConfig("0000:01:00.0", false), new VfioConfig("0000:02:00.0", false));
    private static final List<VfioConfig> RESET =
            List.of(new VfioConfig("0000:01:00.0", true), new VfioConfig("0000:02:00.0", true));
    private static final List<VfioConfig> ONE_RESET = List.of(RESET.getFirst(), KEPT.getLast());

    @TempDir
    Path dir;

    private HoldingLuod luod;
    private final Fd iommufd = Memfd.create("iommufd", 4096);
    private final Fd first = Memfd.create("first", 4096);
    private final Fd second = Memfd.create("second", 4096);
    private final EventFd notKept = new EventFd();

    @BeforeEach
    void startLuod() {
        luod = new HoldingLuod(dir, PATIENCE_SECONDS);
    }

    @AfterEach
    void endLuod() {
        luod.close();
        iommufd.close();
        first.close();
        second.close();
        notKept.close();
    }

    /** Does something with the session while it is outgoing. */
    private static final class Putting extends IdleListener {
        private final Consumer<Session> what;
        private volatile Throwable failure;

        Putting(Consumer<Session> what) {
            this.what = what;
        }

        @Override
        public void prepare(Session session) {
            try {
                what.accept(session);
            } catch (RuntimeException | AssertionError e) {
                failure = e;
            }
        }
    }

    /** Lets a session be filled, turns the generation, and looks into it. */
    private void update(Consumer<Session> put, ThrowingConsumer<Session> look) throws InterruptedException {
        Putting putting = new Putting(put);
        try (LuodAgent agent = new LuodAgent(luod.socket())) {
            agent.subscribe(ID, putting);
            luod.awaitSubscribers(1);
            luod.update();
            // One that ended before would leave its session open, as a VMM that is ready does.
            assertThat(putting.turned.await(PATIENCE_SECONDS, TimeUnit.SECONDS)).isTrue();
        }
        if (putting.failure != null) {
            throw new AssertionError("while the session was filled", putting.failure);
        }
        try (LuodAgent agent = new LuodAgent(luod.socket())) {
            Session session = agent.claim(ID);
            look.accept(session);
            agent.finish(ID, session);
        }
    }

    private static void requireLacks(Session session, long token) {
        assertThatThrownBy(() -> session.retrieve(token).close())
                .isInstanceOfSatisfying(
                        SessionException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOENT));
    }

    private static long inode(Fd fd) {
        return fd.stat().inode();
    }

    @Test
    void allComeBackInTheirOrder() throws Exception {
        update(
                session -> assertThat(HeldDevices.preserve(session, KEPT, iommufd, List.of(first, second)))
                        .isTrue(),
                session -> {
                    try (HeldDevices held = HeldDevices.retrieve(session, KEPT)) {
                        assertThat(inode(held.iommufd())).isEqualTo(inode(iommufd));
                        List<Long> devices = new ArrayList<>();
                        for (Fd device : held.devices()) {
                            devices.add(inode(device));
                        }
                        assertThat(devices).containsExactly(inode(first), inode(second));
                    }
                });
    }

    @Test
    void aKernelThatKeepsNoIommufdIsRefusedByTheDeviceThatIsNotToBeReset() throws Exception {
        update(
                session -> {
                    for (Map.Entry<String, List<VfioConfig>> refused : Map.of(
                                    "0000:01:00.0", KEPT, "0000:02:00.0", ONE_RESET)
                            .entrySet()) {
                        assertThatThrownBy(() -> HeldDevices.preserve(
                                        session, refused.getValue(), notKept.fd(), List.of(first, second)))
                                .isInstanceOf(VmmException.class)
                                .hasMessageContaining("the guest has " + refused.getKey() + " of the host")
                                .hasMessageContaining("ENOENT")
                                .hasMessageContaining("on-kexec=reset");
                    }
                },
                session -> requireLacks(session, Tokens.vfio(0)));
    }

    @Test
    void aKernelThatKeepsNoIommufdIsGivenNothingIfAllAreToBeReset() throws Exception {
        update(
                session -> assertThat(HeldDevices.preserve(session, RESET, notKept.fd(), List.of(first, second)))
                        .isFalse(),
                session -> {
                    requireLacks(session, Tokens.vfio(0));
                    assertThat(HeldDevices.retrieve(session, RESET)).isNull();
                    assertThatThrownBy(() -> HeldDevices.retrieve(session, ONE_RESET))
                            .isInstanceOf(SessionException.class)
                            .hasMessageContaining("ENOENT");
                });
    }

    /** Its iommufd is in the session, and would be waited for at its end. */
    @Test
    void aKernelThatKeepsTheIommufdButNotADeviceIsRefusedWhateverTheUserWants() throws Exception {
        update(
                session -> assertThatThrownBy(
                                () -> HeldDevices.preserve(session, RESET, iommufd, List.of(first, notKept.fd())))
                        .isInstanceOf(VmmException.class)
                        .hasMessageContaining("0000:02:00.0")
                        .hasMessageContaining("keeps an iommufd")
                        .hasMessageContaining("end the guest first"),
                session -> {});
    }

    @Test
    void anotherFailureIsNoLackOfTheKernels() throws Exception {
        update(
                session -> {
                    session.preserve(iommufd, Tokens.ram(0));
                    assertThatThrownBy(() -> HeldDevices.preserve(session, RESET, iommufd, List.of(first, second)))
                            .isInstanceOfSatisfying(
                                    SessionException.class,
                                    e -> assertThat(e.errno()).isEqualTo(Errno.EBUSY));
                },
                session -> requireLacks(session, Tokens.vfio(0)));
    }

    @Test
    void aDeviceThatIsMissingFailsAndLeaksNothing() throws Exception {
        update(
                session -> {
                    session.preserve(iommufd, Tokens.iommufd(0));
                    session.preserve(first, Tokens.vfio(0));
                },
                session -> {
                    int before = Footprint.now().descriptors();
                    for (int i = 0; i < ATTEMPTS; i++) {
                        assertThatThrownBy(() -> HeldDevices.retrieve(session, RESET))
                                .isInstanceOf(SessionException.class)
                                .hasMessageContaining("ENOENT");
                    }
                    // Some are luod's, which runs in this process and may have one under way.
                    assertThat(Footprint.now().descriptors()).as("descriptors").isLessThan(before + ATTEMPTS);
                });
    }
}
