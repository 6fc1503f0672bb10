package dev.holdover.cli;

import dev.holdover.kvm.KvmUnavailable;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.Patience;
import dev.holdover.linux.UsageException;
import dev.holdover.linux.VmmException;
import dev.holdover.machine.RestoreRefused;
import dev.holdover.vmstate.StateException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

/** Starts the command that the user names, and turns what fails into one sentence and an exit code. */
public final class Main {
    private Main() {}

    public static void main(String[] args) {
        int code;
        try {
            code = execute(args);
        } catch (LinkageError e) {
            System.err.println("vmm: " + e + ": the build is incomplete; run ./mvnw clean and try again");
            code = ExitCode.FAILED;
        } catch (Error e) {
            if (List.of(args).contains("--trace")) {
                e.printStackTrace();
            }
            System.err.println("vmm: " + bug(e));
            code = ExitCode.FAILED;
        }
        System.exit(code);
    }

    /** Runs the command; only what is more than its options goes through picocli. */
    static int execute(String... args) {
        return execute(System.getenv(Patience.VARIABLE), args);
    }

    /** @param patience the value of {@link Patience#VARIABLE}, null if it is not set; a wrong one is refused here */
    static int execute(String patience, String[] args) {
        if (patience != null) {
            try {
                Patience.requireValid(patience);
            } catch (UsageException e) {
                return failed(e, "vmm", false);
            }
        }
        Callable<Integer> plain = args.length == 0 ? null : plain(args);
        if (plain == null) {
            return commandLine().execute(args);
        }
        try {
            return plain.call();
        } catch (Exception e) {
            return failed(e, "vmm " + args[0], false);
        }
    }

    /** The command with its options in it; null if picocli has to read the line. */
    private static Callable<Integer> plain(String[] args) {
        switch (args[0]) {
            case "run" -> {
                RunCommand run = new RunCommand();
                return PlainArguments.read(args, run) ? run : null;
            }
            case "restore" -> {
                RestoreCommand restore = new RestoreCommand();
                return PlainArguments.read(args, restore) ? restore : null;
            }
            case "ctl" -> {
                CtlCommand ctl = new CtlCommand();
                return PlainArguments.read(args, ctl) ? ctl : null;
            }
            case "standby" -> {
                StandbyCommand standby = new StandbyCommand();
                return PlainArguments.read(args, standby) ? standby : null;
            }
            case "demo" -> {
                return args.length == 1 ? new DemoCommand() : null;
            }
            default -> {
                return null;
            }
        }
    }

    static CommandLine commandLine() {
        CommandLine vmm = new CommandLine(new VmmCommand());
        vmm.setCaseInsensitiveEnumValuesAllowed(true);
        vmm.setAbbreviatedOptionsAllowed(false);
        // A kernel's command line may begin with @.
        vmm.setExpandAtFiles(false);
        // One option, one value: a second one is a mistake that should not pass.
        vmm.setOverwrittenOptionsAllowed(false);
        vmm.setParameterExceptionHandler(Main::badUsage);
        vmm.setExecutionExceptionHandler(
                (e, command, parsed) -> failed(e, command.getCommandSpec().qualifiedName(), trace(parsed)));
        return vmm;
    }

    private static boolean trace(CommandLine.ParseResult parsed) {
        return parsed.hasMatchedOption("--trace") || (parsed.hasSubcommand() && trace(parsed.subcommand()));
    }

    private static int badUsage(ParameterException e, String[] args) {
        String name = e.getCommandLine().getCommandSpec().qualifiedName();
        say(name, UsageSentence.of(e) + "; see ./" + name + " --help");
        return ExitCode.USAGE;
    }

    private static int failed(Throwable e, String name, boolean trace) {
        if (trace) {
            e.printStackTrace();
        }
        if (e instanceof KvmUnavailable) {
            say(name, e.getMessage() + EmulatedHost.ofProcess().hint());
        } else if (e instanceof VmmException || e instanceof ErrnoException) {
            say(name, e.getMessage());
        } else {
            say(name, bug(e));
        }
        if (e instanceof UsageException) {
            return ExitCode.USAGE;
        }
        boolean refused = e instanceof RestoreRefused || e instanceof StateException;
        return refused ? ExitCode.RESTORE_REFUSED : ExitCode.FAILED;
    }

    private static String bug(Throwable e) {
        return "a bug of this VMM: " + e + "; run it again with --trace to see where";
    }

    /** One line, whatever the user's paths have in them. */
    private static void say(String name, String sentence) {
        StringBuilder line = new StringBuilder(name).append(": ").append(sentence);
        for (int i = 0; i < line.length(); i++) {
            if (Character.isISOControl(line.charAt(i))) {
                line.setCharAt(i, ' ');
            }
        }
        System.err.println(line);
    }
}
