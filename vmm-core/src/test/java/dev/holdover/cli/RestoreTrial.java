package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** A saved guest is restored by a VMM that meets a fault, or by two at once. */
final class RestoreTrial extends Trial {
    private final Path state = dir.resolve("state");

    RestoreTrial(Path dir, long seed) throws IOException {
        super(dir, seed);
    }

    @Override
    Outcome run(Victim victim, Fault fault) throws Exception {
        Process saved = boot();
        try (ControlClient client = connect(saved, "control")) {
            SaveTrial.keepRam(client);
            client.send(ChildVmm.migrate(state));
            assertThat(SaveTrial.settle(client, false)).contains("\"completed\"");
        }
        end(saved);
        return new Restoring(this, List.of(state.toString())).run(fault, () -> {});
    }
}
