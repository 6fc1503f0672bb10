# timers: every timer of the machine, over and over, and two clocks that must never go back.
#
# Start:  multiboot; 64-bit mode.
# COM1:   "T", then the alphabet round and round, a letter each round of: the LAPIC's timer
#         one-shot, periodic and, where CPUID offers it, by TSC deadline, each with HLT until it
#         has ticked; and one-shot with interrupts off until well after it ticked, so that most of
#         the time an interrupt is pending. Beside it the PIT interrupts by way of the PIC. "X" and
#         a letter: t the TSC went back, k kvmclock did, w a timer did not wake the CPU in 2^35
#         TSC cycles (a dozen seconds), p the pending interrupt was lost.
# End:    none.
# RAM:    0x1000 u32 rounds
#         0x1008 u64 boot nonce (the TSC at the start; never written again)
#         0x1010 u32 times "X" was written
#         0x1018 u32 ticks of the PIT (100 a second)
#         0x101c u32 ticks of the LAPIC's timer
#         0x1020 u64 kvmclock at the last look, ns; 0 without kvmclock

	.include "lib/long.S"
	.include "lib/console.S"
	.include "lib/pic.S"
	.include "lib/lapic.S"
	.include "lib/living.S"

	.set PIT_TICKS, 0x1018
	.set TICKS, 0x101c
	.set KVMCLOCK, 0x1020

	.set VECTOR, 0x40
	.set PERIODIC, 1 << 17
	.set TSC_DEADLINE, 2 << 17
	.set MASKED, 1 << 16
	.set DIVIDE_BY_1, 0xb
	.set COUNT, 2000000		# 2 ms under KVM, whose timer runs at 1 GHz
	.set PERIODS, 3
	.set DEADLINE_CYCLES, 1 << 22
	.set PENDING_CYCLES, 1 << 24	# interrupts are off for about 6 ms
	.set MOST_CYCLES_BITS, 35
	.set MSR_TSC_DEADLINE, 0x6e0
	.set CPUID_TSC_DEADLINE, 1 << 24
	.set KVM_SIGNATURE, 0x4b4d564b	# "KVMK"
	.set KVM_CLOCK, 1 << 3
	.set MSR_KVM_SYSTEM_TIME, 0x4b564d01

main64:
	begin_life
	movl	$0, PIT_TICKS
	movl	$0, TICKS
	movq	$0, KVMCLOCK
	gate	VECTOR, tick
	gate	PIC_VECTOR, pit_tick
	set_up_lapic
	set_up_pic ~(1 << 0)
	set_up_pit
	lapic_write LAPIC_DIVIDE, $DIVIDE_BY_1
	mov	$1, %eax
	cpuid
	mov	%ecx, features(%rip)
	mov	$0x40000000, %eax
	cpuid
	cmp	$KVM_SIGNATURE, %ebx
	jne	1f
	mov	$0x40000001, %eax
	cpuid
	test	$KVM_CLOCK, %eax
	jz	1f
	mov	$MSR_KVM_SYSTEM_TIME, %ecx
	mov	$kvmclock + 1, %eax
	xor	%edx, %edx
	wrmsr
	movb	$1, has_kvmclock(%rip)
1:	print	"T"

round:	lapic_write LAPIC_LVT_TIMER, $VECTOR
	lapic_write LAPIC_INITIAL_COUNT, $COUNT
	call	wait_for_tick

	lapic_write LAPIC_LVT_TIMER, $VECTOR | PERIODIC
	lapic_write LAPIC_INITIAL_COUNT, $COUNT
	.rept	PERIODS
	call	wait_for_tick
	.endr
	lapic_write LAPIC_LVT_TIMER, $MASKED
	lapic_write LAPIC_INITIAL_COUNT, $0

	testl	$CPUID_TSC_DEADLINE, features(%rip)
	jz	1f
	lapic_write LAPIC_LVT_TIMER, $VECTOR | TSC_DEADLINE
	xor	%eax, %eax
	cpuid				# the write above comes before WRMSR
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	add	$DEADLINE_CYCLES, %rax
	mov	%rax, %rdx
	shr	$32, %rdx
	mov	$MSR_TSC_DEADLINE, %ecx
	wrmsr
	call	wait_for_tick

1:	lapic_write LAPIC_LVT_TIMER, $VECTOR
	lapic_write LAPIC_INITIAL_COUNT, $COUNT
	mov	TICKS, %r8d
	call	now
	lea	PENDING_CYCLES(%rax), %r12
2:	call	check_clocks
	cmp	%r12, %rax
	jb	2b
	mov	%rax, %r12
	sti
3:	cmp	TICKS, %r8d
	jne	4f
	call	now
	sub	%r12, %rax
	shr	$MOST_CYCLES_BITS, %rax
	jz	3b
4:	cli
	cmp	TICKS, %r8d
	keep	ne, 'p'

	incl	ROUNDS
	write_letter
	jmp	round

# Sleeps until the next tick, with interrupts off before and after.
wait_for_tick:
	mov	TICKS, %r8d
	call	now
	mov	%rax, %r12
1:	sti
	hlt
	cli
	call	check_clocks
	sub	%r12, %rax
	shr	$MOST_CYCLES_BITS, %rax
	keep	z, 'w'
	cmp	TICKS, %r8d
	je	1b
	ret

# rax = the TSC; changes rdx
now:	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	ret

# rax = the TSC; changes rcx, rdx, rbx, r9
check_clocks:
	cmpb	$0, has_kvmclock(%rip)
	je	2f
1:	mov	kvmclock(%rip), %r9d		# the version: odd while it is written
	test	$1, %r9d
	jnz	1b
	call	now
	sub	kvmclock + 8(%rip), %rax	# tsc_timestamp
	mov	kvmclock + 28(%rip), %cl	# tsc_shift
	test	%cl, %cl
	js	3f
	shl	%cl, %rax
	jmp	4f
3:	neg	%cl
	shr	%cl, %rax
4:	mov	kvmclock + 24(%rip), %ebx	# tsc_to_system_mul
	mul	%rbx
	shrd	$32, %rdx, %rax
	add	kvmclock + 16(%rip), %rax	# system_time
	cmp	kvmclock(%rip), %r9d
	jne	1b
	cmp	KVMCLOCK, %rax
	mov	%rax, %rbx
	keep	ae, 'k'
	mov	%rbx, KVMCLOCK
2:	call	now
	mov	%rax, %rbx
	cmp	last_tsc(%rip), %rax
	keep	ae, 't'
	mov	%rbx, last_tsc(%rip)
	mov	%rbx, %rax
	ret

tick:
	incl	TICKS
	push	%rdi
	lapic_write LAPIC_EOI, $0
	pop	%rdi
	iretq

pit_tick:
	incl	PIT_TICKS
	push	%rax
	end_of_interrupt
	pop	%rax
	iretq

	.bss
	.balign	64
kvmclock:
	.skip	64
last_tsc:
	.skip	8
features:
	.skip	4
has_kvmclock:
	.skip	1
