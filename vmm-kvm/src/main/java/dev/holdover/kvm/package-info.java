/**
 * KVM's file descriptors: {@link dev.holdover.kvm.Kvm} (/dev/kvm), {@link dev.holdover.kvm.KvmVm} (a VM), {@link
 * dev.holdover.kvm.KvmVcpu} (a vCPU). One method an ioctl; the order in which they are to be called is policy and lives
 * with the machine. Source throughout: Documentation/virt/kvm/api.rst and include/uapi/linux/kvm.h of Linux.
 */
package dev.holdover.kvm;
