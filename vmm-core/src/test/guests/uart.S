# uart: the 16550 of COM1 as a driver uses it.
#
# Start:  multiboot.
# COM1:   "uart ok, echoing up to q", then every byte it receives, by interrupt; a "q" ends it:
#         "bye".
# End:    debug-exit, 0x10 passed, 0x11 failed.
# Input:  not before "uart ok" is read.
# Needs:  PIC, a LAPIC that lets the PIC through.

	.include "lib/long.S"
	.include "lib/console.S"
	.include "lib/pic.S"
	.include "lib/lapic.S"

	.set DATA_REGISTER, COM1
	.set IER, COM1 + 1
	.set IIR, COM1 + 2
	.set FCR, COM1 + 2
	.set LCR, COM1 + 3
	.set MCR, COM1 + 4
	.set LSR, COM1 + 5
	.set MSR, COM1 + 6
	.set SCR, COM1 + 7

	.set IER_RECEIVED, 1 << 0
	.set IER_EMPTY, 1 << 1
	.set IIR_FIFOS, 0xc0
	.set IIR_NONE, 1
	.set IIR_EMPTY, 2
	.set FCR_ON_AND_CLEAR, 7
	.set LCR_8N1, 3
	.set LCR_DLAB, 0x80
	.set MCR_DTR_RTS_OUT2, 0xb
	.set MCR_LOOP, 0x10
	.set LSR_DATA, 1 << 0
	.set LSR_EMPTY, 0x60		# holding register and shifter
	.set IRQ, 4
	.set FIFO_SIZE, 16

.macro write port, value
	mov	$\port, %dx
	mov	$\value, %al
	out	%al, (%dx)
.endm

.macro read port
	mov	$\port, %dx
	in	(%dx), %al
.endm

main64:
	gate	PIC_VECTOR + IRQ, interrupt
	set_up_lapic
	set_up_pic ~(1 << IRQ)

	write	IER, 0
	write	SCR, 0xa5
	read	SCR
	cmp	$0xa5, %al
	require e, "the scratch register"

	write	LCR, LCR_8N1 | LCR_DLAB
	write	DATA_REGISTER, 0x34
	write	IER, 0x12
	read	DATA_REGISTER
	mov	%al, %cl
	read	IER
	mov	%al, %ch
	write	DATA_REGISTER, 1		# 115200 baud
	write	IER, 0
	write	LCR, LCR_8N1
	cmp	$0x1234, %cx
	require e, "the divisor"

	write	FCR, FCR_ON_AND_CLEAR
	read	IIR
	and	$IIR_FIFOS, %al
	cmp	$IIR_FIFOS, %al
	require e, "the FIFOs are not on"
	read	LSR
	and	$LSR_EMPTY | LSR_DATA, %al
	cmp	$LSR_EMPTY, %al
	require e, "the line status at rest"

	# Looped back, RTS and OUT2 come as CTS and DCD: how Linux tells that there is a UART.
	# Nothing is written to anyone until the loop is open again.
	write	MCR, MCR_LOOP | 0xa
	read	MSR
	mov	%al, %bl
	mov	$FIFO_SIZE, %ecx
	mov	$DATA_REGISTER, %dx
1:	lea	'@'(%rcx), %eax
	out	%al, (%dx)
	dec	%ecx
	jnz	1b
	xor	%ebp, %ebp		# bytes that came back as they were sent
	mov	$FIFO_SIZE, %ecx
2:	read	LSR
	test	$LSR_DATA, %al
	jz	3f
	read	DATA_REGISTER
	sub	$'@', %al
	cmp	%cl, %al
	jne	3f
	inc	%ebp
	dec	%ecx
	jnz	2b
3:	read	LSR
	mov	%al, %bh
	write	MCR, MCR_DTR_RTS_OUT2
	and	$0xf0, %bl
	cmp	$0x90, %bl
	require e, "the modem status when looped back"
	cmp	$FIFO_SIZE, %ebp
	require e, "a byte looped back is missing or another"
	test	$LSR_DATA, %bh
	require z, "more bytes came back than were sent"

	# The transmitter is empty: enabling its interrupt raises it, reading IIR takes it back.
	write	IER, IER_EMPTY
1:	cmpl	$0, empty_interrupts(%rip)
	jne	2f
	sti
	hlt
	cli
	jmp	1b
2:	write	IER, 0
	read	IIR
	test	$IIR_NONE, %al
	require nz, "an interrupt is pending though none is enabled"

	print	"uart ok, echoing up to q\n"
	write	IER, IER_RECEIVED
1:	sti
	hlt
	jmp	1b

# Echoes what has come; for an empty transmitter, only counts.
interrupt:
	push	%rax
	push	%rdx
	read	IIR
	and	$0xf, %al
	cmp	$IIR_EMPTY, %al
	jne	1f
	incl	empty_interrupts(%rip)
	jmp	2f
1:	read	LSR
	test	$LSR_DATA, %al
	jz	2f
	read	DATA_REGISTER
	cmp	$'q', %al
	je	quit
	call	putc
	jmp	1b
2:	end_of_interrupt
	pop	%rdx
	pop	%rax
	iretq

quit:	call	putc
	pass	"\nbye\n"

	.bss
empty_interrupts:
	.skip	4
