package dev.holdover.serial;

import dev.holdover.platform.Uart16550;

/** A serial port with nothing at the other end. */
final class NullSerial extends SerialBackend {
    @Override
    public void write(byte b) {}

    @Override
    public boolean ready() {
        return true;
    }

    @Override
    public void start(Uart16550 uart) {}

    @Override
    public long dropped() {
        return 0;
    }

    @Override
    void stop() {}

    @Override
    void closeDescriptors() {}
}
