package dev.holdover.device;

import dev.holdover.handover.Part;
import dev.holdover.linux.Epoll;
import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * A serial port on a unix(7) stream socket that clients connect to, one at a time; the next waits until the one before
 * has closed. Output while there is no client is dropped, and so is what a client does not read when 64 KiB are pending.
 * A client that shuts down only its sending side still gets output.
 */
final class UnixSerial extends SerialBackend {
    private static final int O_PATH = 0x200000;
    private static final int S_IFMT = 0170000;
    private static final int S_IFSOCK = 0140000;

    private final String path;
    private final EventLoop loop;
    private final UnixSocket listener;
    private final SerialWriter writer;

    private SerialInput input;
    // On the loop's thread only.
    private long listenerWatch;

    private boolean held;
    private UnixSocket client;
    /** Watches for the client's leaving once its input has ended; else 0. */
    private long hangUpWatch;

    UnixSerial(String path, EventLoop loop) {
        this.path = path;
        this.loop = loop;
        removeStale(path);
        try {
            listener = UnixSocket.listen(UnixSocket.Kind.STREAM, path);
        } catch (ErrnoException e) {
            throw new VmmException(
                    "cannot listen on the serial port's socket, " + e.getMessage() + ": name a path in a"
                            + " directory that can be written",
                    e);
        }
        writer = new SerialWriter(path, SerialWriter.WhenFull.DROP);
    }

    /** On a socket that another process listened on; takes the descriptors over. {@code client} may be null. */
    UnixSerial(String path, EventLoop loop, Fd listener, Fd client) {
        this.path = path;
        this.loop = loop;
        this.listener = new UnixSocket(listener);
        this.writer = new SerialWriter(path, SerialWriter.WhenFull.DROP);
        if (client != null) {
            this.client = new UnixSocket(client);
            writer.attach(client);
        }
    }

    @Override
    SerialWriter writer() {
        return writer;
    }

    @Override
    SerialInput input() {
        return input;
    }

    @Override
    public void parts(List<Part> to) {
        to.add(new Part(Part.Role.SERIAL_LISTENER, "", listener.fd()));
        loop.runAndWait(new Runnable() {
            @Override
            public void run() {
                if (client != null) {
                    to.add(new Part(Part.Role.SERIAL_CLIENT, "", client.fd()));
                }
            }
        });
    }

    @Override
    public void holdClients() {
        loop.runAndWait(new Runnable() {
            @Override
            public void run() {
                held = true;
                stopListening();
            }
        });
    }

    @Override
    void resume(MemorySegment inputBefore) {
        super.resume(inputBefore);
        loop.run(new Runnable() {
            @Override
            public void run() {
                held = false;
                listen();
            }
        });
    }

    /** Deletes a socket at {@code path} that nobody listens on; refuses anything else that is there. */
    private static void removeStale(String path) {
        if (path.startsWith("@")) {
            return;
        }
        int type;
        try (Fd there = Fd.open(path, O_PATH)) {
            type = there.stat().mode() & S_IFMT;
        } catch (ErrnoException e) {
            return; // nothing there, or listening on it will tell why not
        }
        if (type != S_IFSOCK) {
            throw new VmmException(
                    "the serial port's socket " + path + " cannot be made, EEXIST (File exists): a file that"
                            + " is no socket is there; delete it or name another path");
        }
        try {
            UnixSocket.connect(UnixSocket.Kind.STREAM, path).close();
        } catch (ErrnoException e) {
            if (e.errno() == Errno.ECONNREFUSED) {
                delete(path);
            }
            return; // otherwise listening on it tells what is wrong
        }
        throw new VmmException("the serial port's socket " + path + " cannot be made, EADDRINUSE (Address already in"
                + " use): another process listens on it; name another path");
    }

    private static void delete(String path) {
        try {
            Files.deleteIfExists(Path.of(path));
        } catch (IOException e) {
            // Listening on it will tell; at the end there is nothing more to do.
        }
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
    public void start(Uart16550 uart) {
        wire(writer, uart);
        input = new SerialInput(loop, uart, SerialInput.LookAhead.BUFFER, null, new Runnable() {
            @Override
            public void run() {
                inputEnded();
            }
        });
        if (client != null) {
            attach(input, client.fd());
        } else if (!isGivenAway()) {
            resume(); // listens
        }
    }

    /** Lets the next client in, unless there is one. */
    private void listen() {
        if (client != null || held || listenerWatch != 0) {
            return;
        }
        listenerWatch = loop.watch(listener.fd(), Epoll.EPOLLIN, new EventLoop.Handler() {
            @Override
            public void ready(int events) {
                accept();
            }
        });
    }

    private void stopListening() {
        if (listenerWatch != 0) {
            loop.unwatch(listenerWatch);
            listenerWatch = 0;
        }
    }

    private void accept() {
        UnixSocket accepted = listener.accept();
        if (accepted == null) {
            return;
        }
        stopListening();
        serve(accepted);
    }

    private void serve(UnixSocket accepted) {
        client = accepted;
        client.fd().setNonBlocking(false); // the writer waits in write(2)
        writer.attach(client.fd());
        input.attach(client.fd());
    }

    private void inputEnded() {
        hangUpWatch = loop.watch(client.fd(), 0, new EventLoop.Handler() {
            @Override
            public void ready(int events) {
                dropClient();
                listen();
            }
        });
    }

    private void dropClient() {
        if (hangUpWatch != 0) {
            loop.unwatch(hangUpWatch);
            hangUpWatch = 0;
        }
        input.detach();
        writer.detach();
        client.close();
        client = null;
    }

    @Override
    public long dropped() {
        return writer.dropped();
    }

    @Override
    void stop() {
        loop.runAndWait(new Runnable() {
            @Override
            public void run() {
                stopListening();
                if (input != null) {
                    input.detach();
                }
                if (hangUpWatch != 0) {
                    loop.unwatch(hangUpWatch);
                    hangUpWatch = 0;
                }
            }
        });
    }

    @Override
    void restore() {
        if (!path.startsWith("@") && !isGivenAway()) {
            delete(path);
        }
        writer.close();
    }

    @Override
    void closeDescriptors() {
        listener.close();
        if (client != null) {
            client.close();
        }
    }
}
