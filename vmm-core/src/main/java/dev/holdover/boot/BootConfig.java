package dev.holdover.boot;

import java.nio.file.Path;

/**
 * What the user wants booted.
 *
 * @param kernel a kernel image of any format that {@link Kernel} knows
 * @param initrd the initial RAM disk, or with a multiboot kernel its one module; null for none
 * @param commandLine the kernel's command line; empty for none
 */
public record BootConfig(Path kernel, Path initrd, String commandLine) {}
