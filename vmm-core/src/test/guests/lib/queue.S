# Split virtqueues with one chain at a time, whatever the transport; and a clock that loses patience.
#
# r13d = the queue's number, r14 = its memory (select_queue).

	.set ACKNOWLEDGE, 1		# of the status
	.set DRIVER, 2
	.set DRIVER_OK, 4
	.set FEATURES_OK, 8
	.set NEEDS_RESET, 0x40
	.set VERSION_1, 1		# of the upper 32 features

	.set NEXT, 1			# of a descriptor
	.set WRITE, 2
	.set INDIRECT, 4
	.set NO_INTERRUPT, 1		# of the available ring

	.set QUEUE_SIZE, 8
	.set AVAILABLE, 0x100		# in a queue's memory, after the descriptors
	.set USED, 0x200
	.set QUEUE_BYTES, 0x400
	.set QUEUES, 2

	.bss
	.balign	4096
queues:	.skip	QUEUE_BYTES * QUEUES
	.text
	.code64

# Descriptor `index` of the queue at r14; changes rax.
.macro describe index, address, length, flags=0, next=0
	mov	$\address, %eax
	mov	%rax, 16 * \index(%r14)
	movl	$\length, 16 * \index + 8(%r14)
	movw	$\flags, 16 * \index + 12(%r14)
	movw	$\next, 16 * \index + 14(%r14)
.endm

# r13d = the queue's number
select_queue:
	mov	%r13d, %r14d
	imul	$QUEUE_BYTES, %r14d
	add	$queues, %r14d
	ret

# Clears it, and wants no interrupts; changes rax, rcx, rdi.
empty_queue:
	call	select_queue
	mov	%r14d, %edi
	xor	%eax, %eax
	mov	$QUEUE_BYTES / 8, %ecx
	rep stosq
	movw	$NO_INTERRUPT, AVAILABLE(%r14)
	ret

# Shows the device the chain at descriptor 0, without a word; changes rax, rcx.
publish:
	call	select_queue
	movzwl	AVAILABLE + 2(%r14), %ecx
	mov	%ecx, %eax
	and	$QUEUE_SIZE - 1, %eax
	movw	$0, AVAILABLE + 4(%r14, %rax, 2)
	inc	%ecx
	mov	%cx, AVAILABLE + 2(%r14)
	ret

# check_clock fails 2^32 TSC cycles (one or two seconds) after start_clock, unless `patient` is
# set; both change rax, rdx.
start_clock:
	rdtsc
	mov	%eax, clock(%rip)
	mov	%edx, clock + 4(%rip)
	ret
check_clock:
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	sub	clock(%rip), %rax
	shr	$32, %rax
	jz	1f
	cmpb	$0, patient(%rip)
	jne	1f
	fail	"the device does not answer"
1:	ret

	.bss
	.balign	8
clock:	.skip	8
patient:
	.skip	1
	.text
