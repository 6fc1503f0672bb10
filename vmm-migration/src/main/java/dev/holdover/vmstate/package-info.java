/**
 * The state file (vmstate): a guest's CPU and device state, and of its RAM either the pages or what identifies it.
 * {@code docs/vmstate.md} gives the format byte by byte.
 *
 * <p>Saving: declare the sections in a {@link dev.holdover.vmstate.StateLayout} and open a {@link
 * dev.holdover.vmstate.StateTarget} while the guest runs; stop it; fill the sections of the {@link
 * dev.holdover.vmstate.StateImage}; publish. Restoring: a {@link dev.holdover.vmstate.StateFile} is whole and known in
 * all its parts, or it is refused with a {@link dev.holdover.vmstate.StateException} before any of it is used.
 */
package dev.holdover.vmstate;
