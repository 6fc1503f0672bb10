package dev.holdover.kvm;

/**
 * A message-signalled interrupt that a GSI stands for: what a device would write, and where.
 *
 * @param gsi from {@link KvmVm#FIRST_MSI_GSI} to below {@link KvmVm#MAX_GSIS}
 * @param address bits 19 to 12 name the APIC (Intel SDM vol. 3, "Message Address Register Format"), as the guest set it
 * @param data the vector and how it is delivered ("Message Data Register Format")
 */
public record MsiRoute(int gsi, long address, int data) {}
