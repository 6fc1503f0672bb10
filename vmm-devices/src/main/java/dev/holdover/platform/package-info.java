/**
 * The devices that every machine has: UART, RTC, i8042, ACPI power management, debug exit. The buses that they answer on,
 * and the guest-physical addresses and I/O ports at which everything lies ({@link dev.holdover.platform.MemoryMap}).
 */
package dev.holdover.platform;
