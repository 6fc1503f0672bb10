# idle: asleep but for a timer.
#
# Start:  multiboot.
# COM1:   "I", then "." every tenth tick (0.1 s).
# End:    none.
# RAM:    0x1000 u32 ticks of the PIT (100 a second)
#         0x1008 u64 boot nonce (the TSC at the start; never written again)

	.include "lib/long.S"
	.include "lib/console.S"
	.include "lib/pic.S"
	.include "lib/lapic.S"

	.set TICKS, 0x1000
	.set NONCE, 0x1008

main64:
	rdtsc
	mov	%eax, NONCE
	mov	%edx, NONCE + 4
	movl	$0, TICKS
	gate	PIC_VECTOR, tick
	set_up_lapic
	set_up_pic ~(1 << 0)
	set_up_pit
	print	"I"
	mov	$10, %ebx
sleep:	sti
	hlt
	cmp	TICKS, %ebx
	ja	sleep
	add	$10, %ebx
	print	"."
	jmp	sleep

tick:
	incl	TICKS
	push	%rax
	end_of_interrupt
	pop	%rax
	iretq
