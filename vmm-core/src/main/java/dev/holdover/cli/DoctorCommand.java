package dev.holdover.cli;

import dev.holdover.machine.Finding;
import dev.holdover.machine.HostCheck;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
        name = "doctor",
        description = "Says what this host can do for guests, and what to do about what it lacks.",
        footer = {"", "Exit codes: 0 guests can run here, 1 they cannot."})
final class DoctorCommand implements Callable<Integer> {
    @Mixin
    HelpOption help;

    @Override
    public Integer call() {
        List<Finding> findings = new HostCheck().run();
        boolean usable = true;
        print("ok", "java", "Java " + Runtime.version(), "");
        for (Finding finding : findings) {
            String mark = switch (finding.grade()) {
                case OK -> "ok";
                case LIMITED -> "limited";
                case LACKING -> "LACKING";
            };
            usable &= finding.grade() != Finding.Grade.LACKING;
            print(mark, finding.subject(), finding.text(), finding.advice());
        }
        System.out.println(usable ? "Guests can run on this host." : "Guests cannot run on this host; see above.");
        EmulatedHost emulated = EmulatedHost.ofProcess();
        if (!usable && emulated.canStart()) {
            System.out.println("They can in an emulated host: " + emulated.shellCommand() + " opens a shell in one.");
        }
        return usable ? ExitCode.OK : ExitCode.FAILED;
    }

    private static void print(String mark, String subject, String text, String advice) {
        System.out.println(pad(mark, 8) + pad(subject, 17) + text);
        if (!advice.isEmpty()) {
            System.out.println(" ".repeat(25) + "→ " + advice);
        }
    }

    private static String pad(String text, int width) {
        return text + " ".repeat(Math.max(1, width - text.length()));
    }
}
