package dev.holdover.boot;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.platform.MemoryMap;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

class EntryStateTest {
    @AutoClose
    private final TestGuest guest = new TestGuest(2 * MemoryMap.MIB);

    /** Walks the page tables as the processor does. */
    private long translate(long address) {
        long entry = guest.memory().getLong(MemoryMap.PAGE_TABLES + ((address >>> 39) & 511) * 8);
        entry = step(entry, (address >>> 30) & 511);
        entry = step(entry, (address >>> 21) & 511);
        assertThat(entry & 0x83).as("present, writable, 2 MiB").isEqualTo(0x83);
        return (entry & -0x200000L) | (address & 0x1fffff);
    }

    private long step(long entry, long index) {
        assertThat(entry & 0x83).as("present, writable, a table").isEqualTo(3);
        return guest.memory().getLong((entry & -0x1000L) + index * 8);
    }

    @Test
    void mapsFourGibibytesToThemselves() {
        EntryState.write(guest.memory(), CpuEntry.Mode.LONG_64);
        for (long address : new long[] {0, 0x7000, 0x1fffff, 0x200000, 0x40000000, 0xfee00000L, 0xffffffffL}) {
            assertThat(translate(address)).isEqualTo(address);
        }
        assertThat(guest.memory().getLong(MemoryMap.PAGE_TABLES + 8)).isZero();
        assertThat(guest.memory().getLong(MemoryMap.PAGE_TABLES + 0x1000 + 4 * 8))
                .isZero();
        // the tables end where nothing else starts yet
        assertThat(guest.memory().getByte(MemoryMap.PAGE_TABLES + 0x6000)).isEqualTo((byte) 0xcc);
    }

    @Test
    void hasFlatSegments() {
        EntryState.write(guest.memory(), CpuEntry.Mode.PROTECTED_32);
        assertThat(guest.memory().getLong(EntryState.GDT_BASE)).isZero();
        descriptor(EntryState.CODE_SELECTOR, 0xb, 0xc);
        descriptor(EntryState.DATA_SELECTOR, 0x3, 0xc);

        EntryState.write(guest.memory(), CpuEntry.Mode.LONG_64);
        descriptor(EntryState.CODE_SELECTOR, 0xb, 0xa); // L instead of D
        descriptor(EntryState.DATA_SELECTOR, 0x3, 0xc);
        assertThat(EntryState.GDT_LIMIT).isEqualTo(EntryState.TSS_SELECTOR + 16 - 1);
    }

    /** Base 0, limit 4 GiB, present, ring 0, a code or data segment of this type and these flags. */
    private void descriptor(int selector, int type, int flags) {
        long descriptor = guest.memory().getLong(EntryState.GDT_BASE + selector);
        assertThat(descriptor & 0xffffffffffL).isEqualTo(0x000000ffffL);
        assertThat((descriptor >>> 40) & 0xff).isEqualTo(0x90 | type);
        assertThat((descriptor >>> 48) & 0xff).isEqualTo((flags << 4) | 0xf);
        assertThat(descriptor >>> 56).isZero();
    }
}
