package dev.holdover.platform;

/**
 * A 16550A serial port: eight ports, one interrupt. Registers and behaviour: National Semiconductor PC16550D data sheet.
 *
 * <p>What is simplified: a byte leaves at once, whatever the baud rate; the character time-out comes at once when fewer
 * bytes than the trigger level have been received; parity, framing and breaks do not exist. The modem lines CTS, DSR and
 * DCD are always up. As on a PC, OUT2 connects the interrupt to its line, and loopback mode cuts it.
 *
 * <p>Sending: the transmitter counts as empty as long as the output is {@link SerialOutput#ready}; while it is not, LSR
 * says so and the transmit interrupt waits, as with a slow line. No byte is lost for a guest that respects that.
 * Receiving: bytes come only as far as the FIFO takes them, so that nothing overruns; see {@link #receive}.
 *
 * <p>vCPU threads and the thread that offers input may call at the same time.
 */
public final class Uart16550 extends IsaDevice {
    /** Ports it takes on the bus. */
    public static final int PORTS = 8;

    static final int FIFO_SIZE = 16;

    // Registers by offset. With LCR's DLAB set, 0 and 1 are the divisor instead.
    private static final int RBR_THR = 0;
    private static final int IER = 1;
    private static final int IIR_FCR = 2;
    private static final int LCR = 3;
    private static final int MCR = 4;
    private static final int LSR = 5;
    private static final int MSR = 6;
    private static final int SCR = 7;

    private static final int IER_RECEIVED = 0x01;
    private static final int IER_TRANSMIT = 0x02;
    private static final int IER_LINE = 0x04;
    private static final int IER_MODEM = 0x08;

    private static final int IIR_MODEM = 0x00;
    private static final int IIR_NONE = 0x01;
    private static final int IIR_TRANSMIT = 0x02;
    private static final int IIR_RECEIVED = 0x04;
    private static final int IIR_LINE = 0x06;
    private static final int IIR_TIMEOUT = 0x0c;
    private static final int IIR_FIFOS = 0xc0;

    private static final int FCR_ENABLE = 0x01;
    private static final int FCR_CLEAR_RECEIVED = 0x02;
    private static final int FCR_STORED = 0xc9; // trigger level, DMA mode, enable

    private static final int LCR_DLAB = 0x80;

    private static final int MCR_DTR = 0x01;
    private static final int MCR_RTS = 0x02;
    private static final int MCR_OUT1 = 0x04;
    private static final int MCR_OUT2 = 0x08;
    private static final int MCR_LOOP = 0x10;
    private static final int MCR_BITS = 0x1f;

    private static final int LSR_DATA = 0x01;
    private static final int LSR_OVERRUN = 0x02;
    private static final int LSR_ERRORS = 0x1e;
    private static final int LSR_TRANSMITTER_EMPTY = 0x60; // THRE and TEMT

    private static final int MSR_CTS = 0x10;
    private static final int MSR_DSR = 0x20;
    private static final int MSR_RI = 0x40;
    private static final int MSR_DCD = 0x80;
    private static final int MSR_LINES = 0xf0;
    private static final int MSR_DELTAS = 0x0f;
    private static final int MSR_RI_ENDED = 0x04;

    /** 9600 baud, as firmware leaves it. */
    private static final int DEFAULT_DIVISOR = 12;

    private final InterruptLine line;
    private final SerialOutput output;
    private Runnable onReceiveRoom;

    private int divisor = DEFAULT_DIVISOR;
    private int ier;
    private int fcr;
    private int lcr;
    private int mcr = MCR_OUT2; // as firmware leaves it
    private int lineErrors;
    private int modemStatus = MSR_CTS | MSR_DSR | MSR_DCD;
    private int scr;
    private boolean transmitPending;

    private final byte[] fifo = new byte[FIFO_SIZE];
    private int head;
    private int count;

    /** The transmitter is not empty until the output is ready again. */
    private boolean transmitterWaits;
    /** Whoever offers input was told that there is no room. */
    private boolean senderWaits;

    private boolean level;

    public Uart16550(InterruptLine line, SerialOutput output) {
        super(PORTS);
        this.line = line;
        this.output = output;
    }

    @Override
    int in(int offset) {
        int value;
        boolean wake;
        synchronized (this) {
            value = readRegister(offset);
            updateLine();
            wake = senderToWake();
        }
        if (wake) {
            onReceiveRoom.run();
        }
        return value;
    }

    @Override
    void out(int offset, int value) {
        boolean send;
        boolean wake;
        synchronized (this) {
            send = writeRegister(offset, value);
            updateLine();
            wake = senderToWake();
        }
        if (send) {
            transmit((byte) value);
        }
        if (wake) {
            onReceiveRoom.run();
        }
    }

