# virtio: exercises virtio-mmio devices, then ill-treats them.
#
# Start:  multiboot; 64-bit mode. `parts=LETTERS` on the command line chooses, in this order:
#           b blk, c console, n net, r rng, h hostile to every device,
#           i console input comes back as output, e one net frame comes back with its addresses
#           swapped. Without it: what there is of b, c, n, r, each followed by h.
# COM1:   "slot S: device ID" for each device found, then of
#           blk      "sector 0: TEXT" (its first 16 bytes), "read-only" or "sector 1 written",
#                    "blk ok"
#           console  "console ok"; the device got "hello from virtio-console\n"
#           net      "net ok"; the device got a broadcast of ethertype 0x88b5, 60 bytes, with
#                    "hello from virtio-net" after the header
#           rng      "rng N bytes", "rng ok" (polled once, and once by interrupt)
#           hostile  the name of each ill-treatment, "hostile ok"
#         and "virtio ok".
# End:    debug-exit, 0x10 passed, 0x11 failed. A device that does not answer within 2^32 TSC
#         cycles fails; for input (i, e) it may take for ever.

	.include "lib/long.S"
	.include "lib/console.S"
	.include "lib/pic.S"
	.include "lib/lapic.S"
	.include "lib/virtio.S"

	.set NET, 1
	.set BLK, 2
	.set CONSOLE, 3
	.set RNG, 4
	.set VECTOR, 0x50

	.set BLK_F_RO, 1 << 5
	.set BLK_F_FLUSH, 1 << 9
	.set BLK_T_IN, 0
	.set BLK_T_OUT, 1
	.set BLK_T_FLUSH, 4
	.set BLK_T_UNKNOWN, 0x99
	.set BLK_S_OK, 0
	.set BLK_S_IOERR, 1
	.set BLK_S_UNSUPP, 2
	.set NET_F_MAC, 1 << 5
	.set NET_HEADER, 12
	.set FRAME, 60
	.set RX, 0
	.set TX, 1
	.set OUTSIDE, 0x7f0000000000	# no guest has RAM there

main64:
	map_virtio
	set_up_pic 0xff
	set_up_lapic
	gate	VECTOR, interrupt
	mov	16(%rbx), %ebp		# the command line
	call	find_devices
1:	mov	(%rbp), %eax
	test	%al, %al
	jz	everything
	cmp	$0x74726170, %eax	# "part"
	jne	2f
	cmpw	$0x3d73, 4(%rbp)	# "s="
	je	chosen
2:	inc	%ebp
	jmp	1b

chosen:
	add	$6, %ebp
next_letter:
	movzbl	(%rbp), %eax
	inc	%ebp
	cmp	$' ', %al
	jbe	done
	cmp	$'b', %al
	je	part_b
	cmp	$'c', %al
	je	part_c
	cmp	$'n', %al
	je	part_n
	cmp	$'r', %al
	je	part_r
	cmp	$'i', %al
	je	part_i
	cmp	$'e', %al
	je	part_e
	cmp	$'h', %al
	je	part_h
	fail	"no such part"
.macro part letter, device, routine
part_\letter:
	mov	$\device, %eax
	call	choose
	call	\routine
	jmp	next_letter
.endm
	part	b, BLK, blk
	part	c, CONSOLE, console
	part	n, NET, net
	part	r, RNG, rng
	part	i, CONSOLE, console_input
	part	e, NET, net_echo
part_h:	xor	%r15d, %r15d
1:	call	next_device
	jc	next_letter
	call	hostile
	jmp	1b

everything:
	xor	%r15d, %r15d
1:	call	next_device
	jc	done
	call	exercise
	call	hostile
	jmp	1b

done:	pass	"virtio ok\n"

# Writes which slots have a device.
find_devices:
	xor	%r15d, %r15d
1:	call	next_device
	jc	2f
	print	"slot "
	lea	-1(%r15), %eax
	call	putdec
	print	": device "
	mov	DEVICE_ID(%r12), %eax
	call	putdec
	print	"\n"
	cmpl	$2, VERSION(%r12)
	require e, "not version 2 of the transport"
	jmp	1b
2:	ret

# r12 = the next device from slot r15d on, r15d = the slot behind it; carry if there is none.
next_device:
	cmp	$SLOTS, %r15d
	jae	1f
	mov	%r15d, %r12d
	imul	$VIRTIO_SIZE, %r12d
	add	$VIRTIO, %r12d
	inc	%r15d
	cmpl	$MAGIC, MAGIC_VALUE(%r12)
	jne	next_device
	cmpl	$0, DEVICE_ID(%r12)
	je	next_device
	clc
	ret
1:	stc
	ret

