# disk: a virtio disk that is written and read without end.
#
# Start:  multiboot; 64-bit mode; a virtio disk of 64 sectors or more as the first device. pcidisk.S
#         is the same for a disk on PCI: it defines PCI.
# COM1:   "D", then the alphabet round and round, a letter each 4 rounds of: a sector is written,
#         and what was written into the one before is read back; every other request is waited for
#         asleep, until the device interrupts. "X" and a letter: s the device answered with an
#         error, c a sector came back as another, n the device gave back another chain.
# End:    none.
# RAM:    0x1000 u32 rounds
#         0x1008 u64 boot nonce (the TSC at the start; never written again)
#         0x1010 u32 times "X" was written

	.include "lib/long.S"
	.include "lib/console.S"
	.include "lib/pic.S"
	.include "lib/lapic.S"
.ifdef PCI
	.include "lib/virtio-pci.S"
.else
	.include "lib/virtio.S"
.endif
	.include "lib/living.S"

	.set BLK, 2
	.set VECTOR, 0x50
	.set BLK_T_IN, 0
	.set BLK_T_OUT, 1
	.set SECTORS, 64

main64:
	begin_life
	map_virtio
	set_up_pic 0xff
	set_up_lapic
	gate	VECTOR, interrupt
.ifdef PCI
	find_function BLK
	set_up_messages VECTOR
.else
	mov	$VIRTIO, %r12d
	cmpl	$BLK, DEVICE_ID(%r12)
	require e, "the first virtio device is no disk"
.endif
	xor	%eax, %eax
	call	negotiate
	xor	%r13d, %r13d
	call	set_up_queue
	movw	$0, AVAILABLE(%r14)	# interrupts, please
	driver_ok
.ifndef PCI
	# Redirection entry VIRTIO_GSI: edge, to this CPU.
	ioapic_write $(VIRTIO_GSI*2+0x11), $0
	ioapic_write $(VIRTIO_GSI*2+0x10), $VECTOR
.endif
	print	"D"
	xor	%r15d, %r15d

round:	mov	%r15d, %eax		# this round's sector
	mov	%r15d, %r9d
	call	fill
	mov	$BLK_T_OUT, %r8d
	call	request
	call	wait_asleep
	test	%r15d, %r15d
	jz	1f
	lea	-1(%r15), %r9d
	mov	$0xeeeeeeee, %eax
	call	fill
	mov	$BLK_T_IN, %r8d
	call	request
	call	wait_awake
	mov	$buffer, %edi
	lea	-1(%r15), %eax
	mov	$512 / 4, %ecx
	repe scasl
	keep	e, 'c'
1:	inc	%r15d
	mov	%r15d, ROUNDS
	test	$3, %r15d
	jnz	round
	write_letter
	jmp	round

# All of `buffer` is eax; changes ecx, edi.
fill:	mov	$buffer, %edi
	mov	$512 / 4, %ecx
	rep stosl
	ret

# Gives the device request r8d of sector r9d modulo SECTORS.
request:
	and	$SECTORS - 1, %r9d
	mov	%r8d, blk_header(%rip)
	mov	%r9, blk_header + 8(%rip)
	movb	$0xee, blk_status(%rip)
	call	select_queue
	describe 0, blk_header, 16, NEXT, 1
	describe 1, buffer, 512, NEXT, 2
	describe 2, blk_status, 1, WRITE
	cmp	$BLK_T_IN, %r8d
	jne	1f
	orw	$WRITE, 16 + 12(%r14)
1:	jmp	offer

# Until the device has answered: by interrupts only.
wait_asleep:
1:	movzwl	USED + 2(%r14), %eax
	cmp	AVAILABLE + 2(%r14), %ax
	je	answered
	sti
	hlt
	cli
	jmp	1b
wait_awake:
1:	movzwl	USED + 2(%r14), %eax
	cmp	AVAILABLE + 2(%r14), %ax
	jne	1b
answered:
	dec	%eax
	and	$QUEUE_SIZE - 1, %eax
	cmpl	$0, USED + 4(%r14, %rax, 8)
	keep	e, 'n'
	cmpb	$0, blk_status(%rip)
	keep	e, 's'
	ret

interrupt:
	push	%rax
	push	%rdi
.ifndef PCI
	mov	INTERRUPT_STATUS(%r12), %eax
	mov	%eax, INTERRUPT_ACK(%r12)
.endif
	lapic_write LAPIC_EOI, $0
	pop	%rdi
	pop	%rax
	iretq

	.bss
	.balign	16
buffer:	.skip	512
blk_header:
	.skip	16
blk_status:
	.skip	1
