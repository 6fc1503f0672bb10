package dev.holdover.platform;

import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.function.LongSupplier;

/**
 * The real-time clock and the 128 bytes of CMOS memory of a PC: an MC146818 with a century byte. Index port at 0, data
 * port at 1. Data sheet: Motorola MC146818A.
 *
 * <p>Shows the host's clock in UTC, plus what the guest has set it off by; it follows when the host's clock is stepped.
 * The update-ended and alarm interrupts come from a thread that exists only once a guest has enabled one of them; the
 * periodic interrupt does not exist (its flag in register C does), nor the square wave. Linux makes do with the alarm.
 *
 * <p>The memory says how much RAM there is, in the bytes where QEMU's has it and firmware and old kernels look.
 */
public final class CmosRtc extends IsaDevice implements AutoCloseable {
    /** Ports it takes on the bus. */
    public static final int PORTS = 2;

    static final int SIZE = 128;

    private static final int SECONDS = 0x00;
    private static final int SECONDS_ALARM = 0x01;
    private static final int MINUTES = 0x02;
    private static final int MINUTES_ALARM = 0x03;
    private static final int HOURS = 0x04;
    private static final int HOURS_ALARM = 0x05;
    private static final int WEEKDAY = 0x06; // 1 is Sunday
    private static final int DAY = 0x07;
    private static final int MONTH = 0x08;
    private static final int YEAR = 0x09;
    private static final int REGISTER_A = 0x0a;
    private static final int REGISTER_B = 0x0b;
    private static final int REGISTER_C = 0x0c;
    private static final int REGISTER_D = 0x0d;
    private static final int CENTURY = 0x32;

    private static final int A_UPDATE_IN_PROGRESS = 0x80;
    private static final int A_DIVIDER_RESET = 0x60; // both bits
    private static final int A_RATE = 0x0f;
    private static final int A_DEFAULT = 0x26; // 32768 Hz, 1024 Hz periodic

    private static final int B_SET = 0x80;
    private static final int B_PERIODIC = 0x40;
    private static final int B_ALARM = 0x20;
    private static final int B_UPDATE_ENDED = 0x10;
    private static final int B_SQUARE_WAVE = 0x08;
    private static final int B_BINARY = 0x04;
    private static final int B_24_HOURS = 0x02;

    private static final int C_INTERRUPT = 0x80;
    private static final int C_PERIODIC = 0x40;
    private static final int C_ALARM = 0x20;
    private static final int C_UPDATE_ENDED = 0x10;

    private static final int D_BATTERY_GOOD = 0x80;

    private static final int AFTERNOON = 0x80; // in hours, if these are 12
    private static final int ANY = 0xc0; // in an alarm register: matches always

    private static final int MILLIS = 1000;
    private static final int DAY_SECONDS = 86_400;
    /** The chip's update takes 2.2 ms before the new second shows. */
    private static final int UPDATE_MILLIS = 2;

    private static final int EQUIPMENT = 0x14;
    private static final int BASE_MEMORY = 0x15; // KiB, 16 bits
    private static final int EXTENDED_MEMORY = 0x17; // KiB above 1 MiB, 16 bits
    private static final int EXTENDED_MEMORY_2 = 0x30; // the same
    private static final int MEMORY_ABOVE_16_MIB = 0x34; // 64 KiB units, 16 bits
    private static final int MEMORY_ABOVE_4_GIB = 0x5b; // 64 KiB units, 24 bits

    private final InterruptLine line;
    private final LongSupplier hostMillis;

    private final byte[] memory = new byte[SIZE];
    private int index;
    private long offsetMillis;
    private long seenMillis;

    private boolean level;
    private Thread alarmClock;
    private boolean closed;

    /**
     * @param ram bytes of the guest's RAM
     * @param line the clock's interrupt
     */
    public CmosRtc(long ram, InterruptLine line) {
        this(ram, line, new LongSupplier() {
            @Override
            public long getAsLong() {
                return System.currentTimeMillis();
            }
        });
    }

    /** {@code hostMillis} gives the milliseconds since 1970, UTC. */
    CmosRtc(long ram, InterruptLine line, LongSupplier hostMillis) {
        super(PORTS);
        this.line = line;
        this.hostMillis = hostMillis;
        memory[REGISTER_A] = A_DEFAULT;
        memory[REGISTER_B] = B_24_HOURS;
        memory[EQUIPMENT] = 0x02; // a floating-point unit, no more
        describe(ram);
        seenMillis = now();
    }

    private void describe(long ram) {
        long low = Math.min(ram, MemoryMap.LOW_RAM_END);
        long extended = Math.min(0xffff, Math.max(0, low - MemoryMap.MIB) >> 10);
        store(BASE_MEMORY, 2, Math.min(640, low >> 10));
        store(EXTENDED_MEMORY, 2, extended);
        store(EXTENDED_MEMORY_2, 2, extended);
        store(MEMORY_ABOVE_16_MIB, 2, Math.min(0xffff, Math.max(0, low - 16 * MemoryMap.MIB) >> 16));
        store(MEMORY_ABOVE_4_GIB, 3, Math.min(0xffffff, (ram - low) >> 16));
    }

