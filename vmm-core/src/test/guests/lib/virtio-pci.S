# virtio 1.x on PCI, as the VMM lays it out: the function in slot 1, its registers in BAR 0.
#
# rbx = its configuration space, r12 = the BAR, and what lib/queue.S has.

	.set ECAM, 0xdff00000		# MemoryMap.PCI_ECAM
	.set PCI_MEMORY, 0xe0000000	# where the first BAR is
	.set FUNCTION, ECAM + (1 << 15)
	.set COMMAND, 0x04
	.set BAR_0, 0x10
	.set CAPABILITIES, 0x34
	.set MSIX_CAPABILITY, 0x11

	.set DEVICE_FEATURES_SEL, 0x00	# of the common configuration
	.set DEVICE_FEATURES, 0x04
	.set DRIVER_FEATURES_SEL, 0x08
	.set DRIVER_FEATURES, 0x0c
	.set STATUS, 0x14		# 8 bits
	.set QUEUE_SEL, 0x16		# 16 bits, as those up to the addresses
	.set QUEUE_NUM, 0x18
	.set QUEUE_VECTOR, 0x1a
	.set QUEUE_READY, 0x1c
	.set QUEUE_DESC, 0x20
	.set QUEUE_DRIVER, 0x28
	.set QUEUE_DEVICE, 0x30
	.set QUEUE_NOTIFY, 0x3000	# 4 bytes a queue
	.set MSIX_TABLE, 0x4000		# 16 bytes a vector

	.include "lib/queue.S"

# Maps configuration space and BAR; changes rax.
.macro map_virtio
	movl	$(ECAM & ~0x1fffff) + PAGE_2M, pd_high + ((ECAM - 0xc0000000) >> 21) * 8(%rip)
	movl	$PCI_MEMORY + PAGE_2M, pd_high + ((PCI_MEMORY - 0xc0000000) >> 21) * 8(%rip)
	mov	%cr3, %rax
	mov	%rax, %cr3
.endm

# Sets rbx and r12, if the function is a virtio device of that kind.
.macro find_function kind
	mov	$FUNCTION, %ebx
	cmpl	$((0x1040 + \kind) << 16) | 0x1af4, (%rbx)
	require e, "the first PCI function is no such device"
	movw	$6, COMMAND(%rbx)
	mov	BAR_0(%rbx), %r12d
	and	$~0xf, %r12d
	cmp	$PCI_MEMORY, %r12d
	require e, "BAR 0 is elsewhere"
.endm

# Switches MSI-X on; vector 1 is `vector` of CPU 0, the others are masked. Changes rax.
.macro set_up_messages vector
	movl	$LAPIC, MSIX_TABLE + 16(%r12)
	movl	$0, MSIX_TABLE + 20(%r12)
	movl	$\vector, MSIX_TABLE + 24(%r12)
	movl	$0, MSIX_TABLE + 28(%r12)
	mov	$CAPABILITIES - 1, %eax
.Lnext\@:
	movzbl	1(%rbx, %rax), %eax
	test	%eax, %eax
	require nz, "the function has no MSI-X"
	cmpb	$MSIX_CAPABILITY, (%rbx, %rax)
	jne	.Lnext\@
	movw	$0x8000, 2(%rbx, %rax)
.endm

# Up to FEATURES_OK: eax = the lower 32 features that are wanted, where the device offers them.
# Sets edi to those taken; changes rax, rdx.
negotiate:
	mov	%eax, %edi
	movb	$0, STATUS(%r12)
	call	start_clock
1:	cmpb	$0, STATUS(%r12)
	je	2f
	call	check_clock
	jmp	1b
2:	movb	$ACKNOWLEDGE, STATUS(%r12)
	movb	$ACKNOWLEDGE | DRIVER, STATUS(%r12)
	movl	$1, DEVICE_FEATURES_SEL(%r12)
	testl	$VERSION_1, DEVICE_FEATURES(%r12)
	require nz, "VIRTIO_F_VERSION_1 is not offered"
	movl	$0, DEVICE_FEATURES_SEL(%r12)
	and	DEVICE_FEATURES(%r12), %edi
	movl	$0, DRIVER_FEATURES_SEL(%r12)
	mov	%edi, DRIVER_FEATURES(%r12)
	movl	$1, DRIVER_FEATURES_SEL(%r12)
	movl	$VERSION_1, DRIVER_FEATURES(%r12)
	movb	$ACKNOWLEDGE | DRIVER | FEATURES_OK, STATUS(%r12)
	testb	$FEATURES_OK, STATUS(%r12)
	require nz, "the device refuses features that it offers"
	ret

# Queue r13d, empty, with vector r13d + 1; changes rax, rcx, rdi.
set_up_queue:
	call	empty_queue
	mov	%r13w, QUEUE_SEL(%r12)
	cmpw	$0, QUEUE_READY(%r12)
	require e, "a queue is ready right after a reset"
	cmpw	$QUEUE_SIZE, QUEUE_NUM(%r12)
	require ae, "a queue is too small"
	movw	$QUEUE_SIZE, QUEUE_NUM(%r12)
	lea	1(%r13), %eax
	mov	%ax, QUEUE_VECTOR(%r12)
	cmp	QUEUE_VECTOR(%r12), %ax
	require e, "a queue takes no vector"
	mov	%r14d, QUEUE_DESC(%r12)
	movl	$0, QUEUE_DESC + 4(%r12)
	lea	AVAILABLE(%r14), %eax
	mov	%eax, QUEUE_DRIVER(%r12)
	movl	$0, QUEUE_DRIVER + 4(%r12)
	lea	USED(%r14), %eax
	mov	%eax, QUEUE_DEVICE(%r12)
	movl	$0, QUEUE_DEVICE + 4(%r12)
	movw	$1, QUEUE_READY(%r12)
	ret

.macro driver_ok
	movb	$ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK, STATUS(%r12)
.endm

# Gives the device the chain at descriptor 0; changes rax, rcx.
offer:
	call	publish
	mov	%r13w, QUEUE_NOTIFY(%r12, %r13, 4)
	ret
