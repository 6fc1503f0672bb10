package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.handover.HandOverConnection;
import dev.holdover.handover.Message;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import org.junit.jupiter.api.Test;

/** What the incoming side of a hand-over does about an outgoing side that is silent, and about one that has died. */
class TakeOverLimitTest {
    private final UnixSocket[] pair = UnixSocket.pair(UnixSocket.Kind.SEQPACKET);
    private final HandOverConnection incoming = new HandOverConnection(pair[0], "the other VMM");

    @Test
    void theLimitForAnOfferIsScaled() {
        try (HandOverConnection outgoing = new HandOverConnection(pair[1], "this VMM");
                TakeOver takeOver = new TakeOver(incoming, Patience.of(0.02))) {
            assertThatThrownBy(takeOver::prepare)
                    .isInstanceOf(VmmException.class)
                    .hasMessage("no guest was offered after 200 ms");
            assertThat(outgoing.receive(Patience.host().millis(30_000))).isInstanceOf(Message.Refuse.class);
        }
    }

    /** With this patience the limit is three hours: only the end of the connection can end the wait. */
    @Test
    void theEndOfTheOtherSideIsNoticedWhateverThePatience() {
        try (TakeOver takeOver = new TakeOver(incoming, Patience.of(1000))) {
            pair[1].close();
            assertThatThrownBy(takeOver::prepare)
                    .isInstanceOf(VmmException.class)
                    .hasMessage("the other VMM has closed the connection");
        }
    }
}
