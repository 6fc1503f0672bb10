package dev.holdover.control;

import dev.holdover.json.Json;
import dev.holdover.json.JsonException;
import dev.holdover.linux.Fd;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What a client's requests mean, apart from how they get here. On the thread that runs the commands. */
final class QmpSession {
    private final CommandTable commands;
    /** Set on the thread that runs commands; the clients' own looks at it to send events. */
    private volatile boolean negotiated;

    QmpSession(CommandTable commands) {
        this.commands = commands;
    }

    /** The first line of a conversation, without its end. */
    static String greeting() {
        Map<String, Object> qmp = new LinkedHashMap<>();
        qmp.put("version", ProtocolVersion.json());
        qmp.put("capabilities", List.of());
        return Json.write(Map.of("QMP", qmp));
    }

    boolean isNegotiated() {
        return negotiated;
    }

    /** Answers one request; takes over its descriptor, which may be null. Blocks as its command does. */
    String answer(byte[] request, Fd fd) {
        Map<String, Object> object = null;
        try (Call carrier = new Call(Map.of(), fd)) {
            object = Json.object(Json.parse(request));
            if (object == null) {
                throw new QmpException("QMP input must be a JSON object");
            }
            Object result = run(Request.of(object), carrier);
            return reply("return", result, object);
        } catch (JsonException e) {
            return error(e.getMessage());
        } catch (QmpException e) {
            return error(e, object);
        } catch (RuntimeException e) {
            return error(new QmpException("a bug of this VMM: " + e), object);
        }
    }

    private Object run(Request request, Call carrier) throws QmpException {
        boolean negotiation = request.command().equals(CommandTable.NEGOTIATION);
        if (!negotiated && !negotiation) {
            throw new QmpException(
                    QmpException.COMMAND_NOT_FOUND,
                    "Expecting capabilities negotiation with '" + CommandTable.NEGOTIATION + "'");
        }
        if (negotiated && negotiation) {
            throw new QmpException(
                    QmpException.COMMAND_NOT_FOUND, "Capabilities negotiation is already complete, command ignored");
        }
        if (negotiation) {
            CommandTable.checkNegotiation(request.arguments());
            negotiated = true;
            return Map.of();
        }
        return commands.run(request.command(), new Call(request.arguments(), carrier.takeFd()));
    }

    /** The reply to bytes that are no request. */
    static String error(String description) {
        return error(new QmpException(description), null);
    }

    private static String error(QmpException e, Map<String, Object> request) {
        Map<String, Object> error = new LinkedHashMap<>();
        error.put("class", e.errorClass());
        error.put("desc", e.getMessage());
        return reply("error", error, request);
    }

    private static String reply(String kind, Object value, Map<String, Object> request) {
        Map<String, Object> reply = new LinkedHashMap<>();
        reply.put(kind, value);
        if (request != null && request.containsKey("id")) {
            reply.put("id", request.get("id"));
        }
        return Json.write(reply);
    }
}
