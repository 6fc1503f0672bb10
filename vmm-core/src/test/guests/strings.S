# strings: REP OUTS and REP INS, which a save meets half done, and bytes in the UART's FIFO.
#
# Start:  multiboot; 32-bit mode, no interrupts.
# COM1:   "abcdefghijklmnopqrstuvwxyz\n" in one REP OUTSB, then 14 bytes round the UART's loopback:
#         REP OUTSB, a pause of 2^20 TSC cycles (0.4 ms) with all of them in its FIFO, REP INSB;
#         over and over. "X" and a letter: c they came back as others, e the FIFO was empty too
#         early, f it was not empty behind them, r a register is off behind a string.
# End:    none.
# RAM:    0x1000 u32 rounds
#         0x1008 u64 boot nonce (the TSC at the start; never written again)
#         0x1010 u32 times "X" was written

	.include "lib/multiboot.S"
	.include "lib/console.S"
	.include "lib/living.S"

	.set FCR, COM1 + 2
	.set MCR, COM1 + 4
	.set LSR, COM1 + 5
	.set FIFO_CLEARED, 7
	.set LOOPBACK, 0x10
	.set OUT2, 0x08
	.set DATA_READY, 1
	.set TRANSMITTER_EMPTY, 0x40
	.set LENGTH, 14
	.set REST_CYCLES, 1 << 20

.macro out_byte port, value
	mov	$\port, %dx
	mov	$\value, %al
	out	%al, (%dx)
.endm

main:
	begin_life
round:	mov	$LSR, %dx
1:	in	(%dx), %al
	test	$TRANSMITTER_EMPTY, %al
	jz	1b
	mov	$COM1, %dx
	mov	$text, %esi
	mov	$text_end - text, %ecx
	rep outsb
	cmp	$text_end, %esi
	keep	e, 'r'

	out_byte FCR, FIFO_CLEARED
	out_byte MCR, LOOPBACK
	mov	ROUNDS, %eax
	mov	$sent, %edi
	mov	$LENGTH, %ecx
2:	stosb
	add	$7, %al
	dec	%ecx
	jnz	2b
	mov	$COM1, %dx
	mov	$sent, %esi
	mov	$LENGTH, %ecx
	rep outsb
	rdtsc
	mov	%eax, %ebx
3:	rdtsc
	sub	%ebx, %eax
	cmp	$REST_CYCLES, %eax
	jb	3b
	mov	$LSR, %dx
	in	(%dx), %al
	test	$DATA_READY, %al
	setz	early
	mov	$COM1, %dx
	mov	$received, %edi
	mov	$LENGTH, %ecx
	rep insb
	mov	%edi, %ebp
	mov	$LSR, %dx
	in	(%dx), %al
	and	$DATA_READY, %al
	mov	%al, late
	out_byte MCR, OUT2

	cmp	$received + LENGTH, %ebp
	keep	e, 'r'
	cmpb	$0, early
	keep	e, 'e'
	cmpb	$0, late
	keep	e, 'f'
	mov	$sent, %esi
	mov	$received, %edi
	mov	$LENGTH, %ecx
	repe cmpsb
	keep	e, 'c'
	incl	ROUNDS
	jmp	round

	.data
text:	.ascii	"abcdefghijklmnopqrstuvwxyz\n"
text_end:
	.bss
sent:	.skip	LENGTH
received:
	.skip	LENGTH
early:	.skip	1
late:	.skip	1