    private void store(int at, int bytes, long value) {
        for (int i = 0; i < bytes; i++) {
            memory[at + i] = (byte) (value >>> (8 * i));
        }
    }

    private int get(int register) {
        return memory[register] & 0xff;
    }

    /** The guest's time in milliseconds since 1970, were the clock running. */
    private long now() {
        return hostMillis.getAsLong() + offsetMillis;
    }

    private boolean running() {
        return (get(REGISTER_B) & B_SET) == 0 && (get(REGISTER_A) & A_DIVIDER_RESET) != A_DIVIDER_RESET;
    }

    @Override
    synchronized int in(int offset) {
        return offset == 0 ? 0xff : readRegister();
    }

    @Override
    synchronized void out(int offset, int value) {
        if (offset == 0) {
            index = value & (SIZE - 1); // the top bit masks the NMI
        } else {
            writeRegister(value);
        }
    }

    private int readRegister() {
        switch (index) {
            case SECONDS, MINUTES, HOURS, WEEKDAY, DAY, MONTH, YEAR, CENTURY -> {
                if (running()) {
                    showTime(now());
                }
            }
            case REGISTER_A -> {
                boolean updating = running() && Math.floorMod(now(), MILLIS) >= MILLIS - UPDATE_MILLIS;
                return get(REGISTER_A) | (updating ? A_UPDATE_IN_PROGRESS : 0);
            }
            case REGISTER_C -> {
                noteTime();
                int flags = get(REGISTER_C) | (level ? C_INTERRUPT : 0);
                memory[REGISTER_C] = 0;
                updateLine();
                return flags;
            }
            case REGISTER_D -> {
                return D_BATTERY_GOOD;
            }
            default -> {} // plain memory
        }
        return get(index);
    }

    private void writeRegister(int value) {
        switch (index) {
            case SECONDS, MINUTES, HOURS, WEEKDAY, DAY, MONTH, YEAR, CENTURY -> {
                if (running()) {
                    long now = now();
                    showTime(now);
                    memory[index] = (byte) value;
                    setTime(Math.floorMod(now, MILLIS));
                } else {
                    memory[index] = (byte) value;
                }
            }
            case REGISTER_A -> {
                boolean held = (get(REGISTER_A) & A_DIVIDER_RESET) == A_DIVIDER_RESET;
                // Let go, the divider chain takes half a second to its first carry.
                control(REGISTER_A, value & ~A_UPDATE_IN_PROGRESS, held ? MILLIS / 2 : Math.floorMod(now(), MILLIS));
            }
            case REGISTER_B -> {
                int bits = (value & B_SET) != 0 ? value & ~B_UPDATE_ENDED : value;
                control(REGISTER_B, bits, Math.floorMod(now(), MILLIS));
            }
            case REGISTER_C, REGISTER_D -> {} // read-only
            default -> {
                noteTime();
                memory[index] = (byte) value;
            }
        }
    }

    /** Writes register A or B; if that starts the clock, it goes on at {@code fraction} milliseconds of its second. */
    private void control(int register, int value, long fraction) {
        noteTime();
        boolean ran = running();
        if (ran) {
            showTime(now());
        }
        memory[register] = (byte) value;
        if (!ran && running()) {
            setTime(fraction);
        }
        updateLine();
        wakeAlarmClock();
    }

    private int encode(int value) {
        return (get(REGISTER_B) & B_BINARY) != 0 ? value : 16 * (value / 10) + value % 10;
    }

    private int decode(int value) {
        return (get(REGISTER_B) & B_BINARY) != 0 ? value : 10 * (value >> 4) + (value & 0x0f);
    }

    private int encodeHour(int hour) {
        if ((get(REGISTER_B) & B_24_HOURS) != 0) {
            return encode(hour);
        }
        return encode(hour % 12 == 0 ? 12 : hour % 12) | (hour >= 12 ? AFTERNOON : 0);
    }

    private int decodeHour(int value) {
        if ((get(REGISTER_B) & B_24_HOURS) != 0) {
            return decode(value);
        }
        return decode(value & ~AFTERNOON) % 12 + ((value & AFTERNOON) != 0 ? 12 : 0);
    }

    /** Puts a time into the registers. */
    private void showTime(long millis) {
        LocalDateTime time = LocalDateTime.ofEpochSecond(Math.floorDiv(millis, MILLIS), 0, ZoneOffset.UTC);
        memory[SECONDS] = (byte) encode(time.getSecond());
        memory[MINUTES] = (byte) encode(time.getMinute());
        memory[HOURS] = (byte) encodeHour(time.getHour());
        memory[WEEKDAY] = (byte) encode(time.getDayOfWeek().getValue() % 7 + 1);
        memory[DAY] = (byte) encode(time.getDayOfMonth());
        memory[MONTH] = (byte) encode(time.getMonthValue());
        memory[YEAR] = (byte) encode(time.getYear() % 100);
        memory[CENTURY] = (byte) encode(time.getYear() / 100);
    }

