package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;

/** A line that is read without picocli means what picocli would have read from it. */
class PlainArgumentsTest {
    private static final Map<String, Class<? extends PlainArguments.Reader>> COMMANDS = Map.of(
            "run", RunCommand.class,
            "restore", RestoreCommand.class,
            "standby", StandbyCommand.class,
            "ctl", CtlCommand.class);

    private static PlainArguments.Reader make(String command) {
        try {
            var constructor = COMMANDS.get(command).getDeclaredConstructor();
            constructor.setAccessible(true);
            return constructor.newInstance();
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(e.getMessage(), e);
        }
    }

    /** The command's fields after picocli or its own reading, by name. */
    private static Map<String, Object> fields(Object command) {
        Map<String, Object> values = new LinkedHashMap<>();
        for (Field field : command.getClass().getDeclaredFields()) {
            boolean argument = field.isAnnotationPresent(CommandLine.Option.class)
                    || field.isAnnotationPresent(CommandLine.Parameters.class);
            if (argument) {
                field.setAccessible(true);
                try {
                    values.put(field.getName(), field.get(command));
                } catch (IllegalAccessException e) {
                    throw new AssertionError(e);
                }
            }
        }
        assertThat(values).isNotEmpty();
        return values;
    }

    private static void isReadAlike(String... line) {
        PlainArguments.Reader plain = make(line[0]);
        assertThat(PlainArguments.read(line, plain))
                .as("%s is plain", List.of(line))
                .isTrue();
        CommandLine vmm = Main.commandLine();
        vmm.parseArgs(line);
        Object byPicocli = vmm.getSubcommands().get(line[0]).getCommand();
        assertThat(fields(plain)).as("%s", List.of(line)).isEqualTo(fields(byPicocli));
    }

    /** So many arguments as the command cannot do without. */
    private static List<String> least(String command) {
        return switch (command) {
            case "restore" -> List.of("restore", "a.state");
            case "ctl" -> List.of("ctl", "a.sock", "stop");
            case "standby" -> List.of("standby", "--listen=a.sock");
            default -> List.of(command);
        };
    }

    @TestFactory
    List<DynamicTest> everyOptionByEachOfItsNames() {
        List<DynamicTest> tests = new ArrayList<>();
        for (String command : COMMANDS.keySet()) {
            for (OptionSpec option : Main.commandLine()
                    .getSubcommands()
                    .get(command)
                    .getCommandSpec()
                    .options()) {
                // One with a reader of its own takes what follows in its own way: the line is picocli's.
                if (option.usageHelp() || option.hidden() || option.required() || option.parameterConsumer() != null) {
                    continue;
                }
                for (String name : option.names()) {
                    tests.add(DynamicTest.dynamicTest(command + " " + name, () -> isReadAlike(command, option, name)));
                }
            }
        }
        return tests;
    }

    private static void isReadAlike(String command, OptionSpec option, String name) {
        List<String> line = new ArrayList<>(least(command));
        line.add(name);
        if (option.arity().min() == 0) {
            isReadAlike(line.toArray(new String[0]));
        }
        if (option.arity().max() == 0) {
            return;
        }
        line.add("x=y z");
        isReadAlike(line.toArray(new String[0]));
        line.removeLast();
        line.removeLast();
        line.add(name + "=x=y z");
        isReadAlike(line.toArray(new String[0]));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "run",
                "run -k bzImage -i initrd -a console=ttyS0 -m 1G --cpus 2 --disk path=a --disk path=b --net tap=t --rng",
                "run --bios=b --debug-exit --rng --on-reset=reboot",
                "run --debug-exit 0xf8 --bios b --name=",
                "run --add-fd fd=3,set=1 --add-fd=fd=4,set=2 --ram mem-path=/dev/fdset/1,share=off --serial null",
                "restore --force s --disk path=a --serial unix:/x",
                "ctl s migrate uri=file:/x {\"a\":1}",
                "ctl --force s save x --copy-ram",
                "ctl s stop --wait 0",
                "standby --listen /run/s --control /run/c",
            })
    void whatPeopleType(String line) {
        isReadAlike(line.split(" ", -1));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "run --help",
                "run -h",
                "run -kbzImage",
                "run -k -i",
                "run -k",
                "run x",
                "run -- x",
                "run --rng=true",
                "run --rng --rng",
                "run -m 1M --memory 2M",
                "run --bios b --debug-exit --debug-exit",
                "run --bois b",
                "run --trace",
                "restore",
                "restore a b",
                "restore --help",
                "ctl s",
                "ctl s c --x",
                "standby",
                "standby --listen a x",
            })
    void whatIsLeftToPicocli(String line) {
        String[] arguments = line.split(" ", -1);
        assertThat(PlainArguments.read(arguments, make(arguments[0]))).isFalse();
    }
}
