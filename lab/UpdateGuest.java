import dev.holdover.linux.Fd;
import dev.holdover.liveupdate.LuodAgent;
import dev.holdover.luod.LuodOptions;
import dev.holdover.liveupdate.Session;
import dev.holdover.liveupdate.Tokens;
import dev.holdover.machine.Machine;
import dev.holdover.machine.Retrieval;
import dev.holdover.machine.SaveOptions;
import dev.holdover.memory.FdSets;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * VMMs that take a guest up from luod and end at the worst moment, for the lab's scenarios. Each prints what it has done,
 * and waits for a line on standard input before it goes on.
 *
 * <pre>
 * made ID DIRECTORY     ends before the first KVM_RUN; leaves the state as it came in state, as it is in KVM in again
 * ran ID                ends between the first KVM_RUN and FINISH
 * finished ID           waits between CLAIM and FINISH, then the guest runs
 * </pre>
 */
final class UpdateGuest {
    private static final BufferedReader IN =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

    public static void main(String[] args) throws Exception {
        String id = args[1];
        LuodAgent agent = new LuodAgent(System.getProperty("socket", LuodOptions.DEFAULT_SOCKET));
        Session session = agent.claim(id);
        if (args[0].equals("made")) {
            Files.write(Path.of(args[2], "state"), state(session));
        }
        Retrieval retrieval = new Retrieval(session, List.of());
        Machine machine = retrieval.machine(config -> config, new FdSets());
        report("made");
        switch (args[0]) {
            case "made" -> {
                machine.save(args[2] + "/again", new SaveOptions(true, true));
                Runtime.getRuntime().halt(0);
            }
            case "ran" -> {
                System.out.println(retrieval.run() ? "ran" : "crashed");
                Runtime.getRuntime().halt(0);
            }
            default -> {
                if (!retrieval.run()) {
                    throw new IllegalStateException("the guest ended at once");
                }
                agent.finish(id, session);
                retrieval.finished();
                report("finished");
                machine.close();
            }
        }
    }

    private static void report(String what) throws IOException {
        System.out.println(what);
        IN.readLine();
    }

    private static byte[] state(Session session) throws IOException {
        try (Fd state = session.retrieve(Tokens.STATE)) {
            return Files.readAllBytes(Path.of("/proc/self/fd/" + state.number()));
        }
    }
}
