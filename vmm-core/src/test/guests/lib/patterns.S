# A pattern for each general and each XMM register, by number as the instructions encode them.

	.data
	.balign	16
general_patterns:
	.set i, 0
	.rept	16
	.long	0x13579b00 + i, 0x00002468	# canonical: one is in rsp
	.set i, i + 1
	.endr
xmm_patterns:
	.set i, 0
	.rept	16
	.long	0xa0b0c000 + i, 0xd0e0f000 + i, 0x01122300 + i, 0x34455600 + i
	.set i, i + 1
	.endr
	.text

# `do NUMBER, REGISTER` for each general register.
.macro each_general do:req
	.set i, 0
	.irp	register, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	\do	i, \register
	.set i, i + 1
	.endr
.endm

# `do NUMBER, REGISTER` for each XMM register but xmm15.
.macro each_xmm do:req
	.set i, 0
	.irp	number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
	\do	i, %xmm\number
	.set i, i + 1
	.endr
.endm

.macro load_general number, register
	mov	general_patterns + 8 * \number(%rip), %\register
.endm

.macro load_xmm number, register
	movdqa	xmm_patterns + 16 * \number(%rip), \register
.endm
