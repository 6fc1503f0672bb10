package dev.holdover.control;

import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.VmmException;
import dev.holdover.machine.HandOverReport;
import dev.holdover.machine.RunState;
import dev.holdover.machine.SaveOptions;
import dev.holdover.machine.SaveReport;
import dev.holdover.memory.RamConfig;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** A save that a client asked for: on a thread of its own, with a status that others may ask for. Any thread. */
final class Migration {
    private enum Status {
        NONE,
        SETUP,
        ACTIVE,
        COMPLETED,
        FAILED;

        private String text() {
            return switch (this) {
                case NONE -> "none";
                case SETUP -> "setup";
                case ACTIVE -> "active";
                case COMPLETED -> "completed";
                case FAILED -> "failed";
            };
        }
    }

    private static final long PAGE = 4096;

    private final Guest guest;
    private final Events events;

    private Status status = Status.NONE;
    private boolean tellsEvents;
    private SaveOptions options;
    private long startNanos;
    private SaveReport report;
    private volatile HandOverReport handOver;
    private String error;

    Migration(Guest guest, Events events) {
        this.guest = guest;
        this.events = events;
    }

    /** Starts a save and returns; what prevents it at once throws. */
    synchronized void start(String path, SaveOptions how, boolean withEvents) throws QmpException {
        requireNone();
        if (guest.state() == RunState.SAVED) {
            throw new QmpException("Can't migrate the vm that was paused due to previous migration");
        }
        begin(how, withEvents, () -> guest.save(path, how));
    }

    /** Starts to hand the guest to a VMM that stands by at a path, and returns; what prevents it at once throws. */
    synchronized void startHandOver(String path, boolean withEvents) throws QmpException {
        requireNone();
        begin(SaveOptions.IN_PLACE, withEvents, () -> {
            HandOverReport crossed = guest.handOver(path);
            handOver = crossed;
            return new SaveReport(0, crossed.stateBytes(), crossed.totalNanos(), crossed.blackoutNanos(), List.of());
        });
    }

    private void begin(SaveOptions how, boolean withEvents, Supplier<SaveReport> work) {
        tellsEvents = withEvents;
        options = how;
        startNanos = System.nanoTime();
        report = null;
        handOver = null;
        error = null;
        change(Status.SETUP);
        Thread thread = new Thread("migration") {
            @Override
            public void run() {
                work(work);
            }
        };
        thread.setDaemon(true);
        thread.start();
    }

    private void work(Supplier<SaveReport> work) {
        synchronized (this) {
            change(Status.ACTIVE);
        }
        try {
            SaveReport result = work.get();
            synchronized (this) {
                report = result;
                change(Status.COMPLETED);
            }
        } catch (VmmException | ErrnoException e) {
            fail(e.getMessage());
        } catch (RuntimeException | Error e) {
            fail("a bug of this VMM: " + e);
        }
        guest.leave(); // if another VMM has it; clients were told
    }

    private synchronized void fail(String why) {
        error = why;
        change(Status.FAILED);
    }

    private void change(Status to) {
        status = to;
        if (tellsEvents) {
            Map<String, Object> data = new LinkedHashMap<>();
            data.put("status", to.text());
            if (handOver != null) {
                data.put("blackout", blackout(handOver)); // this VMM may be gone before someone asks
            }
            events.tell("MIGRATION", data);
        }
    }

    synchronized boolean isRunning() {
        return status == Status.SETUP || status == Status.ACTIVE;
    }

    /** For commands that cannot be run while a state is saved. */
    void requireNone() throws QmpException {
        if (isRunning()) {
            throw new QmpException("There's a migration process in progress");
        }
    }

    /** As query-migrate tells it. */
    synchronized Map<String, Object> query() {
        Map<String, Object> info = new LinkedHashMap<>();
        if (status == Status.NONE) {
            return info;
        }
        info.put("status", status.text());
        if (status == Status.FAILED) {
            info.put("error-desc", error);
        } else if (status == Status.COMPLETED) {
            info.put("total-time", report.totalNanos() / 1_000_000);
            info.put("downtime", report.stoppedNanos() / 1_000_000);
            info.put("setup-time", 0);
            info.put("ram", ram(report.ramTotal(), report.transferred(), 0));
            if (handOver != null) {
                info.put("blackout", blackout(handOver));
            }
            if (!report.ram().isEmpty()) {
                info.put("ram-regions", report.ram());
            }
        } else {
            info.put("total-time", (System.nanoTime() - startNanos) / 1_000_000);
            info.put("expected-downtime", 0);
            info.put("setup-time", 0);
            long total = expectedTotal();
            long transferred = guest.saveProgressBytes();
            info.put("ram", ram(total, transferred, Math.max(0, total - transferred)));
        }
        return info;
    }

    /** How long the guest stood still, and in what, in microseconds. */
    private static Map<String, Object> blackout(HandOverReport report) {
        Map<String, Object> parts = new LinkedHashMap<>();
        parts.put("total-us", report.blackoutNanos() / 1000);
        parts.put("pause-us", report.pauseNanos() / 1000);
        parts.put("save-us", report.saveNanos() / 1000);
        parts.put("send-us", report.sendNanos() / 1000);
        parts.put("apply-us", report.applyNanos() / 1000);
        parts.put("enter-us", report.enterNanos() / 1000);
        return parts;
    }

    private long expectedTotal() {
        RamConfig ram = guest.ram();
        return ram == null || (options.ignoreShared() && ram.share()) ? 0 : ram.size();
    }

    /** All members that QMP's schema says are there, so that typed clients can read it. */
    private Map<String, Object> ram(long total, long transferred, long remaining) {
        long nanos = Math.max(1, report == null ? System.nanoTime() - startNanos : report.totalNanos());
        long pages = (total - remaining) / PAGE;
        Map<String, Object> ram = new LinkedHashMap<>();
        ram.put("total", total);
        ram.put("transferred", transferred);
        ram.put("remaining", remaining);
        ram.put("duplicate", 0);
        ram.put("normal", pages);
        ram.put("normal-bytes", pages * PAGE);
        ram.put("page-size", PAGE);
        ram.put("dirty-sync-count", 1);
        ram.put("dirty-sync-missed-zero-copy", 0);
        ram.put("dirty-pages-rate", 0);
        ram.put("mbps", Math.round(transferred * 8e12 / nanos / 1e6) / 1000.0);
        ram.put("pages-per-second", Math.round(pages * 1e9 / nanos));
        ram.put("multifd-bytes", 0);
        ram.put("precopy-bytes", 0);
        ram.put("downtime-bytes", transferred);
        ram.put("postcopy-bytes", 0);
        ram.put("postcopy-requests", 0);
        return ram;
    }
}
