package dev.holdover.handover;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import org.junit.jupiter.api.Test;

/** Who may be at the other end of a hand-over. */
class TrustedPeerTest {
    private static void require(int uid, int own) {
        HandOverConnection.requireTrusted("/run/standby", new UnixSocket.Peer(7, uid, uid), own);
    }

    @Test
    void isThisUserOrRoot() {
        assertThatCode(() -> require(1000, 1000)).doesNotThrowAnyException();
        assertThatCode(() -> require(0, 1000)).doesNotThrowAnyException();
    }

    /** Root's guest is not given to a user either, who may have made a socket where one was looked for. */
    @Test
    void isNoOtherUser() {
        String why = "/run/standby is a process of uid 1001 (pid 7), EPERM (Operation not permitted)";
        assertThatThrownBy(() -> require(1001, 1000))
                .isInstanceOf(VmmException.class)
                .hasMessageStartingWith(why);
        assertThatThrownBy(() -> require(1001, 0))
                .isInstanceOf(VmmException.class)
                .hasMessageStartingWith(why);
    }
}
