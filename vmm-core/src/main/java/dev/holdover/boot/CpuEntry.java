package dev.holdover.boot;

import dev.holdover.platform.MemoryMap;

/**
 * The state of vCPU 0 at its first instruction. Registers that are not named are zero, RFLAGS is 2: interrupts are off.
 * {@link EntryState} has what the modes need beside: descriptor table, page tables, selectors.
 */
public record CpuEntry(Mode mode, long rip, long rsp, long rsi, long rbx, long rax) {
    /** The processor's mode. */
    public enum Mode {
        /** As after a hardware reset: real mode at 0xfffffff0. The other components say nothing. */
        RESET,
        /** CR0 is PE alone; flat 4 GiB segments. */
        PROTECTED_32,
        /** CR0 is PE and PG, CR4 PAE, EFER LME and LMA, CR3 {@link MemoryMap#PAGE_TABLES}; flat segments. */
        LONG_64
    }

    /** A machine with firmware: nothing is prepared. */
    public static CpuEntry reset() {
        return new CpuEntry(Mode.RESET, 0, 0, 0, 0, 0);
    }

    /**
     * A kernel by one of Linux' own protocols: RSI points to boot_params.
     *
     * @see <a href="https://docs.kernel.org/arch/x86/boot.html">The Linux/x86 boot protocol</a>
     */
    static CpuEntry linux(Mode mode, long rip) {
        return new CpuEntry(mode, rip, MemoryMap.BOOT_STACK, MemoryMap.BOOT_PARAMS, 0, 0);
    }

    /** A PVH kernel: EBX points to hvm_start_info. */
    static CpuEntry pvh(long rip) {
        return new CpuEntry(Mode.PROTECTED_32, rip, 0, 0, MemoryMap.PVH_INFO, 0);
    }

    /** A multiboot kernel: EAX says so, EBX points to the boot information. */
    static CpuEntry multiboot(long rip) {
        return new CpuEntry(Mode.PROTECTED_32, rip, 0, 0, MemoryMap.MULTIBOOT_INFO, 0x2badb002L);
    }
}
