/*
 * Prints sizes, offsets and numbers of linux/kvm.h as the Java code must have them. Not part of the build:
 * src/test/layout/update compiles it and writes the golden file that KvmLayoutTest reads.
 */
#include <stdio.h>
#include <stddef.h>
#include <linux/kvm.h>
int main(){
#define S(t) printf("sizeof " #t " %zu\n", sizeof(struct t))
#define O(t,f) printf("offsetof " #t " " #f " %zu\n", offsetof(struct t,f))
S(kvm_run);O(kvm_run,exit_reason);O(kvm_run,immediate_exit);O(kvm_run,ready_for_interrupt_injection);O(kvm_run,if_flag);O(kvm_run,flags);O(kvm_run,cr8);O(kvm_run,apic_base);O(kvm_run,io);O(kvm_run,io.size);O(kvm_run,io.port);O(kvm_run,io.count);O(kvm_run,io.data_offset);O(kvm_run,mmio.phys_addr);O(kvm_run,mmio.data);O(kvm_run,mmio.len);O(kvm_run,mmio.is_write);O(kvm_run,internal.suberror);O(kvm_run,internal.ndata);O(kvm_run,internal.data);O(kvm_run,emulation_failure.insn_size);O(kvm_run,emulation_failure.flags);O(kvm_run,emulation_failure.insn_bytes);O(kvm_run,fail_entry.hardware_entry_failure_reason);O(kvm_run,fail_entry.cpu);O(kvm_run,system_event.type);O(kvm_run,hw.hardware_exit_reason);
S(kvm_regs);S(kvm_sregs);S(kvm_sregs2);S(kvm_segment);S(kvm_dtable);S(kvm_lapic_state);S(kvm_irqchip);S(kvm_pit_state2);S(kvm_pit_config);S(kvm_clock_data);S(kvm_vcpu_events);S(kvm_debugregs);S(kvm_xsave);S(kvm_xcrs);S(kvm_mp_state);S(kvm_userspace_memory_region);S(kvm_irqfd);S(kvm_ioeventfd);S(kvm_irq_level);S(kvm_cpuid2);S(kvm_cpuid_entry2);S(kvm_msrs);S(kvm_msr_entry);S(kvm_msr_list);S(kvm_device_attr);S(kvm_enable_cap);S(kvm_irq_routing);S(kvm_irq_routing_entry);S(kvm_msi);
O(kvm_sregs,cr0);O(kvm_sregs,gdt);O(kvm_sregs,idt);O(kvm_sregs,efer);O(kvm_sregs,apic_base);O(kvm_sregs,interrupt_bitmap);O(kvm_sregs2,flags);O(kvm_sregs2,pdptrs);O(kvm_sregs,tr);O(kvm_sregs,ldt);
O(kvm_segment,limit);O(kvm_segment,selector);O(kvm_segment,type);O(kvm_segment,avl);
O(kvm_regs,rip);O(kvm_regs,rflags);O(kvm_regs,rsp);
O(kvm_clock_data,flags);O(kvm_clock_data,realtime);O(kvm_clock_data,host_tsc);
O(kvm_irqfd,gsi);O(kvm_irqfd,flags);O(kvm_irqfd,resamplefd);O(kvm_irq_routing,nr);O(kvm_irq_routing,entries);O(kvm_irq_routing_entry,gsi);O(kvm_irq_routing_entry,type);O(kvm_irq_routing_entry,u.irqchip.irqchip);O(kvm_irq_routing_entry,u.irqchip.pin);O(kvm_irq_routing_entry,u.msi.address_lo);O(kvm_irq_routing_entry,u.msi.address_hi);O(kvm_irq_routing_entry,u.msi.data);O(kvm_msi,address_lo);O(kvm_msi,address_hi);O(kvm_msi,data);O(kvm_ioeventfd,addr);O(kvm_ioeventfd,len);O(kvm_ioeventfd,fd);O(kvm_ioeventfd,flags);
O(kvm_cpuid2,entries);O(kvm_cpuid_entry2,flags);O(kvm_cpuid_entry2,eax);O(kvm_msrs,entries);O(kvm_msr_entry,data);O(kvm_msr_list,indices);
O(kvm_irqchip,chip);O(kvm_device_attr,addr);O(kvm_xcrs,xcrs);
#define I(n) printf("ioctl " #n " 0x%lx\n",(unsigned long)n)
I(KVM_GET_API_VERSION);I(KVM_CREATE_VM);I(KVM_GET_MSR_INDEX_LIST);I(KVM_CHECK_EXTENSION);I(KVM_GET_VCPU_MMAP_SIZE);I(KVM_GET_SUPPORTED_CPUID);I(KVM_GET_MSR_FEATURE_INDEX_LIST);I(KVM_CREATE_VCPU);I(KVM_SET_USER_MEMORY_REGION);I(KVM_SET_TSS_ADDR);I(KVM_SET_IDENTITY_MAP_ADDR);I(KVM_CREATE_IRQCHIP);I(KVM_IRQ_LINE);I(KVM_GET_IRQCHIP);I(KVM_SET_IRQCHIP);I(KVM_CREATE_PIT2);I(KVM_GET_PIT2);I(KVM_SET_PIT2);I(KVM_SET_GSI_ROUTING);I(KVM_IRQFD);I(KVM_IOEVENTFD);I(KVM_SET_CLOCK);I(KVM_GET_CLOCK);I(KVM_SIGNAL_MSI);I(KVM_ENABLE_CAP);I(KVM_RUN);I(KVM_GET_REGS);I(KVM_SET_REGS);I(KVM_GET_SREGS);I(KVM_SET_SREGS);I(KVM_GET_SREGS2);I(KVM_SET_SREGS2);I(KVM_GET_MSRS);I(KVM_SET_MSRS);I(KVM_GET_CPUID2);I(KVM_SET_CPUID2);I(KVM_GET_LAPIC);I(KVM_SET_LAPIC);I(KVM_GET_MP_STATE);I(KVM_SET_MP_STATE);I(KVM_NMI);I(KVM_GET_VCPU_EVENTS);I(KVM_SET_VCPU_EVENTS);I(KVM_GET_DEBUGREGS);I(KVM_SET_DEBUGREGS);I(KVM_GET_XSAVE);I(KVM_SET_XSAVE);I(KVM_GET_XSAVE2);I(KVM_GET_XCRS);I(KVM_SET_XCRS);I(KVM_SET_TSC_KHZ);I(KVM_GET_TSC_KHZ);I(KVM_KVMCLOCK_CTRL);I(KVM_SET_DEVICE_ATTR);I(KVM_GET_DEVICE_ATTR);I(KVM_HAS_DEVICE_ATTR);I(KVM_TRANSLATE);I(KVM_SET_SIGNAL_MASK);
#define C(n) printf("const " #n " %ld\n",(long)(n))
C(KVM_CAP_IRQCHIP);C(KVM_CAP_USER_MEMORY);C(KVM_CAP_NR_VCPUS);C(KVM_CAP_MAX_VCPUS);C(KVM_CAP_MAX_VCPU_ID);C(KVM_CAP_NR_MEMSLOTS);C(KVM_CAP_IRQFD);C(KVM_CAP_IOEVENTFD);C(KVM_CAP_PIT2);C(KVM_CAP_XSAVE);C(KVM_CAP_XSAVE2);C(KVM_CAP_XCRS);C(KVM_CAP_TSC_CONTROL);C(KVM_CAP_GET_TSC_KHZ);C(KVM_CAP_TSC_DEADLINE_TIMER);C(KVM_CAP_READONLY_MEM);C(KVM_CAP_SPLIT_IRQCHIP);C(KVM_CAP_IMMEDIATE_EXIT);C(KVM_CAP_NESTED_STATE);C(KVM_CAP_ADJUST_CLOCK);C(KVM_CAP_KVMCLOCK_CTRL);C(KVM_CAP_SREGS2);C(KVM_CAP_DEBUGREGS);C(KVM_CAP_VCPU_EVENTS);C(KVM_CAP_MP_STATE);C(KVM_CAP_VCPU_ATTRIBUTES);C(KVM_CAP_SET_IDENTITY_MAP_ADDR);C(KVM_CAP_SET_TSS_ADDR);C(KVM_CAP_VM_TSC_CONTROL);C(KVM_CAP_SYS_ATTRIBUTES);C(KVM_CAP_EXIT_ON_EMULATION_FAILURE);C(KVM_CAP_X2APIC_API);C(KVM_CAP_SIGNAL_MSI);C(KVM_CAP_IRQ_ROUTING);C(KVM_CAP_IRQFD_RESAMPLE);C(KVM_CAP_EXT_CPUID);C(KVM_CAP_IOEVENTFD_NO_LENGTH);C(KVM_CAP_EXCEPTION_PAYLOAD);
C(KVM_EXIT_IO);C(KVM_EXIT_MMIO);C(KVM_EXIT_HLT);C(KVM_EXIT_SHUTDOWN);C(KVM_EXIT_FAIL_ENTRY);C(KVM_EXIT_INTERNAL_ERROR);C(KVM_INTERNAL_ERROR_EMULATION);C(KVM_INTERNAL_ERROR_DELIVERY_EV);C(KVM_EXIT_INTR);C(KVM_EXIT_SYSTEM_EVENT);C(KVM_EXIT_DEBUG);C(KVM_EXIT_UNKNOWN);C(KVM_EXIT_IRQ_WINDOW_OPEN);C(KVM_EXIT_SET_TPR);C(KVM_EXIT_EXCEPTION);C(KVM_EXIT_HYPERCALL);
#ifdef KVM_EXIT_MEMORY_FAULT
C(KVM_EXIT_MEMORY_FAULT);
#endif
C(KVM_VCPU_TSC_CTRL);C(KVM_VCPU_TSC_OFFSET);C(KVM_PIT_SPEAKER_DUMMY);C(KVM_IRQFD_FLAG_DEASSIGN);C(KVM_IRQFD_FLAG_RESAMPLE);C(KVM_IRQ_ROUTING_IRQCHIP);C(KVM_IRQ_ROUTING_MSI);C(KVM_IOEVENTFD_FLAG_DATAMATCH);C(KVM_IOEVENTFD_FLAG_DEASSIGN);C(KVM_MEM_READONLY);C(KVM_CLOCK_REALTIME);C(KVM_CLOCK_HOST_TSC);C(KVM_CLOCK_TSC_STABLE);
}
