package dev.holdover.cli;

import dev.holdover.control.ControlConnection;
import dev.holdover.control.QmpException;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Tty;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.ByteSize;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** {@code ctl SOCKET save STATE}: the commands that make a save, and how far it is. */
final class SaveProgress {
    private static final int POLL_MILLIS = 100;

    private final ControlConnection connection;
    private final boolean terminal = Tty.isTerminal(Fd.adopt(2, "standard error"));
    private boolean shown;

    SaveProgress(ControlConnection connection) {
        this.connection = connection;
    }

    int run(String state, boolean copyRam, boolean force) throws QmpException, InterruptedException {
        connection.execute(
                "migrate-set-capabilities",
                Map.of("capabilities", List.of(Map.of("capability", "x-ignore-shared", "state", !copyRam))),
                null);
        connection.execute("migrate-set-parameters", Map.of("mode", "cpr-reboot"), null);
        // The VMM may have another working directory.
        String path = Path.of(state).toAbsolutePath().toString();
        connection.execute("migrate", Map.of("uri", "file:" + path, "force", force), null);
        for (int wait = 1; ; wait = Math.min(2 * wait, POLL_MILLIS)) {
            Map<?, ?> migration = (Map<?, ?>) connection.execute("query-migrate", Map.of(), null);
            Object status = migration.get("status");
            if (status.equals("completed")) {
                clear();
                print(migration, state);
                return ExitCode.OK;
            }
            if (status.equals("failed")) {
                clear();
                throw new VmmException(String.valueOf(migration.get("error-desc")));
            }
            show(migration);
            Thread.sleep(wait);
        }
    }

    private void show(Map<?, ?> migration) {
        long total = ram(migration, "total");
        if (terminal && total > 0) {
            long transferred = ram(migration, "transferred");
            System.err.print("\rsaving: " + mebibytes(transferred) + " of " + mebibytes(total) + " MiB ("
                    + Math.min(100, 100 * transferred / total) + " %) ");
            shown = true;
        }
    }

    private void clear() {
        if (shown) {
            System.err.print("\r" + " ".repeat(60) + "\r");
        }
    }

    private static void print(Map<?, ?> migration, String state) {
        if (migration.get("ram-regions") instanceof List<?> regions) {
            for (Object region : regions) {
                System.out.println(region);
            }
        }
        System.out.println("saved to " + state + ": " + ByteSize.text(ram(migration, "transferred"))
                + " written, the guest has been standing still for " + migration.get("downtime") + " ms of "
                + migration.get("total-time") + " ms");
    }

    private static long ram(Map<?, ?> migration, String key) {
        return migration.get("ram") instanceof Map<?, ?> ram && ram.get(key) instanceof Long value ? value : 0;
    }

    private static long mebibytes(long bytes) {
        return bytes >> 20;
    }
}