# r12 = the first device of kind eax, r15d = the slot behind it
choose:
	xor	%r15d, %r15d
	mov	%eax, %edi
1:	call	next_device
	require nc, "no such device"
	cmp	%edi, DEVICE_ID(%r12)
	jne	1b
	ret

# What fits the device at r12.
exercise:
	mov	DEVICE_ID(%r12), %eax
	cmp	$NET, %eax
	je	net
	cmp	$BLK, %eax
	je	blk
	cmp	$CONSOLE, %eax
	je	console
	cmp	$RNG, %eax
	je	rng
	ret

# One buffer on queue `queue`, there and back; eax = the bytes that the device wrote.
.macro transfer queue, address, length, flags=0
	mov	$\queue, %r13d
	call	select_queue
	describe 0, \address, \length, \flags
	call	offer
	call	wait_used
.endm

# The same, however long it takes.
.macro receive address, length
	movb	$1, patient(%rip)
	transfer RX, \address, \length, WRITE
	movb	$0, patient(%rip)
.endm

# The first eax bytes of `buffer`.
.macro transmit_buffer
	mov	$TX, %r13d
	call	select_queue
	mov	%eax, %ecx
	describe 0, buffer, 0
	mov	%ecx, 8(%r14)
	call	offer
	call	wait_used
.endm

# ---- rng

rng:	xor	%eax, %eax
	call	negotiate
	xor	%r13d, %r13d
	call	set_up_queue
	driver_ok
	movq	$0, buffer(%rip)
	movq	$0, buffer + 8(%rip)
	transfer 0, buffer, 16, WRITE
	push	%rax
	print	"rng "
	mov	(%rsp), %eax
	call	putdec
	print	" bytes\n"
	pop	%rax
	test	%eax, %eax
	require nz, "the device wrote nothing"
	cmp	$16, %eax
	require be, "the device says that it wrote more than there was room for"
	mov	buffer(%rip), %rax
	or	buffer + 8(%rip), %rax
	require nz, "all the bytes are zero"

	# Once more, by interrupt: redirection entry GSI, edge, to this CPU.
	mov	$IOAPIC, %edi
	lea	VIRTIO_GSI * 2 + 0x10 - 2(, %r15, 2), %eax
	mov	%eax, (%rdi)
	movl	$VECTOR, IOAPIC_WINDOW(%rdi)
	inc	%eax
	mov	%eax, (%rdi)
	movl	$0, IOAPIC_WINDOW(%rdi)
	movb	$0, interrupt_status(%rip)
	movw	$0, AVAILABLE(%r14)
	call	offer
	call	start_clock
	sti
1:	testb	$USED_BUFFER, interrupt_status(%rip)
	jnz	2f			# one from before a reset, which tells nothing, may come first
	call	check_clock
	jmp	1b
2:	cli
	call	wait_used
3:	mov	INTERRUPT_STATUS(%r12), %eax
	test	%eax, %eax
	jz	4f
	mov	%eax, INTERRUPT_ACK(%r12)
	call	check_clock
	jmp	3b
4:	print	"rng ok\n"
	ret

interrupt:
	push	%rax
	push	%rdi
	mov	INTERRUPT_STATUS(%r12), %eax
	or	%al, interrupt_status(%rip)
	mov	%eax, INTERRUPT_ACK(%r12)
	lapic_write LAPIC_EOI, $0
	pop	%rdi
	pop	%rax
	iretq

# ---- console

console:
	call	start_console
	transfer TX, console_text, console_length
	print	"console ok\n"
	ret

console_input:
	call	start_console
	receive	buffer, 64
	transmit_buffer
	print	"console input ok\n"
	ret

start_console:
	xor	%eax, %eax
	call	negotiate
	mov	$RX, %r13d
	call	set_up_queue
	mov	$TX, %r13d
	call	set_up_queue
	driver_ok
	ret

	.section .rodata
console_text:
	.ascii	"hello from virtio-console\n"
	.set console_length, . - console_text
	.text

# ---- net

net:	call	start_net
	transfer TX, buffer, NET_HEADER + FRAME
	print	"net ok\n"
	ret

net_echo:
	call	net
	receive	buffer, NET_HEADER + 1514
	mov	buffer + NET_HEADER(%rip), %ecx
	mov	buffer + NET_HEADER + 4(%rip), %dx
	mov	buffer + NET_HEADER + 6(%rip), %edi
	mov	buffer + NET_HEADER + 10(%rip), %si
	mov	%edi, buffer + NET_HEADER(%rip)
	mov	%si, buffer + NET_HEADER + 4(%rip)
	mov	%ecx, buffer + NET_HEADER + 6(%rip)
	mov	%dx, buffer + NET_HEADER + 10(%rip)
	movq	$0, buffer(%rip)
	movl	$0, buffer + 8(%rip)
	transmit_buffer
	print	"net echo ok\n"
	ret

