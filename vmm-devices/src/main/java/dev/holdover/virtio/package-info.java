/**
 * Virtio 1.2 devices over the MMIO transport: split virtqueues, block, network, console and entropy.
 *
 * <p>A device works on a thread of its own, which alone touches its rings and guest buffers; registers are served on
 * vCPU threads. What a driver gets wrong marks its device broken until the driver resets it, and nothing else.
 */
package dev.holdover.virtio;