    /** Sets the clock to what the registers say, however odd, and {@code fraction} milliseconds. */
    private void setTime(long fraction) {
        int year = decode(get(CENTURY)) * 100 + decode(get(YEAR));
        long seconds = LocalDateTime.of(year, 1, 1, 0, 0)
                .plusMonths(decode(get(MONTH)) - 1L)
                .plusDays(decode(get(DAY)) - 1L)
                .plusHours(decodeHour(get(HOURS)))
                .plusMinutes(decode(get(MINUTES)))
                .plusSeconds(decode(get(SECONDS)))
                .toEpochSecond(ZoneOffset.UTC);
        offsetMillis = seconds * MILLIS + fraction - hostMillis.getAsLong();
        seenMillis = now();
    }

    /** Sets the flags of register C for what has happened since it was last looked at. */
    private void noteTime() {
        long now = now();
        long seen = seenMillis;
        seenMillis = now;
        if (now <= seen || !running()) {
            return;
        }
        int flags = 0;
        long second = Math.floorDiv(now, MILLIS);
        long seenSecond = Math.floorDiv(seen, MILLIS);
        if (second > seenSecond) {
            flags |= C_UPDATE_ENDED;
            if (alarmBetween(seenSecond, second)) {
                flags |= C_ALARM;
            }
        }
        int rate = get(REGISTER_A) & A_RATE;
        if (rate != 0) {
            int hertz = rate <= 2 ? 512 >> rate : 65536 >> rate;
            if (Math.floorDiv(now * hertz, MILLIS) > Math.floorDiv(seen * hertz, MILLIS)) {
                flags |= C_PERIODIC;
            }
        }
        memory[REGISTER_C] |= (byte) flags;
    }

    /** Whether a second after {@code from}, up to {@code to}, is the alarm's. */
    private boolean alarmBetween(long from, long to) {
        int hour = decodeHour(get(HOURS_ALARM));
        int minute = decode(get(MINUTES_ALARM));
        int second = decode(get(SECONDS_ALARM));
        for (long s = Math.max(from, to - DAY_SECONDS) + 1; s <= to; s++) {
            int time = (int) Math.floorMod(s, (long) DAY_SECONDS);
            if (matches(HOURS_ALARM, hour, time / 3600)
                    && matches(MINUTES_ALARM, minute, time / 60 % 60)
                    && matches(SECONDS_ALARM, second, time % 60)) {
                return true;
            }
        }
        return false;
    }

    private boolean matches(int register, int alarm, int value) {
        return alarm == value || (get(register) & ANY) == ANY;
    }

    private void updateLine() {
        boolean wanted = (get(REGISTER_B) & get(REGISTER_C) & (C_ALARM | C_UPDATE_ENDED)) != 0;
        if (wanted != level) {
            level = wanted;
            line.set(wanted);
        }
    }

    private boolean interruptsWanted() {
        return running() && (get(REGISTER_B) & (B_ALARM | B_UPDATE_ENDED)) != 0;
    }

    private void wakeAlarmClock() {
        if (!interruptsWanted() || closed) {
            return;
        }
        if (alarmClock == null) {
            alarmClock = new Thread("rtc") {
                @Override
                public void run() {
                    raiseInterrupts();
                }
            };
            alarmClock.setDaemon(true);
            alarmClock.start();
        }
        notifyAll();
    }

    /** Looks at the time at the start of each second, as long as the guest wants interrupts. */
    private synchronized void raiseInterrupts() {
        while (!closed) {
            noteTime();
            updateLine();
            try {
                wait(interruptsWanted() ? MILLIS - Math.floorMod(now(), MILLIS) : 0);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    /** Its state, at the moment of the call. */
    public synchronized CmosRtcState state() {
        noteTime();
        updateLine();
        return new CmosRtcState(index, memory, offsetMillis, seenMillis);
    }

    /**
     * Takes a state over: the clock shows the host's time with the guest's offset, and flags what went by in between.
     * Before the guest runs.
     */
    public synchronized void restore(CmosRtcState state) {
        index = state.index() & (SIZE - 1);
        System.arraycopy(state.memory(), 0, memory, 0, SIZE);
        offsetMillis = state.offsetMillis();
        seenMillis = state.seenMillis();
        noteTime();
        updateLine();
        wakeAlarmClock();
    }

    /** What the machine's reset does: interrupts off. Time and memory stay. */
    public synchronized void reset() {
        index = 0;
        memory[REGISTER_B] &= (byte) ~(B_PERIODIC | B_ALARM | B_UPDATE_ENDED | B_SQUARE_WAVE);
        memory[REGISTER_C] = 0;
        updateLine();
    }

    /** Ends its thread, if it has one. */
    @Override
    public synchronized void close() {
        closed = true;
        notifyAll();
    }
}
