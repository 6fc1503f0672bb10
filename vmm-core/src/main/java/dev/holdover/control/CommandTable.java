package dev.holdover.control;

import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.VmmException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Every command there is. Names, arguments and errors come from the declarations. */
final class CommandTable {
    static final String NEGOTIATION = "qmp_capabilities";

    private static final List<Argument> NEGOTIATED = List.of(Argument.optional("enable", Argument.Type.ARRAY));

    private final Map<String, Command> commands = new LinkedHashMap<>();

    CommandTable(
            GuestCommands guest,
            FdCommands fds,
            ObjectCommands objects,
            MigrationCommands migration,
            List<Command> liveUpdate) {
        add(guest.commands());
        add(fds.commands());
        add(objects.commands());
        add(migration.commands());
        add(liveUpdate);
        add(List.of(new Command("query-commands", this::queryCommands)));
    }

    private void add(List<Command> group) {
        for (Command command : group) {
            commands.put(command.name(), command);
        }
    }

    private Object queryCommands(Call call) {
        List<Object> names = new ArrayList<>();
        names.add(Map.of("name", NEGOTIATION));
        for (String name : commands.keySet()) {
            names.add(Map.of("name", name));
        }
        return names;
    }

    /** Checks and runs a command; takes over the call's descriptor. Blocks as the command does. */
    Object run(String name, Call call) throws QmpException {
        try (call) {
            Command command = commands.get(name);
            if (command == null) {
                throw new QmpException(QmpException.COMMAND_NOT_FOUND, "The command " + name + " has not been found");
            }
            if (command.arguments() != null) {
                Argument.check(command.arguments(), call.arguments(), "");
            }
            Object result = command.handler().run(call);
            return result == null ? Map.of() : result;
        } catch (VmmException | ErrnoException e) {
            throw new QmpException(e.getMessage());
        }
    }

    /** Checks the arguments of {@link #NEGOTIATION}: there is no capability that could be enabled. */
    static void checkNegotiation(Map<String, Object> arguments) throws QmpException {
        Argument.check(NEGOTIATED, arguments, "");
        List<?> enable = (List<?>) arguments.getOrDefault("enable", List.of());
        for (int i = 0; i < enable.size(); i++) {
            Argument.checkType("enable[" + i + "]", Argument.Type.STRING, enable.get(i));
            throw new QmpException(
                    enable.get(i).equals("oob")
                            ? "QMP capability 'oob' is not available"
                            : "Parameter 'enable[" + i + "]' does not accept value '" + enable.get(i) + "'");
        }
    }
}
