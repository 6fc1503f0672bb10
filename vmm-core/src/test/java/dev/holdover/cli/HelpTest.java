package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;

/** The help of each command there is, those below others included. */
class HelpTest {
    static Stream<String> commands() {
        return below(Main.commandLine());
    }

    private static Stream<String> below(CommandLine command) {
        return Stream.concat(
                Stream.of(command.getCommandSpec().qualifiedName()),
                command.getSubcommands().values().stream().distinct().flatMap(HelpTest::below));
    }

    private static String help(String path) {
        CommandLine command = Main.commandLine();
        List<String> words = List.of(path.split(" ", -1));
        for (String word : words.subList(1, words.size())) {
            command = command.getSubcommands().get(word);
        }
        return command.getUsageMessage();
    }

    @ParameterizedTest
    @MethodSource("commands")
    void fitsATerminal(String path) {
        assertThat(help(path).lines())
                .isNotEmpty()
                .allSatisfy(line -> assertThat(line.length()).as(line).isLessThanOrEqualTo(80));
    }

    @ParameterizedTest
    @MethodSource("commands")
    void saysHowToBeCalled(String path) {
        assertThat(help(path)).containsPattern("(?m)^Usage: (\\./)?" + path);
    }
}
