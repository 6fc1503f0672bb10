package dev.holdover.control;

import dev.holdover.linux.Fd;
import dev.holdover.memory.FdSets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Commands for fdsets: descriptors that come over the socket, to be named as /dev/fdset/N. */
final class FdCommands {
    private final FdSets fdsets;

    FdCommands(FdSets fdsets) {
        this.fdsets = fdsets;
    }

    List<Command> commands() {
        return List.of(
                new Command(
                        "add-fd",
                        this::add,
                        Argument.optional("fdset-id", Argument.Type.INTEGER),
                        Argument.optional("opaque", Argument.Type.STRING)),
                new Command(
                        "remove-fd",
                        this::remove,
                        Argument.required("fdset-id", Argument.Type.INTEGER),
                        Argument.optional("fd", Argument.Type.INTEGER)),
                new Command("query-fdsets", this::query));
    }

    private Object add(Call call) throws QmpException {
        long id = call.integer("fdset-id", 0);
        Fd fd = call.takeFd();
        if (fd == null) {
            throw new QmpException("No file descriptor supplied via SCM_RIGHTS");
        }
        if (id < 0) {
            fd.close();
            throw new QmpException("Parameter 'fdset-id' expects a non-negative value");
        }
        int number = fd.number();
        if (call.has("fdset-id")) {
            fdsets.add(id, fd, call.string("opaque"));
        } else {
            id = fdsets.addToNewSet(fd, call.string("opaque"));
        }
        Map<String, Object> added = new LinkedHashMap<>();
        added.put("fdset-id", id);
        added.put("fd", number);
        return added;
    }

    private Object remove(Call call) throws QmpException {
        long id = call.integer("fdset-id", 0);
        long fd = call.integer("fd", 0);
        if (!call.has("fd")) {
            if (!fdsets.remove(id)) {
                throw new QmpException("File descriptor named 'fdset-id:" + id + "' not found");
            }
        } else if (fd != (int) fd || !fdsets.remove(id, (int) fd)) {
            throw new QmpException("File descriptor named 'fdset-id:" + id + ", fd:" + fd + "' not found");
        }
        return null;
    }

    private Object query(Call call) {
        List<Object> sets = new ArrayList<>();
        for (FdSets.FdSet set : fdsets.query()) {
            List<Object> fds = new ArrayList<>();
            for (FdSets.FdInfo info : set.fds()) {
                Map<String, Object> fd = new LinkedHashMap<>();
                fd.put("fd", info.fd());
                if (info.opaque() != null) {
                    fd.put("opaque", info.opaque());
                }
                fds.add(fd);
            }
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("fdset-id", set.id());
            entry.put("fds", fds);
            sets.add(entry);
        }
        return sets;
    }
}
