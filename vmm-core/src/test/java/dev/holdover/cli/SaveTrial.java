package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A guest is saved; its VMM, or the client that asked for it, meets a fault. */
final class SaveTrial extends Trial {
    private final Path state = dir.resolve("state");
    private Path small;

    SaveTrial(Path dir, long seed) throws IOException {
        super(dir, seed);
    }

    @Override
    Outcome run(Victim victim, Fault fault) throws Exception {
        Process vmm = boot();
        ControlClient client = connect(vmm, "control");
        keepRam(client);
        long span = firstSave(vmm, client);
        Path to = fault == Fault.NO_SPACE ? mountSmall().resolve("state") : state;
        client.send(ChildVmm.migrate(to));
        letPass(span * 3 / 2);
        if (fault == Fault.HANG_UP) {
            client.close();
            client = connect(vmm, "control");
        } else if (fault != Fault.NO_SPACE && fault != null) {
            fault.meet(vmm, random);
        }
        if (fault != null && fault.ends()) {
            assertThat(Vmms.exitCode(vmm)).isNotNegative();
            return restored(state);
        }
        String status = settle(client, fault == Fault.HANG_UP);
        if (fault == Fault.NO_DESCRIPTORS) {
            Fault.lift(vmm);
        }
        if (!status.contains("\"completed\"")) {
            awaitLetters(vmm);
            end(vmm);
            verify();
            refused(state);
            return Outcome.STAYED;
        }
        if (random.nextBoolean()) {
            assertThat(client.ask("{'execute': 'cont'}")).isEqualTo("{\"return\": {}}");
            awaitLetters(vmm);
            end(vmm);
            verify();
            refused(state);
            return Outcome.STAYED;
        }
        end(vmm);
        return restored(state);
    }

    /** A file system without room for a state. */
    private Path mountSmall() throws Exception {
        small = Files.createDirectory(dir.resolve("small"));
        command("mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", small.toString());
        return small;
    }

    private static void command(String... words) throws IOException, InterruptedException {
        Process ended = new ProcessBuilder(words).inheritIO().start();
        assertThat(ended.waitFor()).as(String.join(" ", words)).isZero();
    }

    @Override
    void endAll() throws IOException, InterruptedException {
        super.endAll();
        if (small != null) {
            command("umount", small.toString());
        }
    }

    static void keepRam(ControlClient client) throws IOException {
        client.ask("{'execute': 'migrate-set-capabilities', 'arguments': {'capabilities':"
                + " [{'capability': 'x-ignore-shared', 'state': true}]}}");
        client.ask("{'execute': 'migrate-set-parameters', 'arguments': {'mode': 'cpr-reboot'}}");
    }

    /** Saves it once, so that an older state is there, and lets it run on. Returns how long that took, in nanoseconds. */
    private long firstSave(Process vmm, ControlClient client) throws Exception {
        long start = System.nanoTime();
        client.send(ChildVmm.migrate(state));
        assertThat(settle(client, false)).contains("\"completed\"");
        long span = System.nanoTime() - start;
        assertThat(client.ask("{'execute': 'cont'}")).isEqualTo("{\"return\": {}}");
        awaitLetters(vmm);
        return span;
    }

    /** Waits until a save has come to its end; what query-migrate says then. */
    static String settle(ControlClient client, boolean isNew) throws Exception {
        if (!isNew) {
            String reply = client.answer();
            if (reply.contains("\"error\"")) {
                return reply;
            }
        }
        String[] status = new String[1];
        Vmms.await("the end of the save", () -> {
            status[0] = client.ask("{'execute': 'query-migrate'}");
            return List.of("completed", "failed", "cancelled").stream().anyMatch(end -> status[0].contains(end));
        });
        return status[0];
    }

    /** Nobody has the guest: the state can be restored, once; or is of RAM that has moved on. */
    private Outcome restored(Path from) throws Exception {
        verifyIfQuiet();
        Process vmm = start(
                "restore", from.toString(), "--control", control("control2").toString());
        if (!awaitLettersOrEnd(vmm)) {
            assertThat(vmm.exitValue()).as(said(vmm)).isEqualTo(ExitCode.RESTORE_REFUSED);
            assertThat(said(vmm)).contains("moved on");
            return Outcome.ENDED;
        }
        end(vmm);
        verify();
        refused(from);
        return Outcome.RESTORED;
    }

    private void verifyIfQuiet() throws IOException {
        assertThat(allHaveEnded()).isTrue();
        verify();
    }

    private void refused(Path from) throws Exception {
        Process vmm = start("restore", from.toString());
        assertThat(Vmms.exitCode(vmm)).as(said(vmm)).isEqualTo(ExitCode.RESTORE_REFUSED);
    }
}
