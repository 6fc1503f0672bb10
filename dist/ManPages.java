import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** Writes vmm(1) and a page a command from what the commands say of themselves: java ManPages.java VERSION DIRECTORY. */
final class ManPages {
    private final String version;
    private final StringBuilder page = new StringBuilder();

    private ManPages(String version) {
        this.version = version;
    }

    public static void main(String[] args) throws Exception {
        Method model = Class.forName("dev.holdover.cli.Main").getDeclaredMethod("commandLine");
        model.setAccessible(true);
        CommandLine vmm = (CommandLine) model.invoke(null);
        Path directory = Path.of(args[1]);
        List<String> names = new ArrayList<>();
        for (CommandLine command : vmm.getSubcommands().values()) {
            String name = command.getCommandName();
            if (!name.equals("help")) {
                names.add(name);
                new ManPages(args[0]).write(directory, "vmm-" + name, command, List.of());
            }
        }
        new ManPages(args[0]).write(directory, "vmm", vmm, names);
    }

    private void write(Path directory, String name, CommandLine command, List<String> others) throws IOException {
        CommandSpec spec = command.getCommandSpec();
        line(".TH " + name.toUpperCase(Locale.ROOT) + " 1 \"\" \"Holdover " + version + "\"");
        line(".SH NAME");
        String[] description = spec.usageMessage().description();
        line(text(name + " - " + (description.length == 0 ? "" : description[0])));
        line(".SH SYNOPSIS");
        verbatim(command.getHelp().synopsis(0).replace("./vmm", "vmm"));
        line(".SH DESCRIPTION");
        for (String sentence : description) {
            line(sentence.isEmpty() ? ".PP" : text(sentence));
        }
        if (!others.isEmpty()) {
            line(".SH COMMANDS");
            for (String other : others) {
                CommandSpec sub = command.getSubcommands().get(other).getCommandSpec();
                line(".TP");
                line("\\fBvmm-" + other + "\\fR(1)");
                line(text(first(sub.usageMessage().description())));
            }
        }
        if (!spec.positionalParameters().isEmpty()) {
            line(".SH ARGUMENTS");
            for (PositionalParamSpec argument : spec.positionalParameters()) {
                line(".TP");
                line("\\fI" + text(argument.paramLabel()) + "\\fR");
                lines(argument.description());
            }
        }
        line(".SH OPTIONS");
        for (OptionSpec option : spec.options()) {
            if (!option.hidden()) {
                line(".TP");
                line(names(option));
                lines(option.description());
            }
        }
        line(".SH NOTES");
        verbatim(String.join("\n", spec.usageMessage().footer()).replace("./vmm", "vmm").strip());
        Files.writeString(directory.resolve(name + ".1"), page);
    }

    /** The first paragraph. */
    private static String first(String[] description) {
        StringBuilder paragraph = new StringBuilder();
        for (String sentence : description) {
            if (sentence.isEmpty()) {
                break;
            }
            paragraph.append(paragraph.isEmpty() ? "" : " ").append(sentence.strip());
        }
        return paragraph.toString();
    }

    private String names(OptionSpec option) {
        StringBuilder names = new StringBuilder();
        for (String name : option.names()) {
            names.append(names.isEmpty() ? "" : ", ").append("\\fB").append(text(name)).append("\\fR");
        }
        if (option.arity().max() > 0) {
            names.append(" \\fI").append(text(option.paramLabel())).append("\\fR");
        }
        return names.toString();
    }

    /** A description; what is set out in columns stays so. */
    private void lines(String[] description) {
        for (int i = 0; i < description.length; i++) {
            String sentence = Ansi.OFF.string(description[i]).replace("${FALLBACK-VALUE}", "0xf4");
            if (i > 0) {
                line(".br");
            }
            line(text(sentence));
        }
    }

    private void verbatim(String block) {
        line(".nf");
        for (String each : block.split("\n", -1)) {
            line(text(each));
        }
        line(".fi");
    }

    /** A minus is a hyphen to roff, and a line that begins with a dot or a quote is a request. */
    private static String text(String plain) {
        String escaped = plain.replace("\\", "\\e").replace("-", "\\-");
        return escaped.startsWith(".") || escaped.startsWith("'") ? "\\&" + escaped : escaped;
    }

    private void line(String line) {
        page.append(line).append('\n');
    }
}
