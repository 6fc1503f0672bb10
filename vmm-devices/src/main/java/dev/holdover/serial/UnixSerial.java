package dev.holdover.serial;

import dev.holdover.linux.Epoll;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import dev.holdover.linux.NamedFd;
import dev.holdover.linux.SocketFile;
import dev.holdover.linux.UnixSocket;
import dev.holdover.platform.Uart16550;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A serial port on a unix(7) stream socket that clients connect to, one at a time; the next waits until the one before
 * has closed. Output while there is no client is dropped, and so is what a client does not read when 64 KiB are pending.
 * A client that shuts down only its sending side still gets output.
 */
final class UnixSerial extends SerialBackend {
    private final EventLoop loop;
    private final SocketFile socket;
    private final SerialWriter writer;

    private SerialInput input;
    // On the loop's thread only.
    private long listenerWatch;

    private boolean held;
    private UnixSocket client;
    /** Watches for the client's leaving once its input has ended; else 0. */
    private long hangUpWatch;

    UnixSerial(String path, EventLoop loop) {
        this.loop = loop;
        socket = SocketFile.listen("the serial port's socket", path);
        writer = new SerialWriter(path, SerialWriter.WhenFull.DROP);
    }

    /** On a socket that another process listened on; takes the descriptors over. {@code client} may be null. */
    UnixSerial(String path, EventLoop loop, Fd listener, Fd client) {
        this.loop = loop;
        this.socket = SocketFile.adopt(new UnixSocket(listener), path);
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
    public void parts(List<NamedFd> to) {
        to.add(new NamedFd(LISTENER, "", socket.listener().fd()));
        loop.runAndWait(new Runnable() {
            @Override
            public void run() {
                if (client != null) {
                    to.add(new NamedFd(CLIENT, "", client.fd()));
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
        listenerWatch = loop.watch(socket.listener().fd(), Epoll.EPOLLIN, new EventLoop.Handler() {
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
        UnixSocket accepted = socket.listener().accept();
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
    void removeTraces() {
        if (!isGivenAway()) {
            socket.close();
        }
    }

    @Override
    void restore() {
        removeTraces();
        writer.close();
    }

    @Override
    void closeDescriptors() {
        socket.giveAway(); // its name, if it is still there, is another process's
        if (client != null) {
            client.close();
        }
    }
}
