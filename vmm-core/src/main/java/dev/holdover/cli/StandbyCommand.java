package dev.holdover.cli;

import dev.holdover.control.ControlSocket;
import dev.holdover.handover.HandOverConnection;
import dev.holdover.linux.Epoll;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.SocketFile;
import dev.holdover.linux.UnixSocket;
import dev.holdover.linux.VmmException;
import dev.holdover.machine.Machine;
import dev.holdover.machine.Rehearsal;
import dev.holdover.machine.TakeOver;
import dev.holdover.memory.FdSets;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "standby",
        description = {
            "A VMM that is started and warm, and takes over a guest that another VMM of this",
            "host hands to it:",
            "",
            "  ./vmm ctl SOCKET handover PATH",
            "",
            "RAM stays where it is; disks, taps, console and control socket come along. If it",
            "does not work out the guest goes on where it was, and this VMM stands by again.",
            ""
        },
        sortOptions = false,
        customSynopsis = "./vmm standby --listen PATH [OPTION]...",
        footer = {
            "",
            "Exit codes: as of run, once it has the guest.",
            "",
            "Example:",
            "  ./vmm standby --listen /run/vm.standby"
        })
final class StandbyCommand implements Callable<Integer>, PlainArguments.Reader {
    private static final int REHEARSALS = 6;

    @Mixin
    HelpOption help;

    @Option(
            names = "--listen",
            paramLabel = "PATH",
            required = true,
            description = "A socket for the VMM that has the guest; mode 0600.")
    private String listen;

    @Option(
            names = "--control",
            paramLabel = "PATH",
            description = "A control socket for the guest. Default: the one that it had.")
    private String control;

    @Override
    public void read(PlainArguments arguments) {
        while (arguments.hasNext()) {
            switch (arguments.option()) {
                case "--listen" -> listen = arguments.once(listen);
                case "--control" -> control = arguments.once(control);
                default -> throw new PlainArguments.NotPlain();
            }
        }
        if (listen == null) {
            throw new PlainArguments.NotPlain();
        }
    }

    @Override
    public Integer call() throws InterruptedException {
        NotEmpty.value("--listen", listen);
        NotEmpty.value("--control", control);
        try (FdSets fdsets = new FdSets()) {
            SocketFile ownControl = control == null ? null : SocketFile.listen("the control socket", control);
            Machine machine;
            SocketFile itsControl;
            Leaving leaving = Running.leaving();
            try (SocketFile socket = SocketFile.listen("the stand-by socket", UnixSocket.Kind.SEQPACKET, listen)) {
                Thread leave = closeOnSignal(socket, ownControl);
                Rehearsal.upTo(REHEARSALS, Rehearsal.Side.INCOMING);
                System.err.println("vmm standby: ready on " + listen);
                TakeOver takeOver = accept(socket.listener());
                while (!take(takeOver)) {
                    takeOver.close();
                    takeOver = accept(socket.listener());
                }
                machine = takeOver.machine();
                itsControl = takeOver.takeControl();
                takeOver.close();
                forget(leave);
            } catch (RuntimeException e) {
                if (ownControl != null) {
                    ownControl.close();
                }
                throw e;
            }
            if (ownControl != null && itsControl != null) {
                itsControl.close(); // nobody serves there any more
            }
            ControlSocket controlSocket = serve(ownControl != null ? ownControl : itsControl, fdsets, machine);
            leaving.register();
            leaving.runs(controlSocket, machine, null);
            return Running.untilEnd(machine, controlSocket, null, leaving, "vmm standby");
        }
    }

    /** The guest runs here, and does so without a control socket if there can be none. */
    private static ControlSocket serve(SocketFile socket, FdSets fdsets, Machine machine) {
        if (socket == null) {
            return null;
        }
        try {
            return ControlSocket.open(socket, fdsets, machine, null);
        } catch (RuntimeException | Error e) {
            System.err.println("vmm standby: the guest runs here, but its control socket " + socket.path()
                    + " cannot be served: " + Running.reason(e));
            socket.close();
            return null;
        }
    }

    /** Tries to take the guest; says why not. */
    private static boolean take(TakeOver takeOver) {
        Machine machine = null;
        try {
            machine = takeOver.prepare();
            takeOver.run();
            return true;
        } catch (VmmException | ErrnoException e) {
            System.err.println("vmm standby: " + e.getMessage() + "; standing by again");
            if (machine != null) {
                machine.close();
            }
            return false;
        }
    }

    private static TakeOver accept(UnixSocket listener) {
        try (Epoll epoll = new Epoll()) {
            epoll.add(listener.fd(), Epoll.EPOLLIN, 0);
            while (true) {
                epoll.await(-1);
                UnixSocket peer = listener.accept();
                if (peer != null) {
                    return new TakeOver(new HandOverConnection(peer, "the VMM that has the guest"));
                }
            }
        }
    }

    private static void forget(Thread leave) {
        try {
            Runtime.getRuntime().removeShutdownHook(leave);
        } catch (IllegalStateException e) {
            // A signal came first: the hook runs.
        }
    }

    private static Thread closeOnSignal(SocketFile socket, SocketFile control) {
        Thread leave = new Thread("leave") {
            @Override
            public void run() {
                socket.close();
                if (control != null) {
                    control.close();
                }
            }
        };
        Runtime.getRuntime().addShutdownHook(leave);
        return leave;
    }
}
