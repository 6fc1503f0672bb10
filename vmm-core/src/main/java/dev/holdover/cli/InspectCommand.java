package dev.holdover.cli;

import dev.holdover.linux.VmmException;
import dev.holdover.machine.StateView;
import dev.holdover.vmstate.StateException;
import dev.holdover.vmstate.StateFile;
import dev.holdover.vmstate.StateInspection;
import dev.holdover.vmstate.Timeline;
import dev.holdover.vmstate.TimelineRow;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "inspect",
        description = "Shows what is in a saved state. Changes nothing, and needs no /dev/kvm.",
        customSynopsis = "./vmm inspect STATE [--json] [--svg FILE]",
        footer = {
            "",
            "Exit codes: 0 the state is whole; 1 it is damaged (what is whole of it is shown)",
            "or no state; 2 bad usage.",
            "",
            "Examples:",
            "  ./vmm inspect guest.state",
            "  ./vmm inspect guest.state --json | jq '.vcpus.\"0\".registers.rip'"
        })
final class InspectCommand implements Callable<Integer> {
    @Mixin
    HelpOption help;

    /** So many sentences about damage are enough. */
    private static final int MAX_SENTENCES = 10;

    @Parameters(paramLabel = "STATE", description = "The state file.")
    private String state;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Option(names = "--svg", paramLabel = "FILE", description = "Draw the timeline: a picture in FILE.")
    private String svg;

    @Override
    public Integer call() {
        NotEmpty.value("--svg", svg);
        try (StateInspection inspection = StateFile.inspect(NotEmpty.argument("STATE", state))) {
            StateView view = new StateView(inspection);
            PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
            if (json) {
                InspectJson.print(view, out);
            } else {
                new InspectText(out).print(state, view, timeline(inspection));
            }
            out.flush();
            if (svg != null) {
                TimelineSvg.write(timeline(inspection), svg);
            }
            return damage(view.damages());
        } catch (StateException e) {
            // Not exit code 4: nothing was to be restored.
            throw new VmmException(e.getMessage(), e);
        }
    }

    /** What was stamped before the state went its way; by one kernel, so that its clocks agree. */
    private static List<TimelineRow> timeline(StateInspection inspection) {
        Timeline timeline = inspection.timeline();
        return timeline == null ? List.of() : TimelineRow.of(timeline.events(), 0);
    }

    private int damage(List<String> damages) {
        for (int i = 0; i < Math.min(damages.size(), MAX_SENTENCES); i++) {
            System.err.println("vmm inspect: state " + state + ": " + InspectText.printable(damages.get(i)));
        }
        if (damages.size() > MAX_SENTENCES) {
            System.err.println("vmm inspect: and " + (damages.size() - MAX_SENTENCES) + " more");
        }
        return damages.isEmpty() ? ExitCode.OK : ExitCode.FAILED;
    }
}
