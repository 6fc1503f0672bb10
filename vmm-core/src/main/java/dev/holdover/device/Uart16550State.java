package dev.holdover.device;

/**
 * What a {@link Uart16550} is made of.
 *
 * @param divisor baud rate divisor (DLM, DLL), 16 bits
 * @param ier interrupt enable register, 4 bits
 * @param fcr FIFO control register as written, without its self-clearing bits
 * @param lcr line control register
 * @param mcr modem control register, 5 bits
 * @param lineErrors error bits of the line status register (0x1e) that the guest has not read yet
 * @param modemStatus modem status register: lines in bits 4-7, unread deltas in bits 0-3
 * @param scr scratch register
 * @param transmitPending whether the "transmitter empty" interrupt condition is set
 * @param received bytes the guest has not read yet, oldest first; 16 at most
 */
@SuppressWarnings("ArrayRecordComponent") // copied on the way in and out
public record Uart16550State(
        int divisor,
        int ier,
        int fcr,
        int lcr,
        int mcr,
        int lineErrors,
        int modemStatus,
        int scr,
        boolean transmitPending,
        byte[] received) {
    public Uart16550State {
        if (received.length > Uart16550.FIFO_SIZE) {
            throw new IllegalArgumentException("UART state with " + received.length + " received bytes");
        }
        received = received.clone();
    }

    @Override
    public byte[] received() {
        return received.clone();
    }
}
