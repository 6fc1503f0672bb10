# pair: two CPUs that wake each other.
#
# Start:  multiboot, two vCPUs; 64-bit mode on both.
# COM1:   "P", then the alphabet round and round, a letter each 8 rounds of: CPU 0 sends an
#         interrupt to CPU 1 and sleeps; CPU 1, half of the time asleep, half of the time counting,
#         answers by one to CPU 0. "X" and w: no answer in 2^35 TSC cycles (a dozen seconds); "X" and
#         n: more answers than calls.
# End:    none.
# RAM:    0x1000 u32 rounds
#         0x1008 u64 boot nonce (the TSC at the start; never written again)
#         0x1010 u32 times "X" was written
#         0x1018 u32 what CPU 1 counted while it was not asleep

	.include "lib/long.S"
	.include "lib/console.S"
	.include "lib/pic.S"
	.include "lib/lapic.S"
	.include "lib/living.S"

	.set COUNTED, 0x1018

	.set TRAMPOLINE, 0x8000
	.set ICR_INIT, 0x4500
	.set ICR_STARTUP, 0x4600
	.set ICR_FIXED, 0x4000
	.set CALL, 0x41
	.set ANSWER, 0x42
	.set ASLEEP, 1 << 6
	.set MOST_CYCLES_BITS, 35

main64:
	begin_life
	movl	$0, COUNTED
	set_up_pic 0xff
	set_up_lapic
	gate	CALL, called
	gate	ANSWER, answered
	mov	$trampoline, %esi
	mov	$TRAMPOLINE, %edi
	mov	$trampoline_end - trampoline, %ecx
	rep movsb
	lapic_write LAPIC_ICR_HIGH, $1 << 24
	lapic_write LAPIC_ICR_LOW, $ICR_INIT
	lapic_write LAPIC_ICR_LOW, $ICR_STARTUP | (TRAMPOLINE >> 12)
1:	cmpb	$0, up(%rip)
	je	1b
	print	"P"

round:	call	now
	mov	%rax, %r12
	lapic_write LAPIC_ICR_HIGH, $1 << 24
	lapic_write LAPIC_ICR_LOW, $ICR_FIXED | CALL
	mov	ROUNDS, %ebx
	inc	%ebx
1:	cmp	answers(%rip), %ebx
	jbe	2f
	sti
	hlt
	cli
	call	now
	sub	%r12, %rax
	shr	$MOST_CYCLES_BITS, %rax
	keep	z, 'w'
	jmp	1b
2:	keep	e, 'n'
	mov	%ebx, ROUNDS
	test	$7, %ebx
	jnz	round
	write_letter
	jmp	round

# rax = the TSC; changes rdx
now:	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	ret

answered:
	incl	answers(%rip)
	push	%rdi
	lapic_write LAPIC_EOI, $0
	pop	%rdi
	iretq

# On CPU 1.
called:
	push	%rdi
	lapic_write LAPIC_EOI, $0
	lapic_write LAPIC_ICR_HIGH, $0
	lapic_write LAPIC_ICR_LOW, $ICR_FIXED | ANSWER
	incl	calls(%rip)
	pop	%rdi
	iretq

other64:
	mov	$other_stack_top, %esp
	lidt	idt_pointer(%rip)
	set_up_lapic
	movb	$1, up(%rip)
1:	testl	$ASLEEP, calls(%rip)
	jz	2f
	sti
	hlt
	jmp	1b
2:	sti
	incl	COUNTED
	pause
	cli
	jmp	1b

# Where CPU 1 starts, in real mode, with cs = TRAMPOLINE >> 4.
	.code16
trampoline:
	lgdtl	%cs:gdt_pointer_copy - trampoline
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	ljmpl	$CODE32, $other32
gdt_pointer_copy:
	.word	gdt_pointer - gdt - 1
	.long	gdt
trampoline_end:

	.code32
other32:
	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%cr4, %eax
	or	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	$pml4, %eax
	mov	%eax, %cr3
	mov	$EFER, %ecx
	rdmsr
	or	$EFER_LME, %eax
	wrmsr
	mov	%cr0, %eax
	or	$CR0_PG, %eax
	mov	%eax, %cr0
	ljmp	$CODE64, $other64

	.bss
	.balign	16
	.skip	2048
other_stack_top:
answers:
	.skip	4
calls:	.skip	4
up:	.skip	1
