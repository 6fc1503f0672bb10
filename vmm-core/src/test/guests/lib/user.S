# CPL 3, after lib/long.S: a task state segment for the way back, and the way there.
#
# The way back that every host allows is a fault or INT3. A KVM without hardware support runs
# user code on the CPU itself, where INT n and SYSCALL do not reach the guest's kernel.

	.bss
	.balign	16
task_state:
	.skip	104
	.skip	2048
user_trap_stack:

	.text
	.code64

# Changes rax.
.macro set_up_task
	lea	user_trap_stack(%rip), %rax
	mov	%rax, task_state + 4(%rip)	# rsp0
	movw	$103, gdt_task(%rip)
	lea	task_state(%rip), %rax
	mov	%ax, gdt_task + 2(%rip)
	shr	$16, %eax
	mov	%al, gdt_task + 4(%rip)
	movb	$0x89, gdt_task + 5(%rip)	# available 64-bit TSS
	mov	%ah, gdt_task + 7(%rip)
	mov	$TASK, %eax
	ltr	%ax
.endm

# Interrupts off, as here. Changes rax.
.macro enter_user target
	pushq	$USER_DATA
	pushq	$0
	pushq	$2
	pushq	$USER_CODE64
	lea	\target(%rip), %rax
	push	%rax
	iretq
.endm
