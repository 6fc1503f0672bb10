# virtio-mmio 1.x: a device's registers and split queues with one chain at a time.
#
# r12 = the device's registers, and what lib/queue.S has.
# To try a guest elsewhere, as(1) takes --defsym for VIRTIO, VIRTIO_SIZE and VIRTIO_GSI.

	.ifndef VIRTIO
	.set VIRTIO, 0xd0000000		# MemoryMap.virtioMmio(0)
	.set VIRTIO_SIZE, 0x1000
	.set VIRTIO_GSI, 16		# slot 0's; those of slots 1-7 follow
	.endif
	.set SLOTS, 8

	.set MAGIC_VALUE, 0x00
	.set VERSION, 0x04
	.set DEVICE_ID, 0x08
	.set DEVICE_FEATURES, 0x10
	.set DEVICE_FEATURES_SEL, 0x14
	.set DRIVER_FEATURES, 0x20
	.set DRIVER_FEATURES_SEL, 0x24
	.set QUEUE_SEL, 0x30
	.set QUEUE_NUM_MAX, 0x34
	.set QUEUE_NUM, 0x38
	.set QUEUE_READY, 0x44
	.set QUEUE_NOTIFY, 0x50
	.set INTERRUPT_STATUS, 0x60
	.set INTERRUPT_ACK, 0x64
	.set STATUS, 0x70
	.set QUEUE_DESC, 0x80
	.set QUEUE_DRIVER, 0x90
	.set QUEUE_DEVICE, 0xa0
	.set CONFIG, 0x100

	.set MAGIC, 0x74726976		# "virt"
	.set USED_BUFFER, 1		# of the interrupt status
	.set CONFIG_CHANGE, 2

	.include "lib/queue.S"

# Maps the registers of every slot; changes rax.
.macro map_virtio
	movl	$(VIRTIO & ~0x1fffff) + PAGE_2M, pd_high + ((VIRTIO - 0xc0000000) >> 21) * 8(%rip)
	mov	%cr3, %rax
	mov	%rax, %cr3
.endm

# Resets the device; it says when it is done.
reset_device:
	movl	$0, STATUS(%r12)
	call	start_clock
1:	cmpl	$0, STATUS(%r12)
	je	2f
	call	check_clock
	jmp	1b
2:	ret

# Up to FEATURES_OK: eax = the lower 32 features that are wanted, where the device offers them.
# Sets edi to those taken; changes eax, edx.
negotiate:
	mov	%eax, %edi
	call	reset_device
	movl	$ACKNOWLEDGE, STATUS(%r12)
	movl	$ACKNOWLEDGE | DRIVER, STATUS(%r12)
	movl	$1, DEVICE_FEATURES_SEL(%r12)
	testl	$VERSION_1, DEVICE_FEATURES(%r12)
	require nz, "VIRTIO_F_VERSION_1 is not offered"
	movl	$0, DEVICE_FEATURES_SEL(%r12)
	and	DEVICE_FEATURES(%r12), %edi
	movl	$0, DRIVER_FEATURES_SEL(%r12)
	mov	%edi, DRIVER_FEATURES(%r12)
	movl	$1, DRIVER_FEATURES_SEL(%r12)
	movl	$VERSION_1, DRIVER_FEATURES(%r12)
	movl	$ACKNOWLEDGE | DRIVER | FEATURES_OK, STATUS(%r12)
	testl	$FEATURES_OK, STATUS(%r12)
	require nz, "the device refuses features that it offers"
	ret

# Queue r13d, empty; changes rax, rcx, rdi.
set_up_queue:
	call	empty_queue
	mov	%r13d, QUEUE_SEL(%r12)
	cmpl	$0, QUEUE_READY(%r12)
	require e, "a queue is ready right after a reset"
	cmpl	$QUEUE_SIZE, QUEUE_NUM_MAX(%r12)
	require ae, "a queue is too small"
	movl	$QUEUE_SIZE, QUEUE_NUM(%r12)
	mov	%r14d, QUEUE_DESC(%r12)
	movl	$0, QUEUE_DESC + 4(%r12)
	lea	AVAILABLE(%r14), %eax
	mov	%eax, QUEUE_DRIVER(%r12)
	movl	$0, QUEUE_DRIVER + 4(%r12)
	lea	USED(%r14), %eax
	mov	%eax, QUEUE_DEVICE(%r12)
	movl	$0, QUEUE_DEVICE + 4(%r12)
	movl	$1, QUEUE_READY(%r12)
	ret

.macro driver_ok
	movl	$ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK, STATUS(%r12)
.endm

# Gives the device the chain at descriptor 0; changes rax, rcx.
offer:
	call	publish
	mov	%r13d, QUEUE_NOTIFY(%r12)
	ret

# Waits until the device has given the chain back; eax = the bytes that it wrote.
wait_used:
	call	start_clock
1:	movzwl	USED + 2(%r14), %eax
	cmp	AVAILABLE + 2(%r14), %ax
	je	2f
	call	check_clock
	jmp	1b
2:	dec	%eax
	and	$QUEUE_SIZE - 1, %eax
	cmpl	$0, USED + 4(%r14, %rax, 8)
	require e, "the used ring names another chain"
	mov	USED + 8(%r14, %rax, 8), %eax
	ret
