package dev.holdover.cli;

import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.OverwrittenOptionException;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** What is wrong with a command line that picocli refuses, in words for who typed it. */
final class UsageSentence {
    /** A name that is wrong in more places than this is not a slip of the fingers. */
    private static final int MAX_SLIPS = 2;

    private UsageSentence() {}

    static String of(ParameterException e) {
        if (e instanceof UnmatchedArgumentException unmatched) {
            return unknown(unmatched.getUnmatched().getFirst(), e.getCommandLine());
        }
        if (e instanceof OverwrittenOptionException twice) {
            return name(twice.getOverwritten()) + " is given twice";
        }
        if (e instanceof MissingParameterException missing
                && missing.getMissing().size() == 1) {
            ArgSpec option = missing.getMissing().getFirst();
            return option.isOption()
                    ? name(option) + " needs a value: " + option.paramLabel()
                    : name(option) + " is missing";
        }
        String text = e.getMessage();
        return text.endsWith(".") ? text.substring(0, text.length() - 1) : text;
    }

    private static String name(ArgSpec argument) {
        return argument instanceof OptionSpec option ? option.longestName() : argument.paramLabel();
    }

    private static String unknown(String argument, CommandLine command) {
        Map<String, OptionSpec> options = command.getCommandSpec().optionsMap();
        Map<String, CommandLine> commands = command.getSubcommands();
        if (argument.startsWith("-") && !options.containsKey(argument)) {
            int equals = argument.indexOf('=');
            String option = equals < 0 ? argument : argument.substring(0, equals);
            return "unknown option '" + option + "'" + suggestion(option, options.keySet());
        }
        if (!commands.isEmpty()) {
            return "unknown command '" + argument + "'" + suggestion(argument, commands.keySet());
        }
        return "unexpected argument '" + argument + "'";
    }

    private static String suggestion(String typed, Iterable<String> names) {
        String best = null;
        int fewest = Math.min(MAX_SLIPS, typed.length() - 1) + 1;
        for (String name : names) {
            int slips = slips(typed, name);
            // Short options are all alike.
            if (slips < fewest && name.length() > 2) {
                best = name;
                fewest = slips;
            }
        }
        return best == null ? "" : " (did you mean " + best + "?)";
    }

    /** How many letters to put in, leave out or change make one text of the other. */
    private static int slips(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int changed = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(changed, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }
}
