package dev.holdover.control;

import dev.holdover.machine.HandOverReport;
import dev.holdover.machine.RunState;
import dev.holdover.machine.SaveOptions;
import dev.holdover.machine.SaveReport;
import dev.holdover.memory.RamConfig;
import dev.holdover.vmstate.TimelineEvent;
import java.util.List;

/**
 * The guest that commands act on. Between them and the machine so that {@code --machine none} needs no KVM: {@link
 * MachineGuest} alone knows the machine. Its methods throw {@link dev.holdover.linux.VmmException}.
 */
interface Guest {
    /** May be empty. */
    String name();

    /** Null if there is no machine. */
    RamConfig ram();

    /** The kernel's thread id of each vCPU. */
    int[] vcpuThreadIds();

    /** Never blocks, not even while a state is saved. */
    RunState state();

    void resume();

    /** Blocks until the vCPUs are parked and the devices rest. */
    void pause();

    void reset();

    void pressPowerButton();

    /** Ends the VMM, soon. */
    void quit();

    /** Blocks until the state is durable. The guest is paused then, or runs on if it failed. */
    SaveReport save(String path, SaveOptions options);

    /** Hands the guest to the VMM that stands by at a path; blocks until it runs there. */
    HandOverReport handOver(String path);

    /** Ends this VMM if another has the guest. */
    void leave();

    /** Preserves RAM for a live update while the guest runs. */
    void prepareLiveUpdate();

    /** Stops the guest and preserves all of it; whoever reboots the host may do so then. */
    void preserveForLiveUpdate();

    /** Gives a live update up; the guest goes on. */
    void abortLiveUpdate();

    /** The phases of the last live update. Never blocks. */
    List<TimelineEvent> timeline();

    /** Of the host's TSC, 0 if it is not known. */
    int tscKhz();

    /** Bytes that the save that runs has written. */
    long saveProgressBytes();
}