# Both queues, and the frame to send in `buffer`.
start_net:
	mov	$NET_F_MAC, %eax
	call	negotiate
	mov	%edi, %r11d
	mov	$RX, %r13d
	call	set_up_queue
	mov	$TX, %r13d
	call	set_up_queue
	driver_ok
	mov	$buffer, %edi
	mov	$frame, %esi
	mov	$(NET_HEADER + FRAME), %ecx
	rep movsb
	test	$NET_F_MAC, %r11d
	jz	1f
	mov	$buffer + NET_HEADER + 6, %edi
	xor	%ecx, %ecx
2:	mov	CONFIG(%r12, %rcx), %al
	stosb
	inc	%ecx
	cmp	$6, %ecx
	jb	2b
1:	ret

	.section .rodata
frame:	.skip	NET_HEADER
	.byte	0xff, 0xff, 0xff, 0xff, 0xff, 0xff
	.byte	0x02, 0, 0, 0, 0, 1	# unless the device has an address
	.byte	0x88, 0xb5
	.ascii	"hello from virtio-net"
	.skip	NET_HEADER + FRAME - (. - frame)
	.text

# ---- blk

blk:	mov	$BLK_F_RO | BLK_F_FLUSH, %eax
	call	negotiate
	mov	%edi, %r11d
	xor	%r13d, %r13d
	call	set_up_queue
	driver_ok

	mov	$BLK_T_IN, %r8d
	xor	%r9d, %r9d
	call	blk_request
	cmp	$BLK_S_OK, %eax
	require e, "sector 0 cannot be read"
	cmp	$513, %ecx
	require e, "the device says that it wrote another number of bytes"
	print	"sector 0: "
	mov	$buffer, %esi
	mov	$16, %ecx
1:	lodsb
	cmp	$' ', %al
	jb	2f
	call	putc
	dec	%ecx
	jnz	1b
2:	print	"\n"

	# Again, in two pieces.
	mov	$buffer, %esi
	mov	$copy, %edi
	mov	$512, %ecx
	rep movsb
	mov	$buffer, %edi
	mov	$512, %ecx
	xor	%eax, %eax
	rep stosb
	call	describe_blk
	describe 1, buffer, 256, NEXT | WRITE, 3
	describe 3, buffer + 256, 256, NEXT | WRITE, 2
	call	blk_go
	cmp	$BLK_S_OK, %eax
	require e, "sector 0 cannot be read in two pieces"
	mov	$buffer, %esi
	mov	$copy, %edi
	mov	$512, %ecx
	repe cmpsb
	require e, "sector 0 in two pieces is another"

	mov	CONFIG(%r12), %r9d
	mov	CONFIG + 4(%r12), %eax
	shl	$32, %rax
	or	%rax, %r9
	call	blk_request
	cmp	$BLK_S_IOERR, %eax
	require e, "a sector behind the last one is no error"
	mov	$BLK_T_UNKNOWN, %r8d
	xor	%r9d, %r9d
	call	blk_request
	cmp	$BLK_S_UNSUPP, %eax
	require e, "an unknown request is not unsupported"

	mov	$buffer, %edi
	mov	$512, %ecx
	mov	$'w', %al
	rep stosb
	mov	$buffer, %edi
	mov	$blk_text, %esi
	mov	$blk_text_length, %ecx
	rep movsb
	mov	$BLK_T_OUT, %r8d
	mov	$1, %r9d
	call	blk_request
	test	$BLK_F_RO, %r11d
	jz	3f
	cmp	$BLK_S_IOERR, %eax
	require e, "a read-only disk was written"
	print	"read-only\nblk ok\n"
	ret
3:	cmp	$BLK_S_OK, %eax
	require e, "sector 1 cannot be written"
	test	$BLK_F_FLUSH, %r11d
	jz	4f
	mov	$BLK_T_FLUSH, %r8d
	xor	%r9d, %r9d
	call	blk_request
	cmp	$BLK_S_OK, %eax
	require e, "a flush fails"
4:	mov	$buffer, %edi
	mov	$512, %ecx
	xor	%eax, %eax
	rep stosb
	mov	$BLK_T_IN, %r8d
	mov	$1, %r9d
	call	blk_request
	cmp	$BLK_S_OK, %eax
	require e, "sector 1 cannot be read"
	mov	$buffer, %edi
	mov	$blk_text, %esi
	mov	$blk_text_length, %ecx
	repe cmpsb
	require e, "sector 1 is not what was written"
	mov	$512 - blk_text_length, %ecx
	mov	$'w', %al
	repe scasb
	require e, "sector 1 is not what was written up to its end"
	print	"sector 1 written\nblk ok\n"
	ret