    /** Not under the lock, which threads take that the output may have to wait for. */
    private void transmit(byte b) {
        output.write(b);
        synchronized (this) {
            transmitPending = output.ready();
            transmitterWaits = !transmitPending;
            updateLine();
        }
    }

    /** To be called by the output when it is ready again. Any thread. */
    public synchronized void transmitReady() {
        if (transmitterWaits) {
            transmitterWaits = false;
            transmitPending = true;
            updateLine();
        }
    }

    private int readRegister(int offset) {
        if (divisorAccess(offset)) {
            return offset == RBR_THR ? divisor : divisor >> 8;
        }
        return switch (offset) {
            case RBR_THR -> takeReceived();
            case IER -> ier;
            case IIR_FCR -> readInterruptCause();
            case LCR -> lcr;
            case MCR -> mcr;
            case LSR -> readLineStatus();
            case MSR -> readModemStatus();
            case SCR -> scr;
            default -> 0xff;
        };
    }

    /** Reading it acknowledges the transmit interrupt, if it is that which is told. */
    private int readInterruptCause() {
        int cause = cause();
        if (cause == IIR_TRANSMIT) {
            transmitPending = false;
        }
        return cause | (fifosEnabled() ? IIR_FIFOS : 0);
    }

    private int readLineStatus() {
        int status = lineErrors | (count > 0 ? LSR_DATA : 0) | (transmitterEmpty() ? LSR_TRANSMITTER_EMPTY : 0);
        lineErrors = 0;
        return status;
    }

    private int readModemStatus() {
        int status = modemStatus;
        modemStatus &= MSR_LINES;
        return status;
    }

    /** Returns whether {@code value} is to be sent. */
    private boolean writeRegister(int offset, int value) {
        if (divisorAccess(offset)) {
            divisor = offset == RBR_THR ? (divisor & 0xff00) | value : (divisor & 0xff) | (value << 8);
            return false;
        }
        switch (offset) {
            case RBR_THR -> {
                if (!loopback()) {
                    return true;
                }
                loopBack((byte) value);
            }
            case IER -> writeInterruptEnable(value);
            case IIR_FCR -> writeFifoControl(value);
            case LCR -> lcr = value;
            case MCR -> {
                mcr = value & MCR_BITS;
                updateModemStatus();
            }
            case SCR -> scr = value;
            default -> {} // LSR and MSR are read-only
        }
        return false;
    }

    private void writeInterruptEnable(int value) {
        boolean transmitEnabled = (value & ~ier & IER_TRANSMIT) != 0;
        ier = value & 0x0f;
        if (transmitEnabled && transmitterEmpty()) {
            transmitPending = true;
        }
    }

    private boolean divisorAccess(int offset) {
        return offset <= IER && (lcr & LCR_DLAB) != 0;
    }

    private boolean fifosEnabled() {
        return (fcr & FCR_ENABLE) != 0;
    }

    private boolean loopback() {
        return (mcr & MCR_LOOP) != 0;
    }

    private boolean transmitterEmpty() {
        return loopback() || output.ready();
    }

    private void writeFifoControl(int value) {
        // Switching the FIFOs on or off empties them.
        boolean switched = ((value ^ fcr) & FCR_ENABLE) != 0;
        if (switched || (value & FCR_CLEAR_RECEIVED) != 0) {
            head = 0;
            count = 0;
        }
        // The other bits count only in a write that has the enabling bit set.
        fcr = (value & FCR_ENABLE) != 0 ? value & FCR_STORED : 0;
    }

    private void loopBack(byte b) {
        if (count < capacity()) {
            put(b);
        } else {
            lineErrors |= LSR_OVERRUN;
            if (!fifosEnabled()) {
                fifo[head] = b; // overwritten; in FIFO mode it is the new byte that is lost
            }
        }
        transmitPending = true;
    }

    private void updateModemStatus() {
        int lines;
        if (loopback()) {
            lines = ((mcr & MCR_RTS) != 0 ? MSR_CTS : 0)
                    | ((mcr & MCR_DTR) != 0 ? MSR_DSR : 0)
                    | ((mcr & MCR_OUT1) != 0 ? MSR_RI : 0)
                    | ((mcr & MCR_OUT2) != 0 ? MSR_DCD : 0);
        } else {
            lines = MSR_CTS | MSR_DSR | MSR_DCD;
        }
        int changed = (lines ^ modemStatus) & MSR_LINES;
        int deltas = changed >> 4;
        if ((lines & MSR_RI) != 0) {
            deltas &= ~MSR_RI_ENDED; // this one tells only the end of a ring
        }
        modemStatus = lines | (modemStatus & MSR_DELTAS) | deltas;
    }

