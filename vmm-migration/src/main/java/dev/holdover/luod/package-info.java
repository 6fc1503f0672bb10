/**
 * The live-update daemon. {@link dev.holdover.luod.Luod} has the connections and the sessions, {@link
 * dev.holdover.luod.Update} is one attempt to turn the generation, and a {@link dev.holdover.luod.Backend} keeps what
 * sessions hold: the kernel, or luod itself. The protocol is in the comment of the package {@code liveupdate} and in
 * docs/luod.md.
 */
package dev.holdover.luod;
