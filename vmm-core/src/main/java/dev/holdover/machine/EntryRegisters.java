package dev.holdover.machine;

import dev.holdover.boot.CpuEntry;
import dev.holdover.boot.EntryState;
import dev.holdover.kvm.KvmVcpu;
import dev.holdover.kvm.state.Msrs;
import dev.holdover.kvm.state.Regs;
import dev.holdover.kvm.state.Sregs;
import dev.holdover.platform.MemoryMap;

/** Puts the boot CPU, which is as after a reset, into the state at which a kernel's entry protocol begins. */
final class EntryRegisters {
    private static final long CR0_PE = 1;
    private static final long CR0_ET = 1 << 4;
    private static final long CR0_PG = 1L << 31;
    private static final long CR4_PAE = 1 << 5;
    private static final long EFER_LME = 1 << 8;
    private static final long EFER_LMA = 1 << 10;
    private static final long MISC_ENABLE_FAST_STRING = 1;
    private static final long MTRR_ENABLE_WRITE_BACK = (1 << 11) | 6;

    private EntryRegisters() {}

    /** Memory types as firmware leaves them, on every CPU: all write-back. Without it Linux takes RAM for uncached. */
    static void setMemoryTypes(KvmVcpu vcpu) {
        Msrs msrs = new Msrs(Msrs.IA32_MTRR_DEF_TYPE, Msrs.IA32_MISC_ENABLE);
        msrs.set(0, MTRR_ENABLE_WRITE_BACK);
        msrs.set(1, MISC_ENABLE_FAST_STRING);
        vcpu.setMsrs(msrs);
    }

    static void set(KvmVcpu vcpu, CpuEntry entry) {
        if (entry.mode() == CpuEntry.Mode.RESET) {
            return;
        }
        boolean wide = entry.mode() == CpuEntry.Mode.LONG_64;
        Sregs sregs = new Sregs();
        vcpu.getSregs(sregs);
        Sregs.Kind code = wide ? Sregs.Kind.CODE_64 : Sregs.Kind.CODE_32;
        sregs.setFlat(Sregs.CS, EntryState.CODE_SELECTOR, code);
        for (int segment = Sregs.DS; segment <= Sregs.SS; segment += Sregs.ES - Sregs.DS) {
            sregs.setFlat(segment, EntryState.DATA_SELECTOR, Sregs.Kind.DATA);
        }
        sregs.setTaskRegister(EntryState.TSS_SELECTOR);
        sregs.setUnusable(Sregs.LDT);
        sregs.setTable(Sregs.GDT, EntryState.GDT_BASE, EntryState.GDT_LIMIT);
        sregs.setTable(Sregs.IDT, 0, 0);
        sregs.set(Sregs.CR0, CR0_PE | CR0_ET | (wide ? CR0_PG : 0));
        if (wide) {
            sregs.set(Sregs.CR3, MemoryMap.PAGE_TABLES);
            sregs.set(Sregs.CR4, CR4_PAE);
            sregs.set(Sregs.EFER, EFER_LME | EFER_LMA);
        }
        vcpu.setSregs(sregs);

        Regs regs = new Regs();
        regs.set(Regs.RIP, entry.rip());
        regs.set(Regs.RSP, entry.rsp());
        regs.set(Regs.RSI, entry.rsi());
        regs.set(Regs.RBX, entry.rbx());
        regs.set(Regs.RAX, entry.rax());
        regs.set(Regs.RFLAGS, 2);
        vcpu.setRegs(regs);
    }
}
