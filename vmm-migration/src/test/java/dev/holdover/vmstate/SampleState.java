package dev.holdover.vmstate;

import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;
import dev.holdover.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.UUID;

/** The states of which the golden files of format version 1 are copies: the code that made them. */
final class SampleState {
    static final SectionType VCPU = new SectionType("vcpu", 2);
    static final SectionType UART = new SectionType("uart", 1);
    static final SectionType EMPTY = new SectionType("empty", 1);
    static final List<SectionType> KNOWN = List.of(VCPU, UART, EMPTY);

    static final UUID RAM_ID = UUID.fromString("00112233-4455-6677-8899-aabbccddeeff");
    static final long COPIED_SIZE = 3 * StateFormat.CHUNK + 2 * StateFormat.PAGE;
    /** The pages of the copied RAM that are not zero. */
    static final int[] PAGES = {769};

    private SampleState() {}

    /** Shared RAM that stays where it is, on either side of the hole. */
    static byte[] kept() {
        StateLayout layout = layout();
        int low = layout.region(RamRegion.kept("ram0", 0, 0x100000, 0));
        layout.region(RamRegion.kept("ram0", 0x100000000L, 0x200000, 0x100000));
        StateImage image = fill(layout);
        image.identify(low, RAM_ID, 7, MemorySegment.ofArray(new byte[] {1, 2, 3}));
        return publish(image);
    }

    /** Private RAM with a page at its end; and one in which all pages are zero. */
    static byte[] copied() {
        StateLayout layout = layout();
        int ram = layout.region(RamRegion.copied("ram0", 0, COPIED_SIZE, 0, false));
        int bios = layout.region(RamRegion.copied("bios", 0xffff0000L, 0x10000, 0, false));
        StateImage image = fill(layout);
        try (Arena arena = Arena.ofConfined();
                MemfdTarget target = MemfdTarget.create("sample", image.size());
                PageWriter pages = new PageWriter(target, image)) {
            pages.write(ram, new GuestMemory.Region(0, copiedRam(arena), null, 0, false));
            MemorySegment zeros = arena.allocate(0x10000, 4096);
            pages.write(bios, new GuestMemory.Region(0xffff0000L, zeros, null, 0, false));
            pages.finish();
            target.publish(image);
            return take(target);
        }
    }

    static MemorySegment copiedRam(Arena arena) {
        MemorySegment ram = arena.allocate(COPIED_SIZE, 4096);
        for (int page : PAGES) {
            for (int i = 0; i < 4096; i += 64) {
                ram.set(ValueLayout.JAVA_BYTE, page * 4096L + i, (byte) (page + i / 64 + 1));
            }
        }
        return ram;
    }

    private static StateLayout layout() {
        MemorySegment scratch = MemorySegment.ofArray(new byte[256]);
        StateOutput config = new StateOutput(scratch);
        config.string("größer");
        config.i32(2);
        config.bool(true);
        return new StateLayout("Holdover golden", 3, config.written());
    }

    private static StateImage fill(StateLayout layout) {
        int vcpu0 = layout.section(VCPU, 0, 40);
        int vcpu1 = layout.section(VCPU, 1, 40);
        layout.section(EMPTY, 0, 0);
        int uart = layout.section(UART, 0, 13);
        StateImage image = layout.build();
        for (int i = 0; i < 40; i++) {
            image.section(vcpu0).set(ValueLayout.JAVA_BYTE, i, (byte) (i + 1));
            image.section(vcpu1).set(ValueLayout.JAVA_BYTE, i, (byte) -i);
        }
        StateOutput output = image.output(uart);
        output.u8(0xc3);
        output.u16(0xfedc);
        output.i64(0x0123456789abcdefL);
        output.end();
        image.timeline().stamp(1, 1000, 2_000_000, 3_000_000_000L);
        image.timeline().stamp(2, 1001, 2_000_001, -1);
        return image;
    }

    static byte[] publish(StateImage image) {
        try (MemfdTarget target = MemfdTarget.create("sample", image.size())) {
            target.publish(image);
            return take(target);
        }
    }

    private static byte[] take(MemfdTarget target) {
        try (Fd memfd = target.fd();
                Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(memfd.stat().size());
            memfd.readFully(bytes, 0);
            return bytes.toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /** A memfd that holds these bytes. */
    static Fd memfd(byte[] bytes) {
        Fd memfd = Memfd.create("state", bytes.length);
        try (Arena arena = Arena.ofConfined()) {
            memfd.writeFully(arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes), 0);
        }
        return memfd;
    }

    static StateFile parse(byte[] state) {
        return StateFile.parse(MemorySegment.ofArray(state));
    }

    /** Makes the CRC of a header right again that was tampered with. */
    static void sealHeader(byte[] state) {
        MemorySegment bytes = MemorySegment.ofArray(state);
        int length = bytes.get(StateFormat.INT, StateFormat.HEADER_LENGTH_AT);
        int crc = StateFormat.headerCrc(bytes.asSlice(0, length));
        bytes.set(StateFormat.INT, StateFormat.HEADER_CRC_AT, crc);
    }
}
