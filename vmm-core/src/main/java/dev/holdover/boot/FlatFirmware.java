package dev.holdover.boot;

import dev.holdover.linux.Mapping;
import dev.holdover.linux.VmmException;
import dev.holdover.platform.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/**
 * A firmware image that ends at 4 GiB, where the processor starts after a reset ({@link CpuEntry#reset}); its tail is
 * seen below 1 MiB too. The image is in memory of this process, page aligned, for a read-only memslot; it is unmapped by
 * {@link #close}, after the VM is gone.
 */
public final class FlatFirmware implements AutoCloseable {
    private static final long ISA_BIOS_MAX_SIZE = MemoryMap.HIGH_MEMORY - MemoryMap.ISA_BIOS;

    private final Mapping mapping;

    private FlatFirmware(Mapping mapping) {
        this.mapping = mapping;
    }

    /**
     * Reads an image whose size is a multiple of 4 KiB, up to {@link MemoryMap#BIOS_MAX_SIZE}.
     *
     * @throws VmmException for a file that cannot be read, or of another size; the sentence starts with its path
     */
    public static FlatFirmware read(Path path) {
        try (BootFile file = BootFile.open(path)) {
            long size = file.size();
            if (size % MemoryMap.PAGE != 0 || size > MemoryMap.BIOS_MAX_SIZE) {
                throw file.refuse("has " + size + " bytes; a firmware image is a multiple of 4096 bytes, at most "
                        + LowRam.kib(MemoryMap.BIOS_MAX_SIZE));
            }
            Mapping mapping = Mapping.anonymous(size, MemoryMap.PAGE);
            try {
                file.read(0, mapping.segment());
            } catch (RuntimeException e) {
                mapping.close();
                throw e;
            }
            return new FlatFirmware(mapping);
        }
    }

    /** An image whose bytes are at hand, of a size that {@link #read} takes; copied. */
    public static FlatFirmware of(MemorySegment image) {
        Mapping mapping = Mapping.anonymous(image.byteSize(), MemoryMap.PAGE);
        MemorySegment.copy(image, 0, mapping.segment(), 0, image.byteSize());
        return new FlatFirmware(mapping);
    }

    /** The whole image. */
    public MemorySegment rom() {
        return mapping.segment();
    }

    /** Where the image starts, so that it ends at 4 GiB. */
    public long gpa() {
        return MemoryMap.BIOS_END - rom().byteSize();
    }

    /** The tail that is seen below 1 MiB: 128 KiB, or all of a smaller image. */
    public MemorySegment isaRom() {
        return rom().asSlice(rom().byteSize() - isaSize());
    }

    /** Where the tail starts, so that it ends at 1 MiB. */
    public long isaGpa() {
        return MemoryMap.HIGH_MEMORY - isaSize();
    }

    private long isaSize() {
        return Math.min(rom().byteSize(), ISA_BIOS_MAX_SIZE);
    }

    @Override
    public void close() {
        mapping.close();
    }
}
