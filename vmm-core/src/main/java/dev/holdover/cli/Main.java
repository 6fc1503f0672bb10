package dev.holdover.cli;

import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.UsageException;
import dev.holdover.linux.VmmException;
import dev.holdover.machine.RestoreRefused;
import dev.holdover.vmstate.StateException;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

/** Starts the command that the user names, and turns what fails into one sentence and an exit code. */
public final class Main {
    private Main() {}

    public static void main(String[] args) {
        int code;
        try {
            code = commandLine().execute(args);
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

    static CommandLine commandLine() {
        CommandLine vmm = new CommandLine(new VmmCommand());
        vmm.setCaseInsensitiveEnumValuesAllowed(true);
        vmm.setAbbreviatedOptionsAllowed(false);
        // A kernel's command line may begin with @.
        vmm.setExpandAtFiles(false);
        // One option, one value: a second one is a mistake that should not pass.
        vmm.setOverwrittenOptionsAllowed(false);
        vmm.setParameterExceptionHandler(Main::badUsage);
        vmm.setExecutionExceptionHandler((e, command, parsed) -> failed(e, command, trace(parsed)));
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

    static int failed(Throwable e, CommandLine command, boolean trace) {
        String name = command.getCommandSpec().qualifiedName();
        if (trace) {
            e.printStackTrace();
        }
        if (e instanceof VmmException || e instanceof ErrnoException) {
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
