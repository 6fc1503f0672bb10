package dev.holdover.machine;

import dev.holdover.boot.BootConfig;
import java.nio.file.Path;

/** What a machine starts from. */
public sealed interface BootSource {
    /** A kernel image, loaded by the VMM. */
    record KernelImage(BootConfig config) implements BootSource {}

    /** A firmware image that ends at 4 GiB, entered at the reset vector. */
    record Firmware(Path image) implements BootSource {}
}
