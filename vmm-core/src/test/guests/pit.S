# pit: the PIT's interrupt through the PIC wakes a halted CPU.
#
# Start:  multiboot.
# COM1:   "pit ok" after 10 ticks at 100 Hz, with a HLT between.
# End:    debug-exit, 0x10 passed.
# Needs:  PIC, PIT, a LAPIC that lets the PIC through.

	.include "lib/long.S"
	.include "lib/console.S"
	.include "lib/pic.S"
	.include "lib/lapic.S"

	.set TICKS_WANTED, 10
	.set MOST_WAKES, 100		# a HLT may end early, but not as a rule

main64:
	gate	PIC_VECTOR, tick
	set_up_lapic
	set_up_pic ~(1 << 0)
	set_up_pit
	sti
1:	hlt
	incl	wakes(%rip)
	cmpl	$TICKS_WANTED, ticks(%rip)
	jb	1b
	cli
	cmpl	$MOST_WAKES, wakes(%rip)
	require be, "HLT does not wait"
	pass	"pit ok\n"

tick:
	incl	ticks(%rip)
	push	%rax
	end_of_interrupt
	pop	%rax
	iretq

	.bss
ticks:	.skip	4
wakes:	.skip	4
