/**
 * Linux as the VMM needs it: one downcall, {@code syscall(2)}, and a typed class for each kind of file descriptor.
 *
 * <p>One downcall shape only: each further one costs about 4 ms of start-up. Every owned descriptor is an {@link
 * dev.holdover.linux.Fd}, closed once; every mapping is a {@link dev.holdover.linux.Mapping}. A failed call throws
 * {@link dev.holdover.linux.ErrnoException}, which names the call, its object and the errno; methods whose names start
 * with {@code try} return {@code -errno} instead, for callers to whom some errno is an answer.
 */
package dev.holdover.linux;
