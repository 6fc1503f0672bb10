package dev.holdover.platform;

import java.util.function.Consumer;

/**
 * A keyboard controller with nothing connected: for the reset that guests ask of it, and so that those which look for it
 * get their answers at once. Two ports apart from each other: {@link #data} and {@link #command}. Raises no interrupts.
 * The A20 gate is stored and does nothing: A20 is always open.
 */
public final class I8042 {
    private static final int STATUS_OUTPUT_FULL = 0x01;
    private static final int STATUS_SELF_TESTED = 0x04;
    private static final int STATUS_LAST_WAS_COMMAND = 0x08;
    private static final int STATUS_UNLOCKED = 0x10;
    private static final int STATUS_FROM_AUX = 0x20;

    private static final int CONFIG_KEYBOARD_OFF = 0x10;
    private static final int CONFIG_AUX_OFF = 0x20;
    private static final int CONFIG_SELF_TESTED = 0x04;

    private static final int OUTPUT_RUNNING = 0x01; // 0 resets the machine
    private static final int OUTPUT_A20 = 0x02;
    private static final int OUTPUT_UNUSED = 0xcc;

    private static final int READ_CONFIG = 0x20;
    private static final int WRITE_CONFIG = 0x60;
    private static final int AUX_OFF = 0xa7;
    private static final int AUX_ON = 0xa8;
    private static final int AUX_TEST = 0xa9;
    private static final int SELF_TEST = 0xaa;
    private static final int KEYBOARD_TEST = 0xab;
    private static final int KEYBOARD_OFF = 0xad;
    private static final int KEYBOARD_ON = 0xae;
    private static final int READ_INPUT_PORT = 0xc0;
    private static final int READ_OUTPUT_PORT = 0xd0;
    private static final int WRITE_OUTPUT_PORT = 0xd1;
    private static final int ECHO_AS_KEYBOARD = 0xd2;
    private static final int ECHO_AS_AUX = 0xd3;
    private static final int WRITE_AUX = 0xd4;
    private static final int A20_OFF = 0xdd;
    private static final int A20_ON = 0xdf;
    private static final int PULSE = 0xf0; // to 0xff; a low bit 0 pulses the reset line

    private static final int SELF_TEST_PASSED = 0x55;
    private static final int TEST_PASSED = 0x00;
    private static final int TEST_CLOCK_STUCK = 0x01;
    private static final int INPUT_PORT_UNLOCKED = 0x80;

    private final Consumer<GuestRequest> requests;

    private int config;
    private int outputPort;
    private int status;
    private int command;
    private int output;
    private boolean outputFromAux;

    private final BusDevice data = new IsaDevice(1) {
        @Override
        int in(int offset) {
            return takeOutput();
        }

        @Override
        void out(int offset, int value) {
            request(writeData(value));
        }
    };

    private final BusDevice commands = new IsaDevice(1) {
        @Override
        int in(int offset) {
            return readStatus();
        }

        @Override
        void out(int offset, int value) {
            request(writeCommand(value));
        }
    };

    /** {@code requests} is told on the vCPU's thread. */
    public I8042(Consumer<GuestRequest> requests) {
        this.requests = requests;
        reset();
    }

    /** What the machine's reset does: the state after power-on. */
    public synchronized void reset() {
        config = CONFIG_KEYBOARD_OFF | CONFIG_AUX_OFF;
        outputPort = OUTPUT_RUNNING | OUTPUT_A20 | OUTPUT_UNUSED;
        status = STATUS_UNLOCKED | STATUS_LAST_WAS_COMMAND;
        command = 0;
        output = -1;
        outputFromAux = false;
    }

    /** The data port, for 0x60: one byte. */
    public BusDevice data() {
        return data;
    }

    /** The status and command port, for 0x64: one byte. */
    public BusDevice command() {
        return commands;
    }

    private void request(boolean reset) {
        if (reset) {
            requests.accept(new GuestRequest.Reset());
        }
    }

    private synchronized int readStatus() {
        if (output < 0) {
            return status;
        }
        return status | STATUS_OUTPUT_FULL | (outputFromAux ? STATUS_FROM_AUX : 0);
    }

    private synchronized int takeOutput() {
        int value = output < 0 ? 0 : output;
        output = -1;
        return value;
    }

    /** Returns whether it resets the machine. */
    private synchronized boolean writeCommand(int value) {
        status |= STATUS_LAST_WAS_COMMAND;
        command = 0;
        switch (value) {
            case READ_CONFIG -> answer(config);
            case WRITE_CONFIG, WRITE_OUTPUT_PORT, ECHO_AS_KEYBOARD, ECHO_AS_AUX, WRITE_AUX -> command = value;
            case AUX_OFF -> config |= CONFIG_AUX_OFF;
            case AUX_ON -> config &= ~CONFIG_AUX_OFF;
            case AUX_TEST -> answer(TEST_CLOCK_STUCK); // no second port
            case SELF_TEST -> {
                status |= STATUS_SELF_TESTED;
                config |= CONFIG_SELF_TESTED;
                answer(SELF_TEST_PASSED);
            }
            case KEYBOARD_TEST -> answer(TEST_PASSED);
            case KEYBOARD_OFF -> config |= CONFIG_KEYBOARD_OFF;
            case KEYBOARD_ON -> config &= ~CONFIG_KEYBOARD_OFF;
            case READ_INPUT_PORT -> answer(INPUT_PORT_UNLOCKED);
            case READ_OUTPUT_PORT -> answer(outputPort);
            case A20_OFF -> outputPort &= ~OUTPUT_A20;
            case A20_ON -> outputPort |= OUTPUT_A20;
            default -> {
                return value >= PULSE && (value & 1) == 0;
            }
        }
        return false;
    }

    private synchronized boolean writeData(int value) {
        status &= ~STATUS_LAST_WAS_COMMAND;
        int to = command;
        command = 0;
        switch (to) {
            case WRITE_CONFIG -> {
                config = value;
                status = (status & ~STATUS_SELF_TESTED) | (value & CONFIG_SELF_TESTED);
            }
            case WRITE_OUTPUT_PORT -> {
                outputPort = value | OUTPUT_RUNNING;
                return (value & OUTPUT_RUNNING) == 0;
            }
            case ECHO_AS_KEYBOARD -> answer(value);
            case ECHO_AS_AUX -> {
                answer(value);
                outputFromAux = true;
            }
            default -> {} // for a device that is not there
        }
        return false;
    }

    private void answer(int value) {
        output = value;
        outputFromAux = false;
    }

    /** Its state, at the moment of the call. */
    public synchronized I8042State state() {
        return new I8042State(config, outputPort, status, command, output, outputFromAux);
    }

    /** Takes a state over. Before the guest runs. */
    public synchronized void restore(I8042State state) {
        config = state.config() & 0xff;
        outputPort = state.outputPort() & 0xff;
        status = state.status() & (STATUS_SELF_TESTED | STATUS_LAST_WAS_COMMAND | STATUS_UNLOCKED);
        command = state.command() & 0xff;
        output = state.output() < 0 ? -1 : state.output() & 0xff;
        outputFromAux = state.outputFromAux();
    }
}
