package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;

/** A guest is handed over to a VMM that stands by; one of both, or the client, meets a fault. */
final class HandOverTrial extends Trial {
    /** Offer, Accept, State, Running. */
    private static final int MESSAGES = 4;

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
            order(client, "standby1");
            Vmms.exitCode(outgoing); // a first one that meets nothing: how long it takes
            span = System.nanoTime() - start;
        }
        awaitLetters(incoming);
        outgoing = incoming;
        incoming = standBy(2);
        Process first = outgoing;
        Process second = incoming;
        Process met = victim == Victim.VMM ? first : second;
        // The order has come to its end when one of both has ended, or the outgoing side says that it failed.
        Callable<Boolean> ended = () -> !first.isAlive() || !second.isAlive() || hasFailed(first);
        ControlClient client = connect(outgoing, "control");
        if (fault == Fault.HANG_UP || random.nextInt(4) == 0) {
            order(client, "standby2");
            letPass(span);
            if (fault == Fault.HANG_UP) {
                client.close();
            } else if (fault != null) {
                fault.meet(met, random);
            }
        } else {
            // A side that gives up hangs up; to ask it meanwhile could wait for what is to be passed on here.
            atAMessage(client, fault, met, () -> !first.isAlive() || !second.isAlive());
        }
        if (fault != null && fault.ends()) {
            Vmms.exitCode(met);
        }
        Vmms.await("the end of the hand-over", ended);
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

    private void order(ControlClient client, String socket) throws IOException {
        client.ask("{'execute': 'migrate-set-parameters', 'arguments': {'mode': 'cpr-transfer'}}");
        client.send("{'execute': 'migrate', 'arguments': {'uri': 'unix:" + dir.resolve(socket) + "'}}");
    }

    /** The instant is one between two messages of both sides: where the guest changes hands there are no others. */
    private void atAMessage(ControlClient client, Fault fault, Process met, Callable<Boolean> ended) throws Exception {
        boolean late = random.nextBoolean();
        try (Line line = new Line(dir.resolve("line").toString())) {
            order(client, "line");
            line.connect(dir.resolve("standby2").toString());
            line.pass(
                    1 + random.nextInt(MESSAGES),
                    new Line.Disturbance() {
                        @Override
                        public void begin() throws Exception {
                            if (!late) {
                                fault.begin(met);
                            }
                        }

                        @Override
                        public void end() throws Exception {
                            if (late) {
                                fault.begin(met);
                            }
                            fault.end(met, random);
                        }
                    },
                    ended);
        }
    }

    private boolean hasFailed(Process vmm) throws Exception {
        try (ControlClient client = ControlClient.connect(control("control"))) {
            return vmm.isAlive() && client.ask("{'execute': 'query-migrate'}").contains("\"failed\"");
        } catch (IOException e) {
            return false; // it passes the socket on, or ends
        }
    }
}
