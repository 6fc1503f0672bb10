package dev.holdover.serial;

import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.NamedFd;
import dev.holdover.linux.VmmException;
import dev.holdover.platform.Uart16550;
import java.util.List;

/** A serial port whose output goes to a file: created with mode 0600, or cut to nothing, but for a guest that goes on. No input. */
final class FileSerial extends SerialBackend {
    private final OutputFile file;
    private final SerialWriter writer;

    FileSerial(String path) {
        try {
            file = OutputFile.open(path);
        } catch (ErrnoException e) {
            throw new VmmException(
                    "cannot open the serial port's file, " + e.getMessage() + ": name a file that can be written", e);
        }
        writer = new SerialWriter(path, SerialWriter.WhenFull.HOLD);
        writer.attach(file.fd());
    }

    /** On a file that another process wrote so far; takes the descriptor over. */
    FileSerial(String path, Fd fd) {
        file = OutputFile.begun(path, fd);
        writer = new SerialWriter(path, SerialWriter.WhenFull.HOLD);
        writer.attach(fd);
    }

    @Override
    SerialWriter writer() {
        return writer;
    }

    @Override
    public void parts(List<NamedFd> to) {
        to.add(new NamedFd(OUTPUT, "", file.fd()));
    }

    @Override
    public void write(byte b) {
        writer.write(b);
    }

    @Override
    public boolean ready() {
        return writer.ready();
    }

    @Override
    public void goOn() {
        file.goOn();
    }

    @Override
    public void start(Uart16550 uart) {
        file.start();
        wire(writer, uart);
    }

    @Override
    public long dropped() {
        return writer.dropped();
    }

    @Override
    void stop() {}

    @Override
    void closeDescriptors() {
        file.close();
    }
}
