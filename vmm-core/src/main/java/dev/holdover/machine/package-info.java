/**
 * The machine: guest RAM, a KVM VM, vCPU threads and devices put together, started, parked, reset and ended. Saving,
 * restoring and resetting are straight-line sequences, one file each, under a comment that gives the order and why.
 */
package dev.holdover.machine;
