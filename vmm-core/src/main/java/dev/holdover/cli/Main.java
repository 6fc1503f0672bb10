package dev.holdover.cli;

import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.UsageException;
import dev.holdover.linux.VmmException;
import dev.holdover.machine.RestoreRefused;
import dev.holdover.vmstate.StateException;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

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
        }
        System.exit(code);
    }

    static CommandLine commandLine() {
        CommandLine vmm = new CommandLine(new VmmCommand());
        vmm.setCaseInsensitiveEnumValuesAllowed(true);
        vmm.setAbbreviatedOptionsAllowed(false);
        // One option, one value: a second one is a mistake that should not pass.
        vmm.setOverwrittenOptionsAllowed(false);
        vmm.setParameterExceptionHandler(Main::badUsage);
        vmm.setExecutionExceptionHandler((e, command, parsed) -> failed(e, command, trace(parsed)));
        return vmm;
    }

    private static boolean trace(CommandLine.ParseResult parsed) {
        return parsed.hasMatchedOption("--trace")
                || (parsed.hasSubcommand() && parsed.subcommand().hasMatchedOption("--trace"));
    }

    private static int badUsage(ParameterException e, String[] args) {
        CommandLine command = e.getCommandLine();
        String name = command.getCommandSpec().qualifiedName();
        StringBuilder sentence = new StringBuilder(name).append(": ").append(oneLine(e.getMessage()));
        if (e instanceof UnmatchedArgumentException unmatched
                && !unmatched.getSuggestions().isEmpty()) {
            sentence.append(" (did you mean ")
                    .append(String.join(" or ", unmatched.getSuggestions()))
                    .append("?)");
        }
        System.err.println(sentence.append("; see ./").append(name).append(" --help"));
        return ExitCode.USAGE;
    }

    private static String oneLine(String text) {
        return text.replaceAll("\\s*\\R\\s*", " ");
    }

    static int failed(Throwable e, CommandLine command, boolean trace) {
        String name = command.getCommandSpec().qualifiedName();
        if (trace) {
            e.printStackTrace();
        }
        if (e instanceof UsageException) {
            System.err.println(name + ": " + e.getMessage());
            return ExitCode.USAGE;
        }
        if (e instanceof RestoreRefused || e instanceof StateException) {
            System.err.println(name + ": " + e.getMessage());
            return ExitCode.RESTORE_REFUSED;
        }
        if (e instanceof VmmException || e instanceof ErrnoException) {
            System.err.println(name + ": " + e.getMessage());
        } else {
            System.err.println(name + ": a bug of this VMM: " + e + "; run it again with --trace to see where");
        }
        return ExitCode.FAILED;
    }
}
