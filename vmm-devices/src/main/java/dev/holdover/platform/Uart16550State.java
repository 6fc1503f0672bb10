package dev.holdover.platform;

import dev.holdover.vmstate.SectionType;
import dev.holdover.vmstate.StateInput;
import dev.holdover.vmstate.StateOutput;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

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

    /** Its section in a state. */
    public static final SectionType SECTION = new SectionType("uart16550", 1);

    /** Bytes of it. */
    public static final int SIZE = 64;

    public void write(StateOutput out) {
        out.i32(divisor);
        out.u8(ier);
        out.u8(fcr);
        out.u8(lcr);
        out.u8(mcr);
        out.u8(lineErrors);
        out.u8(modemStatus);
        out.u8(scr);
        out.bool(transmitPending);
        out.u8(received.length);
        out.bytes(MemorySegment.ofArray(received));
        out.end();
    }

    public static Uart16550State read(StateInput in) {
        int divisor = in.i32();
        int ier = in.u8();
        int fcr = in.u8();
        int lcr = in.u8();
        int mcr = in.u8();
        int lineErrors = in.u8();
        int modemStatus = in.u8();
        int scr = in.u8();
        boolean transmitPending = in.bool();
        int count = in.u8();
        if (count > Uart16550.FIFO_SIZE) {
            throw in.refuse("it has " + count + " received bytes, the FIFO holds " + Uart16550.FIFO_SIZE);
        }
        byte[] received = in.bytes(count).toArray(ValueLayout.JAVA_BYTE);
        in.end();
        return new Uart16550State(divisor, ier, fcr, lcr, mcr, lineErrors, modemStatus, scr, transmitPending, received);
    }
}
