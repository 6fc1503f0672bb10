package dev.holdover.control;

import dev.holdover.json.Json;
import java.util.Map;

/**
 * A command as a client sent it.
 *
 * @param command its name, which may be none that there is
 * @param arguments not yet checked; empty if there are none
 */
record Request(String command, Map<String, Object> arguments) {
    /** Checks the form of a request; what it has beside its id. */
    static Request of(Map<String, Object> object) throws QmpException {
        String command = null;
        Map<String, Object> arguments = Map.of();
        for (Map.Entry<String, Object> member : object.entrySet()) {
            Object value = member.getValue();
            switch (member.getKey()) {
                case "execute" -> {
                    if (!(value instanceof String name)) {
                        throw new QmpException("QMP input member 'execute' must be a string");
                    }
                    command = name;
                }
                case "arguments" -> {
                    arguments = Json.object(value);
                    if (arguments == null) {
                        throw new QmpException("QMP input member 'arguments' must be an object");
                    }
                }
                case "id" -> {
                    // the caller's
                }
                default -> throw new QmpException("QMP input member '" + member.getKey() + "' is unexpected");
            }
        }
        if (command == null) {
            throw new QmpException("QMP input lacks member 'execute'");
        }
        return new Request(command, arguments);
    }
}
