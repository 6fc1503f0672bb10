package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.SocketWait;
import java.util.List;
import java.util.concurrent.FutureTask;

/** A command in a thread of this process that waits for a socket. */
final class WaitingCommand {
    private WaitingCommand() {}

    /** Returns when it has met that the socket is not there; the task gives its exit code. */
    static FutureTask<Integer> start(String... arguments) throws InterruptedException {
        FutureTask<Integer> command = new FutureTask<>(() -> Main.execute(arguments));
        Thread thread = new Thread(command);
        thread.start();
        while (!List.of(thread.getStackTrace()).toString().contains(SocketWait.class.getName() + ".pause")) {
            assertThat(command.isDone()).as("it has not given up").isFalse();
            Thread.sleep(1);
        }
        return command;
    }
}
