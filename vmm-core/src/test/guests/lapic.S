# lapic: the local APIC's timer, in each of its modes, wakes a halted CPU ten times.
#
# Start:  multiboot.
# COM1:   "periodic ok", "one-shot ok", "tsc deadline ok" ("no tsc deadline" where CPUID does not
#         offer it), "lapic ok".
# End:    debug-exit, 0x10 passed, 0x11 failed.

	.include "lib/long.S"
	.include "lib/console.S"
	.include "lib/pic.S"
	.include "lib/lapic.S"

	.set VECTOR, 0x40
	.set PERIODIC, 1 << 17
	.set TSC_DEADLINE, 2 << 17
	.set MASKED, 1 << 16
	.set DIVIDE_BY_1, 0xb
	.set COUNT, 5000000		# 5 ms under KVM, whose timer runs at 1 GHz
	.set DEADLINE_CYCLES, 1 << 22
	.set TICKS_WANTED, 10
	.set MSR_TSC_DEADLINE, 0x6e0
	.set CPUID_TSC_DEADLINE, 1 << 24

main64:
	gate	VECTOR, tick
	set_up_pic 0xff
	set_up_lapic
	lapic_write LAPIC_DIVIDE, $DIVIDE_BY_1

	lapic_write LAPIC_LVT_TIMER, $VECTOR | PERIODIC
	lapic_write LAPIC_INITIAL_COUNT, $COUNT
1:	call	wait_for_tick
	cmpl	$TICKS_WANTED, ticks(%rip)
	jb	1b
	mov	$LAPIC, %edi
	mov	LAPIC_CURRENT_COUNT(%edi), %eax
	cmp	$COUNT, %eax
	require be, "the current count is above the initial count"
	lapic_write LAPIC_LVT_TIMER, $MASKED
	lapic_write LAPIC_INITIAL_COUNT, $0
	sti				# one may be pending
	nop
	cli
	print	"periodic ok\n"

	lapic_write LAPIC_LVT_TIMER, $VECTOR
	mov	$TICKS_WANTED, %ebp
1:	movl	$0, ticks(%rip)
	lapic_write LAPIC_INITIAL_COUNT, $COUNT
	call	wait_for_tick
	mov	$LAPIC, %edi
	cmpl	$0, LAPIC_CURRENT_COUNT(%edi)
	require e, "a one-shot counts on"
	cmpl	$1, ticks(%rip)
	require e, "a one-shot ticked twice"
	dec	%ebp
	jnz	1b
	print	"one-shot ok\n"

	mov	$1, %eax
	cpuid
	test	$CPUID_TSC_DEADLINE, %ecx
	jz	no_deadline
	lapic_write LAPIC_LVT_TIMER, $VECTOR | TSC_DEADLINE
	xor	%eax, %eax
	cpuid				# the write above comes before WRMSR
	mov	$TICKS_WANTED, %ebp
1:	movl	$0, ticks(%rip)
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	add	$DEADLINE_CYCLES, %rax
	mov	%rax, %r12
	mov	%rax, %rdx
	shr	$32, %rdx
	mov	$MSR_TSC_DEADLINE, %ecx
	wrmsr
	call	wait_for_tick
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	cmp	%r12, %rax
	require ae, "the interrupt came before its deadline"
	mov	$MSR_TSC_DEADLINE, %ecx
	rdmsr
	or	%edx, %eax
	require z, "the deadline was not cleared"
	dec	%ebp
	jnz	1b
	print	"tsc deadline ok\n"
	jmp	done
no_deadline:
	print	"no tsc deadline\n"
done:
	pass	"lapic ok\n"

# Sleeps until the next tick, with interrupts off before and after.
wait_for_tick:
	mov	ticks(%rip), %r8d
1:	sti
	hlt
	cli
	cmp	ticks(%rip), %r8d
	je	1b
	ret

tick:
	incl	ticks(%rip)
	push	%rdi
	lapic_write LAPIC_EOI, $0
	pop	%rdi
	iretq

	.bss
ticks:	.skip	4
