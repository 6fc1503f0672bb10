/**
 * How a guest starts: the memory map, the loaders, what each boot protocol hands over. Knows guest RAM and nothing of KVM.
 *
 * <p>{@link dev.holdover.boot.Boot} tells a kernel's format by its content; each format is one class, which first checks
 * the header step by step and then copies. Files are taken for hostile.
 */
package dev.holdover.boot;
