package dev.holdover.machine;

import dev.holdover.boot.FlatFirmware;
import dev.holdover.kvm.state.Cpuid;
import dev.holdover.kvm.state.VcpuState;
import dev.holdover.kvm.state.VmState;
import dev.holdover.vmstate.StateImage;
import dev.holdover.vmstate.StateLayout;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * A state to be: laid out while the guest runs, with all in it that does not change (configuration, firmware, CPUID) or
 * hardly (where PCI functions are), and
 * completed while it is paused, when nothing is left to allocate.
 */
final class StateDraft {
    private final Machine machine;
    private final List<VcpuState> vcpuStates = new ArrayList<>();
    private final VmState vmState = new VmState();
    private final StateLayout layout;
    private final int firmwareSection;
    private final int vmSection;
    private final int firstDevice;
    private final int runStateSection;
    private StateImage image;

    /** @param paused whether the guest is to be paused where the state is restored */
    StateDraft(Machine machine, SavePlan plan, boolean paused) {
        this.machine = machine;
        this.layout = plan.layout();
        FlatFirmware firmware = machine.firmware;
        this.firmwareSection = firmware == null
                ? -1
                : layout.section(Incoming.FIRMWARE, 0, firmware.rom().byteSize());
        this.vmSection = layout.section(VmSection.TYPE, 0, VmSection.SIZE);
        for (int i = 0; i < machine.vcpus.size(); i++) {
            VcpuState state = new VcpuState(machine.vcpus.get(i).vcpu().xsaveSize(), machine.msrs);
            state.setTscKhz(machine.guestTscKhz());
            vcpuStates.add(state);
            layout.section(VcpuSection.TYPE, i, VcpuSection.size(machine.cpuids.get(i), state));
        }
        this.firstDevice = machine.devices.declare(layout);
        this.runStateSection = paused ? layout.section(RunStateSection.TYPE, 0, RunStateSection.SIZE) : -1;
    }

    /** Of a state that goes together with its RAM's descriptors; whether its guest runs is told otherwise. */
    static StateDraft withRam(Machine machine) {
        return new StateDraft(machine, SavePlan.withRam(machine.config, machine.ram, machine.ramIdentity), false);
    }

    /** Bytes that the image takes. */
    long size() {
        return layout.size();
    }

    /** Lays the image out in memory of its own. */
    StateImage build() {
        return built(layout.build());
    }

    /** Lays the image out in the caller's memory, zeroed. */
    StateImage build(MemorySegment memory) {
        return built(layout.build(memory));
    }

    private StateImage built(StateImage built) {
        image = built;
        if (machine.firmware != null) {
            image.output(firmwareSection).bytes(machine.firmware.rom());
        }
        for (int i = 0; i < vcpuStates.size(); i++) {
            Cpuid cpuid = machine.cpuids.get(i);
            VcpuSection.write(image.output(vmSection + 1 + i), cpuid, vcpuStates.get(i));
        }
        machine.devices.writeDraft(image, firstDevice);
        if (runStateSection >= 0) {
            RunStateSection.writePaused(image.output(runStateSection));
        }
        return image;
    }

    /** Takes what changes out of KVM and the devices; see {@link Save} for the order. vCPUs are parked, devices rest. */
    void complete() {
        Save.clock(machine.vm, vmState);
        machine.devices.write(image, firstDevice);
        for (int i = 0; i < vcpuStates.size(); i++) {
            VcpuState state = vcpuStates.get(i);
            Save.vcpu(machine.vcpus.get(i).vcpu(), state, machine.sregs2);
            Cpuid cpuid = machine.cpuids.get(i);
            VcpuSection.write(image.output(vmSection + 1 + i), cpuid, state);
        }
        Save.interruptControllers(machine.vm, vmState);
        VmSection.write(image.output(vmSection), vmState);
    }
}
