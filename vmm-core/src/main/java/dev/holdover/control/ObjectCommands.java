package dev.holdover.control;

import dev.holdover.memory.FdSets;
import dev.holdover.memory.Ram;
import dev.holdover.memory.RamConfig;
import dev.holdover.platform.MemoryMap;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Commands for memory backends: RAM that is opened, sized, mapped and held until it is deleted. */
final class ObjectCommands implements AutoCloseable {
    private static final String FILE = "memory-backend-file";
    private static final String MEMFD = "memory-backend-memfd";

    private static final List<Argument> TYPE = List.of(Argument.required("qom-type", Argument.Type.STRING));
    private static final List<Argument> MEMFD_MEMBERS = List.of(
            TYPE.getFirst(),
            Argument.required("id", Argument.Type.STRING),
            Argument.required("size", Argument.Type.SIZE),
            Argument.optional("share", Argument.Type.BOOLEAN),
            Argument.optional("prealloc", Argument.Type.BOOLEAN));
    private static final List<Argument> FILE_MEMBERS = fileMembers();

    private static List<Argument> fileMembers() {
        List<Argument> members = new ArrayList<>(MEMFD_MEMBERS);
        members.add(Argument.required("mem-path", Argument.Type.STRING));
        members.add(Argument.optional("offset", Argument.Type.SIZE));
        return members;
    }

    private final FdSets fdsets;
    private final Guest guest;
    private final Map<String, Ram> backends = new LinkedHashMap<>();

    ObjectCommands(FdSets fdsets, Guest guest) {
        this.fdsets = fdsets;
        this.guest = guest;
    }

    List<Command> commands() {
        return List.of(
                new Command("object-add", this::add, (List<Argument>) null),
                new Command("object-del", this::delete, Argument.required("id", Argument.Type.STRING)),
                new Command("query-memdev", this::queryMemdev));
    }

    /** What it takes depends on the type. */
    private Object add(Call call) throws QmpException {
        Map<String, Object> given = call.arguments();
        Argument.check(TYPE, given.containsKey("qom-type") ? Map.of("qom-type", type(given)) : Map.of(), "");
        String type = call.string("qom-type");
        if (!type.equals(FILE) && !type.equals(MEMFD)) {
            throw new QmpException("Parameter 'qom-type' does not accept value '" + type + "'");
        }
        Argument.check(type.equals(FILE) ? FILE_MEMBERS : MEMFD_MEMBERS, given, "");
        String id = call.string("id");
        if (!isIdentifier(id)) {
            throw new QmpException("Parameter 'id' expects an identifier");
        }
        if (backends.containsKey(id)) {
            throw new QmpException("attempt to add duplicate property '" + id + "' to object (type 'container')");
        }
        RamConfig config = config(call, type);
        backends.put(id, Ram.open(config, fdsets, MemoryMap.LOW_RAM_END, MemoryMap.HIGH_RAM));
        return null;
    }

    private static Object type(Map<String, Object> given) throws QmpException {
        Argument.checkType("qom-type", Argument.Type.STRING, given.get("qom-type"));
        return given.get("qom-type");
    }

    private static RamConfig config(Call call, String type) throws QmpException {
        long size = call.integer("size", 0);
        long offset = call.integer("offset", 0);
        if (size == 0) {
            throw new QmpException("property 'size' of " + type + " doesn't take value '0'");
        }
        if (size > Long.MAX_VALUE - RamConfig.PAGE - offset) {
            throw new QmpException("'size' option 0x" + Long.toHexString(size) + " plus 'offset' option 0x"
                    + Long.toHexString(offset) + " is too large");
        }
        requirePages("size", size);
        requirePages("offset", offset);
        boolean isFile = type.equals(FILE);
        String path = call.string("mem-path");
        if (isFile && (path.isEmpty() || path.indexOf('\0') >= 0)) {
            throw new QmpException("Parameter 'mem-path' expects a path");
        }
        return new RamConfig(
                isFile ? RamConfig.Backend.FILE : RamConfig.Backend.MEMFD,
                size,
                path,
                call.bool("share", !isFile),
                offset,
                true,
                call.bool("prealloc", false));
    }

    private static void requirePages(String option, long value) throws QmpException {
        if (value % RamConfig.PAGE != 0) {
            throw new QmpException("'" + option + "' option 0x" + Long.toHexString(value)
                    + " must be a multiple of the page size 0x" + Long.toHexString(RamConfig.PAGE));
        }
    }

    /** As QEMU's id_wellformed(): a letter, then letters, digits, '-', '.' and '_'. */
    private static boolean isIdentifier(String id) {
        for (int i = 0; i < id.length(); i++) {
            char c = id.charAt(i);
            boolean letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
            boolean other = (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
            if (!letter && (i == 0 || !other)) {
                return false;
            }
        }
        return !id.isEmpty();
    }

    private Object delete(Call call) throws QmpException {
        Ram ram = backends.remove(call.string("id"));
        if (ram == null) {
            throw new QmpException("object '" + call.string("id") + "' not found");
        }
        ram.close();
        return null;
    }

    /** The newest first, as QEMU; the guest's own RAM last. */
    private Object queryMemdev(Call call) {
        List<Object> all = new ArrayList<>();
        for (Map.Entry<String, Ram> backend : backends.entrySet()) {
            all.addFirst(describe(backend.getKey(), backend.getValue().config()));
        }
        if (guest.ram() != null) {
            all.add(describe("ram0", guest.ram()));
        }
        return all;
    }

    private static Map<String, Object> describe(String id, RamConfig config) {
        Map<String, Object> memdev = new LinkedHashMap<>();
        memdev.put("id", id);
        memdev.put("size", config.size());
        memdev.put("share", config.share());
        memdev.put("prealloc", config.prefault());
        memdev.put("merge", false);
        memdev.put("dump", false);
        memdev.put("reserve", true);
        memdev.put("host-nodes", List.of());
        memdev.put("policy", "default");
        return memdev;
    }

    @Override
    public void close() {
        for (Ram ram : backends.values()) {
            ram.close();
        }
        backends.clear();
    }
}
