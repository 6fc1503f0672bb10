# cpl3: user code, and its ways into the kernel.
#
# Start:  multiboot; 64-bit mode.
# COM1:   "int3 ok" after 100 calls from CPL 3 to CPL 0 and back that keep every general and XMM
#         register; "faults ok" after #UD, #GP and #PF in user code; "cpl3 ok".
# End:    debug-exit, 0x10 passed, 0x11 failed.

	.include "lib/long.S"
	.include "lib/console.S"
	.include "lib/user.S"
	.include "lib/patterns.S"

	.set CALLS, 100
	.set KERNEL_PAGE, 0x600000
	.set PAGE_2M_KERNEL, 0x83
	.set CR4_SSE, 3 << 9		# OSFXSR, OSXMMEXCPT
	.set UD, 6
	.set GP, 13
	.set PF, 14
	.set PF_USER_READ_OF_PRESENT, 5

main64:
	set_up_task
	gate	3, call, 3
	gate	UD, undefined
	gate	GP, protection
	gate	PF, page
	movl	$KERNEL_PAGE + PAGE_2M_KERNEL, pd_low + 24(%rip)
	mov	%cr3, %rax
	mov	%rax, %cr3
	mov	%cr4, %rax
	or	$CR4_SSE, %eax
	mov	%rax, %cr4
	enter_user user

.macro user_require condition:req, text:vararg
	j\condition .Lheld\@
	.pushsection .rodata
.Luser_text\@:
	.asciz	\text
	.popsection
	lea	.Luser_text\@(%rip), %rsi
	jmp	user_failed
.Lheld\@:
.endm

.macro check_general number, register
	cmp	general_patterns + 8 * \number(%rip), %\register
	user_require e, "a general register changed over a call"
.endm

.macro check_xmm number, register
	movdqa	xmm_patterns + 16 * \number(%rip), %xmm15
	pcmpeqb	\register, %xmm15
	pmovmskb %xmm15, %eax
	cmp	$0xffff, %eax
	user_require e, "an XMM register changed over a call"
.endm

# The fault that brought us here: its vector and its error code.
.macro user_expect vector, error
	cmpl	$\vector, fault_vector(%rip)
	user_require e, "another exception than expected"
	cmpl	$\error, fault_error(%rip)
	user_require e, "another error code than expected"
.endm

user:
	mov	%cs, %eax
	and	$3, %eax		# a KVM without hardware support shows a selector of its own
	cmp	$3, %eax
	user_require e, "user code does not run at CPL 3"
	each_xmm load_xmm
	each_general load_general
1:	int3
	each_general check_general
	decl	calls_left(%rip)
	jnz	1b
	each_xmm check_xmm

	lea	1f(%rip), %rax
	mov	%rax, resume(%rip)
	ud2
1:	user_expect UD, 0
	lea	1f(%rip), %rax
	mov	%rax, resume(%rip)
	cli
1:	user_expect GP, 0
	lea	1f(%rip), %rax
	mov	%rax, resume(%rip)
	mov	KERNEL_PAGE, %eax
1:	user_expect PF, PF_USER_READ_OF_PRESENT
	cmpl	$KERNEL_PAGE, fault_address(%rip)
	user_require e, "CR2 is not the address of the fault"

	xor	%esi, %esi
user_failed:
	movb	$1, ended(%rip)
	int3

# INT3: one of the calls, or the end, with the text of what failed in rsi, or 0.
call:	cmpb	$0, ended(%rip)
	jne	1f
	cmpq	$USER_CODE64, 8(%rsp)
	jne	2f
	cmpq	$USER_DATA, 32(%rsp)
	jne	2f
	push	%rax
	mov	general_patterns + 8 * 4(%rip), %rax
	cmp	%rax, 32(%rsp)
	jne	2f
	pop	%rax
	iretq
1:	test	%rsi, %rsi
	jz	3f
	push	%rsi
	print	"FAIL: "
	pop	%rsi
	call	puts
	print	"\n"
	end_with FAILED
2:	fail	"the frame of INT3"
3:	print	"int3 ok\nfaults ok\n"
	pass	"cpl3 ok\n"

undefined:
	movl	$UD, fault_vector(%rip)
	movl	$0, fault_error(%rip)
	jmp	1f
protection:
	movl	$GP, fault_vector(%rip)
	pop	fault_error(%rip)
	jmp	1f
page:	movl	$PF, fault_vector(%rip)
	pop	fault_error(%rip)
	mov	%cr2, %rax
	mov	%rax, fault_address(%rip)
1:	mov	resume(%rip), %rax
	mov	%rax, (%rsp)
	iretq

	.data
calls_left:
	.long	CALLS
	.bss
	.balign	8
resume:	.skip	8
fault_error:
	.skip	8
fault_address:
	.skip	8
fault_vector:
	.skip	4
ended:	.skip	1