    private int capacity() {
        return fifosEnabled() ? FIFO_SIZE : 1;
    }

    private int triggerLevel() {
        return switch (fcr >> 6) {
            case 0 -> 1;
            case 1 -> 4;
            case 2 -> 8;
            default -> 14;
        };
    }

    private void put(byte b) {
        fifo[(head + count) % FIFO_SIZE] = b;
        count++;
    }

    /** The oldest byte; if there is none, the last one again, as the chip has it. */
    private int takeReceived() {
        if (count == 0) {
            return fifo[(head + FIFO_SIZE - 1) % FIFO_SIZE];
        }
        byte b = fifo[head];
        head = (head + 1) % FIFO_SIZE;
        count--;
        return b;
    }

    /** What the interrupt is for, the most urgent first: IIR's low four bits. */
    private int cause() {
        if ((ier & IER_LINE) != 0 && lineErrors != 0) {
            return IIR_LINE;
        }
        if ((ier & IER_RECEIVED) != 0 && count > 0) {
            return !fifosEnabled() || count >= triggerLevel() ? IIR_RECEIVED : IIR_TIMEOUT;
        }
        if ((ier & IER_TRANSMIT) != 0 && transmitPending) {
            return IIR_TRANSMIT;
        }
        if ((ier & IER_MODEM) != 0 && (modemStatus & MSR_DELTAS) != 0) {
            return IIR_MODEM;
        }
        return IIR_NONE;
    }

    private void updateLine() {
        boolean wanted = cause() != IIR_NONE && (mcr & MCR_OUT2) != 0 && !loopback();
        if (wanted != level) {
            level = wanted;
            line.set(wanted);
        }
    }

    /** Sets what is called, on a vCPU thread, when input that found no room can come. Before the guest runs. */
    public synchronized void onReceiveRoom(Runnable callback) {
        onReceiveRoom = callback;
    }

    private boolean senderToWake() {
        if (senderWaits && count == 0 && !loopback() && onReceiveRoom != null) {
            senderWaits = false;
            return true;
        }
        return false;
    }

    /**
     * How many bytes {@link #receive} takes now, 0 to 16. After a 0 the callback of {@link #onReceiveRoom} comes once
     * the guest has emptied the FIFO.
     */
    public synchronized int receiveRoom() {
        int room = loopback() ? 0 : Math.max(0, capacity() - count);
        if (room == 0) {
            senderWaits = true;
        }
        return room;
    }

    /**
     * Bytes come in on the line. Any thread; does not block.
     *
     * @return how many were taken; if not all, the callback of {@link #onReceiveRoom} comes when the guest has emptied
     *     the FIFO
     */
    public synchronized int receive(byte[] bytes, int from, int length) {
        int taken = 0;
        while (taken < length && !loopback() && count < capacity()) {
            put(bytes[from + taken]);
            taken++;
        }
        if (taken < length) {
            senderWaits = true;
        }
        updateLine();
        return taken;
    }

    /** Its state, consistent if the vCPUs are stopped. Bytes already sent belong to the output. */
    public synchronized Uart16550State state() {
        byte[] received = new byte[count];
        for (int i = 0; i < count; i++) {
            received[i] = fifo[(head + i) % FIFO_SIZE];
        }
        // Where it is restored the output has room again, so what waits for that is due.
        boolean pending = transmitPending || transmitterWaits;
        return new Uart16550State(divisor, ier, fcr, lcr, mcr, lineErrors, modemStatus, scr, pending, received);
    }

    /**
     * Takes a state over, and drives the interrupt line to what follows from it. No vCPU runs; input may be coming, and
     * what has come and is not in the state is lost.
     */
    public void restore(Uart16550State state) {
        boolean wake;
        synchronized (this) {
            load(state);
            updateLine();
            wake = senderToWake();
        }
        if (wake) {
            onReceiveRoom.run();
        }
    }

    private void load(Uart16550State state) {
        divisor = state.divisor() & 0xffff;
        ier = state.ier() & 0x0f;
        fcr = state.fcr() & FCR_STORED;
        lcr = state.lcr() & 0xff;
        mcr = state.mcr() & MCR_BITS;
        lineErrors = state.lineErrors() & LSR_ERRORS;
        modemStatus = state.modemStatus() & 0xff;
        scr = state.scr() & 0xff;
        transmitPending = state.transmitPending();
        transmitterWaits = false;
        byte[] received = state.received();
        head = 0;
        count = received.length;
        System.arraycopy(received, 0, fifo, 0, count);
    }
}
