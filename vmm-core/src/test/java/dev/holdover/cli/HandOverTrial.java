package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;

/** A guest is handed over to a VMM that stands by; one of both, or the client, meets a fault. */
final class HandOverTrial extends Trial {
    HandOverTrial(Path dir, long seed) throws IOException {
        super(dir, seed);
    }

    @Override
    Outcome run(Victim victim, Fault fault) throws Exception {
        Process outgoing = boot();
        Process incoming = standBy(1);
        long span;
        try (ControlClient client = connect(outgoing, "control")) {
            long start = System.nanoTime();
            order(client, 1);
            Vmms.exitCode(outgoing); // a first one that meets nothing: how long it takes
            span = System.nanoTime() - start;
        }
        awaitLetters(incoming);
        outgoing = incoming;
        incoming = standBy(2);
        ControlClient client = connect(outgoing, "control");
        order(client, 2);
        letPass(span);
        if (fault == Fault.HANG_UP) {
            client.close();
        } else if (fault != null) {
            fault.meet(victim == Victim.VMM ? outgoing : incoming, random);
        }
        if (fault != null && fault.ends()) {
            Vmms.exitCode(victim == Victim.VMM ? outgoing : incoming);
        }
        Process first = outgoing;
        Process second = incoming;
        // The order has come to its end when one of both has ended, or the outgoing side says that it failed.
        Vmms.await("the end of the hand-over", () -> !first.isAlive() || !second.isAlive() || hasFailed(first));
        if (!writes()) {
            assertThat(fault != null && fault.ends()).as("the guest is lost").isTrue();
            if (victim == Victim.STANDBY) {
                // It had taken the guest. The other side has ended then, or says that it cannot know whether it runs.
                int code = Vmms.exitCode(outgoing);
                assertThat(said(outgoing))
                        .contains(code == ExitCode.OK ? "was handed over to another VMM" : "never runs here again");
            }
            vmms.endAll();
            verify();
            return Outcome.ENDED;
        }
        boolean stayed = outgoing.isAlive();
        if (stayed) {
            awaitLetters(outgoing);
            end(outgoing);
            assertThat(writes()).as("the guest runs in the other VMM, too").isFalse();
        } else {
            awaitLetters(incoming);
            end(incoming);
        }
        vmms.endAll();
        verify();
        return stayed ? Outcome.STAYED : Outcome.MOVED;
    }

    private Process standBy(int number) throws Exception {
        Process process =
                start("standby", "--listen", dir.resolve("standby" + number).toString());
        Vmms.await("the VMM is ready", () -> said(process).contains("ready on"));
        return process;
    }

    private void order(ControlClient client, int number) throws IOException {
        client.ask("{'execute': 'migrate-set-parameters', 'arguments': {'mode': 'cpr-transfer'}}");
        client.send("{'execute': 'migrate', 'arguments': {'uri': 'unix:" + dir.resolve("standby" + number) + "'}}");
    }

    private boolean hasFailed(Process vmm) throws Exception {
        try (ControlClient client = ControlClient.connect(control("control"))) {
            return vmm.isAlive() && client.ask("{'execute': 'query-migrate'}").contains("\"failed\"");
        } catch (IOException e) {
            return false; // it passes the socket on, or ends
        }
    }
}
