package dev.holdover.platform;

import java.util.function.Consumer;
import java.util.function.LongSupplier;

/**
 * The fixed power management registers of ACPI: power-off, power button and PM timer. See ACPI specification, chapter 4.8.
 *
 * <p>Twelve ports: PM1 event block (status at 0, enable at 2), PM1 control at 4, the 24-bit PM timer at 8. Accesses of
 * one, two and four bytes, as they come. ACPI mode is always on. The timer never reports its overflow: a guest that
 * reads it often enough needs none.
 */
public final class AcpiPm implements BusDevice {
    /** Ports it takes on the bus. */
    public static final int PORTS = 12;

    /** SLP_TYP of S5, soft off, which the AML object {@code \_S5} names. */
    public static final int S5_SLEEP_TYPE = 5;

    private static final int CONTROL = 4;
    private static final int TIMER = 8;

    private static final int POWER_BUTTON = 0x0100; // PWRBTN_STS, PWRBTN_EN
    private static final int ENABLE_BITS = 0x0721; // RTC, sleep button, power button, global lock, timer
    private static final int CONTROL_SCI = 0x0001;
    private static final int CONTROL_BITS = 0x1c02; // SLP_TYP, BM_RLD
    private static final int CONTROL_SLEEP_TYPE_SHIFT = 10;
    private static final int CONTROL_SLEEP = 0x2000; // SLP_EN, reads as 0

    private static final long TIMER_HZ = 3_579_545;
    private static final long NANOS = 1_000_000_000;
    private static final long TIMER_MASK = 0xffffff;

    private final InterruptLine sci;
    private final Consumer<GuestRequest> requests;
    private final LongSupplier nanoTime;

    private int status;
    private int enable;
    private int control;
    /** The nanosecond at which the timer was 0. */
    private long timerStart;

    private boolean level;

    /**
     * @param sci the system control interrupt, level-triggered
     * @param requests is told on the vCPU's thread
     */
    public AcpiPm(InterruptLine sci, Consumer<GuestRequest> requests) {
        this(sci, requests, new LongSupplier() {
            @Override
            public long getAsLong() {
                return System.nanoTime();
            }
        });
    }

    AcpiPm(InterruptLine sci, Consumer<GuestRequest> requests, LongSupplier nanoTime) {
        this.sci = sci;
        this.requests = requests;
        this.nanoTime = nanoTime;
        this.timerStart = nanoTime.getAsLong();
    }

    @Override
    public synchronized long read(long offset, int width) {
        // One look at the timer for the whole access, or its bytes would not belong together.
        long low = status | (long) enable << 16 | (long) (control | CONTROL_SCI) << 32;
        long high = timer();
        long value = 0;
        for (int i = 0; i < width && i < Long.BYTES; i++) {
            long at = offset + i;
            long b;
            if (at < 0 || at >= PORTS) {
                b = 0xff;
            } else {
                b = (at < TIMER ? low >>> (8 * at) : high >>> (8 * (at - TIMER))) & 0xff;
            }
            value |= b << (8 * i);
        }
        return value;
    }

    private long timer() {
        long nanos = nanoTime.getAsLong() - timerStart;
        return (nanos / NANOS * TIMER_HZ + nanos % NANOS * TIMER_HZ / NANOS) & TIMER_MASK;
    }

    @Override
    public void write(long offset, int width, long value) {
        boolean off = false;
        synchronized (this) {
            for (int i = 0; i < width && i < Long.BYTES; i++) {
                long at = offset + i;
                if (at >= 0 && at < TIMER) {
                    off |= writeByte((int) at, (int) (value >>> (8 * i)) & 0xff);
                }
            }
            updateSci();
        }
        if (off) {
            requests.accept(new GuestRequest.PowerOff());
        }
    }

    /** Returns whether it turns the machine off. */
    private boolean writeByte(int at, int value) {
        int shift = 8 * (at & 1);
        int bits = value << shift;
        switch (at & ~1) {
            case 0 -> status &= ~bits; // written ones clear
            case 2 -> enable = ((enable & ~(0xff << shift)) | bits) & ENABLE_BITS;
            case CONTROL -> {
                control = ((control & ~(0xff << shift)) | bits) & CONTROL_BITS;
                return (bits & CONTROL_SLEEP) != 0 && control >> CONTROL_SLEEP_TYPE_SHIFT == S5_SLEEP_TYPE;
            }
            default -> {} // reserved
        }
        return false;
    }

    private void updateSci() {
        boolean wanted = (status & enable) != 0;
        if (wanted != level) {
            level = wanted;
            sci.set(wanted);
        }
    }

    /** The power button is pressed and let go: asks the guest to turn itself off. Any thread. */
    public synchronized void press() {
        status |= POWER_BUTTON;
        updateSci();
    }

    /** What the machine's reset does: all off. The timer runs on. */
    public synchronized void reset() {
        status = 0;
        enable = 0;
        control = 0;
        updateSci();
    }

    /** Its state, at the moment of the call. */
    public synchronized AcpiPmState state() {
        return new AcpiPmState(status, enable, control, nanoTime.getAsLong() - timerStart);
    }

    /** Takes a state over; the timer runs on from where it was. Before the guest runs. */
    public synchronized void restore(AcpiPmState state) {
        status = state.status() & POWER_BUTTON;
        enable = state.enable() & ENABLE_BITS;
        control = state.control() & CONTROL_BITS;
        timerStart = nanoTime.getAsLong() - Math.max(0, state.timerNanos());
        updateSci();
    }
}
