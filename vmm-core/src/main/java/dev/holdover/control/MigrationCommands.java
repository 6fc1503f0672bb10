package dev.holdover.control;

import dev.holdover.json.Json;
import dev.holdover.machine.SaveOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Commands that save the guest, and say how. */
final class MigrationCommands {
    private static final String IGNORE_SHARED = "x-ignore-shared";
    private static final String EVENTS = "events";

    /** QEMU's other capabilities: off is what they are, on cannot be had. */
    private static final List<String> LACKING = List.of(
            "xbzrle",
            "rdma-pin-all",
            "auto-converge",
            "zero-blocks",
            "compress",
            "postcopy-ram",
            "x-colo",
            "release-ram",
            "block",
            "return-path",
            "pause-before-switchover",
            "multifd",
            "dirty-bitmaps",
            "postcopy-blocktime",
            "late-block-activate",
            "validate-uuid",
            "background-snapshot",
            "zero-copy-send",
            "postcopy-preempt",
            "switchover-ack",
            "dirty-limit",
            "mapped-ram");

    private static final List<Argument> CAPABILITY = List.of(
            Argument.required("capability", Argument.Type.STRING), Argument.required("state", Argument.Type.BOOLEAN));

    private static final String FILE = "file:";
    private static final String UNIX = "unix:";
    private static final String TRANSFER = "cpr-transfer";

    private final Migration migration;

    // On the thread that runs commands only.
    private boolean ignoreShared;
    private boolean events = true;
    private String mode = "normal";
    private long maxBandwidth;
    private long downtimeLimit = 300;

    MigrationCommands(Migration migration) {
        this.migration = migration;
    }

    List<Command> commands() {
        return List.of(
                new Command(
                        "migrate",
                        this::migrate,
                        Argument.required("uri", Argument.Type.STRING),
                        Argument.optional("detach", Argument.Type.BOOLEAN),
                        Argument.optional("resume", Argument.Type.BOOLEAN),
                        Argument.optional("force", Argument.Type.BOOLEAN)),
                new Command("migrate-incoming", this::incoming, Argument.required("uri", Argument.Type.STRING)),
                new Command("query-migrate", call -> migration.query()),
                new Command(
                        "migrate-set-capabilities",
                        this::setCapabilities,
                        Argument.required("capabilities", Argument.Type.ARRAY)),
                new Command("query-migrate-capabilities", this::queryCapabilities),
                new Command(
                        "migrate-set-parameters",
                        this::setParameters,
                        Argument.optional("mode", Argument.Type.STRING),
                        Argument.optional("max-bandwidth", Argument.Type.SIZE),
                        Argument.optional("downtime-limit", Argument.Type.SIZE)),
                new Command("query-migrate-parameters", this::queryParameters));
    }

    private Object migrate(Call call) throws QmpException {
        String uri = call.string("uri");
        if (uri.startsWith(UNIX)) {
            return handOver(uri.substring(UNIX.length()));
        }
        if (mode.equals(TRANSFER)) {
            throw new QmpException("bad cpr channel address; must be unix");
        }
        if (!uri.startsWith(FILE)) {
            throw new QmpException("unknown migration protocol: " + uri);
        }
        if (call.bool("resume", false)) {
            throw new QmpException("Cannot resume if there is no paused migration");
        }
        String path = uri.substring(FILE.length());
        if (path.contains(",offset=")) {
            throw new QmpException("Parameter 'uri' takes no offset: a state has a file of its own");
        }
        requireTarget(path);
        migration.start(path, new SaveOptions(ignoreShared, call.bool("force", false)), events);
        return null;
    }

    private Object handOver(String path) throws QmpException {
        if (!mode.equals(TRANSFER)) {
            throw new QmpException("migration to a unix socket hands the guest over with its RAM in place, which needs"
                    + " migration mode '" + TRANSFER + "'");
        }
        if (path.isEmpty() || path.indexOf('\0') >= 0) {
            throw new QmpException("Parameter 'uri' expects a path behind 'unix:'");
        }
        migration.startHandOver(path, events);
        return null;
    }

    /** What can be told at once, before the guest is stopped; anything else fails the save. */
    private static void requireTarget(String path) throws QmpException {
        if (path.isEmpty() || path.indexOf('\0') >= 0) {
            throw new QmpException("Parameter 'uri' expects a path behind 'file:'");
        }
        Path directory = Path.of(path).toAbsolutePath().getParent();
        if (directory == null || Files.isDirectory(Path.of(path))) {
            throw new QmpException("Could not create '" + path + "': Is a directory");
        }
        if (!path.startsWith("/dev/fdset/") && !Files.isDirectory(directory)) {
            throw new QmpException("Could not create '" + path + "': No such file or directory");
        }
    }

    private Object incoming(Call call) throws QmpException {
        throw new QmpException("'-incoming' was not specified on the command line");
    }

    /** All or none. */
    private Object setCapabilities(Call call) throws QmpException {
        migration.requireNone();
        boolean newIgnoreShared = ignoreShared;
        boolean newEvents = events;
        List<?> given = call.array("capabilities");
        for (int i = 0; i < given.size(); i++) {
            String path = "capabilities[" + i + "]";
            Argument.checkType(path, Argument.Type.OBJECT, given.get(i));
            Map<String, Object> entry = Json.object(given.get(i));
            Argument.check(CAPABILITY, entry, path + ".");
            String capability = (String) entry.get("capability");
            boolean state = (Boolean) entry.get("state");
            if (capability.equals(IGNORE_SHARED)) {
                newIgnoreShared = state;
            } else if (capability.equals(EVENTS)) {
                newEvents = state;
            } else if (!LACKING.contains(capability)) {
                throw new QmpException("Parameter 'capability' does not accept value '" + capability + "'");
            } else if (state) {
                throw new QmpException("Capability '" + capability + "' is not supported by this VMM");
            }
        }
        ignoreShared = newIgnoreShared;
        events = newEvents;
        return null;
    }

    private Object queryCapabilities(Call call) {
        List<Object> all = new ArrayList<>();
        all.add(capability(IGNORE_SHARED, ignoreShared));
        all.add(capability(EVENTS, events));
        return all;
    }

    private static Map<String, Object> capability(String name, boolean state) {
        Map<String, Object> capability = new LinkedHashMap<>();
        capability.put("capability", name);
        capability.put("state", state);
        return capability;
    }

    private Object setParameters(Call call) throws QmpException {
        migration.requireNone();
        if (call.has("mode")) {
            mode = mode(call.string("mode"));
        }
        maxBandwidth = call.integer("max-bandwidth", maxBandwidth);
        downtimeLimit = call.integer("downtime-limit", downtimeLimit);
        return null;
    }

    private static String mode(String name) throws QmpException {
        if (name.equals("cpr-exec")) {
            throw new QmpException(
                    "Migration mode 'cpr-exec' is not supported by this VMM: use 'cpr-transfer' to a VMM that stands by");
        }
        if (!name.equals("normal") && !name.equals("cpr-reboot") && !name.equals(TRANSFER)) {
            throw new QmpException("Parameter 'mode' does not accept value '" + name + "'");
        }
        return name;
    }

    private Object queryParameters(Call call) {
        Map<String, Object> parameters = new LinkedHashMap<>();
        parameters.put("mode", mode);
        parameters.put("max-bandwidth", maxBandwidth);
        parameters.put("downtime-limit", downtimeLimit);
        return parameters;
    }
}
