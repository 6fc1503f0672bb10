/**
 * KVM's structs, as views of native memory that the ioctls read and write in place: what KVM can save of a guest, byte
 * for byte as the kernel gives it. Offsets are checked against the C headers' in the tests.
 */
package dev.holdover.kvm.state;
