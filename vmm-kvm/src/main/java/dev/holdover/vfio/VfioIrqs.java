package dev.holdover.vfio;

/**
 * A device's interrupts of one kind (INTx, MSI, MSI-X…), one interrupt index of VFIO.
 *
 * @param index which kind
 * @param eventFd whether eventfds can be told of them
 * @param maskable whether they can be masked and unmasked
 * @param autoMasked whether one is masked as it is signalled, and has to be unmasked for the next: level-triggered
 * @param noResize whether the number in use changes only by disabling them all first
 * @param count how many there are; 0 if the device has none of this kind
 */
public record VfioIrqs(int index, boolean eventFd, boolean maskable, boolean autoMasked, boolean noResize, int count) {}
