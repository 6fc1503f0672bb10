package dev.holdover.control;

import dev.holdover.machine.RunState;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Commands that run, stop, end and describe the guest. */
final class GuestCommands {
    private final Guest guest;
    private final Migration migration;

    GuestCommands(Guest guest, Migration migration) {
        this.guest = guest;
        this.migration = migration;
    }

    List<Command> commands() {
        return List.of(
                new Command("query-status", this::queryStatus),
                new Command("query-version", call -> ProtocolVersion.json()),
                new Command("query-name", this::queryName),
                new Command("query-cpus-fast", this::queryCpus),
                new Command("stop", this::stop),
                new Command("cont", this::cont),
                new Command("system_reset", this::reset),
                new Command("system_powerdown", this::powerdown),
                new Command("quit", this::quit));
    }

    private Object queryStatus(Call call) {
        RunState state = guest.state();
        Map<String, Object> status = new LinkedHashMap<>();
        status.put("status", name(state));
        status.put("running", state == RunState.RUNNING);
        return status;
    }

    private String name(RunState state) {
        return switch (state) {
            case PRELAUNCH -> "prelaunch";
            case RUNNING -> "running";
            case PAUSED -> migration.isRunning() ? "finish-migrate" : "paused";
            case SAVED, PRESERVED, HANDED_OVER -> "postmigrate";
        };
    }

    private Object queryName(Call call) {
        return guest.name().isEmpty() ? null : Map.of("name", guest.name());
    }

    private Object queryCpus(Call call) {
        List<Object> cpus = new ArrayList<>();
        int[] threads = guest.vcpuThreadIds();
        for (int i = 0; i < threads.length; i++) {
            Map<String, Object> cpu = new LinkedHashMap<>();
            cpu.put("cpu-index", i);
            cpu.put("qom-path", "/machine/cpu[" + i + "]");
            cpu.put("thread-id", threads[i]);
            cpu.put("target", "x86_64");
            cpus.add(cpu);
        }
        return cpus;
    }

    private Object stop(Call call) throws QmpException {
        migration.requireNone();
        guest.pause();
        return null;
    }

    private Object cont(Call call) throws QmpException {
        if (migration.isRunning()) {
            throw new QmpException("Migration is not finalized yet");
        }
        guest.resume();
        return null;
    }

    private Object reset(Call call) throws QmpException {
        migration.requireNone();
        guest.reset();
        return null;
    }

    private Object powerdown(Call call) {
        guest.pressPowerButton();
        return null;
    }

    private Object quit(Call call) {
        guest.quit();
        return null;
    }
}
