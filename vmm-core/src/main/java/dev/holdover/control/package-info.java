/**
 * The control socket: a server of QEMU's machine protocol (QMP) and a client of it.
 *
 * <p>One thread serves all clients and never waits for one; another runs their commands, in order; a save has a thread
 * of its own. Follows QEMU's docs/interop/qmp-spec.rst and its answers, word for word where it has them.
 */
package dev.holdover.control;