# Request r8d at sector r9, with `buffer` for one sector; eax = the device's status, ecx = the
# bytes that it wrote.
blk_request:
	call	describe_blk
blk_go:	call	offer
	call	wait_used
	mov	%eax, %ecx
	movzbl	blk_status(%rip), %eax
	ret

describe_blk:
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
1:	cmp	$BLK_T_FLUSH, %r8d
	jne	2f
	movw	$2, 14(%r14)
2:	ret

	.section .rodata
blk_text:
	.ascii	"written by virtio-blk's guest\n"
	.set blk_text_length, . - blk_text
	.text

# ---- hostile

# Waits until the device at r12 asks for a reset and tells so.
.macro expect_broken name:vararg
	print	\name
	call	wait_broken
.endm

hostile:
	mov	DEVICE_ID(%r12), %eax
	mov	$TX, %r13d
	cmp	$NET, %eax
	je	1f
	cmp	$CONSOLE, %eax
	je	1f
	xor	%r13d, %r13d
1:	call	fresh
	mov	$OUTSIDE, %rax
	mov	%rax, (%r14)
	call	offer
	expect_broken "a buffer outside RAM\n"

	call	fresh
	movl	$0xffffffff, 8(%r14)
	call	offer
	expect_broken "a buffer that goes on behind RAM\n"

	call	fresh
	movq	$-4096, (%r14)
	movl	$8192, 8(%r14)
	call	offer
	expect_broken "a buffer that wraps around\n"

	call	fresh
	orw	$NEXT, 12(%r14)
	movw	$1, 14(%r14)
	describe 1, buffer, 16, NEXT, 0
	call	offer
	expect_broken "a chain that loops\n"

	call	fresh
	orw	$NEXT, 12(%r14)
	movw	$QUEUE_SIZE, 14(%r14)
	call	offer
	expect_broken "a next descriptor that is not there\n"

	call	fresh
	orw	$INDIRECT, 12(%r14)
	call	offer
	expect_broken "an indirect table nobody agreed on\n"

	call	fresh
	movw	$QUEUE_SIZE, AVAILABLE + 4(%r14)
	movw	$1, AVAILABLE + 2(%r14)
	mov	%r13d, QUEUE_NOTIFY(%r12)
	expect_broken "a chain that begins nowhere\n"

	call	fresh
	movw	$QUEUE_SIZE + 1, AVAILABLE + 2(%r14)
	mov	%r13d, QUEUE_NOTIFY(%r12)
	expect_broken "more chains than there is room for\n"

	xor	%eax, %eax
	call	negotiate
	call	set_up_queue
	movl	$0, QUEUE_READY(%r12)
	movl	$OUTSIDE >> 32, QUEUE_DESC + 4(%r12)
	movl	$1, QUEUE_READY(%r12)
	driver_ok
	call	offer
	print	"descriptors outside RAM\n"
	call	wait_needs_reset	# maybe since before DRIVER_OK: no notice then

	mov	$99, %eax
	mov	%eax, QUEUE_SEL(%r12)
	mov	%eax, QUEUE_NUM(%r12)
	mov	%eax, QUEUE_READY(%r12)
	mov	%eax, QUEUE_NOTIFY(%r12)
	cmpl	$0, QUEUE_NUM_MAX(%r12)
	require e, "there is a queue 99"

	call	exercise
	print	"hostile ok\n"
	ret

# The device after a reset, with a plain buffer in descriptor 0 of queue r13d.
fresh:	xor	%eax, %eax
	call	negotiate
	call	set_up_queue
	driver_ok
	movq	$0, buffer(%rip)
	movq	$0, buffer + 8(%rip)
	describe 0, buffer, 16
	cmpl	$RNG, DEVICE_ID(%r12)
	jne	1f
	orw	$WRITE, 12(%r14)
1:	ret

wait_broken:
	call	wait_needs_reset
	testl	$CONFIG_CHANGE, INTERRUPT_STATUS(%r12)
	require nz, "no notice of the configuration's change"
	mov	%r13d, QUEUE_NOTIFY(%r12)	# in vain
	ret

wait_needs_reset:
	call	start_clock
1:	testl	$NEEDS_RESET, STATUS(%r12)
	jnz	2f
	call	check_clock
	jmp	1b
2:	ret

	.bss
	.balign	16
buffer:	.skip	2048
copy:	.skip	512
blk_header:
	.skip	16
blk_status:
	.skip	1
interrupt_status:
	.skip	1
