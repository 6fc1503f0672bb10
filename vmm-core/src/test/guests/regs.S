# regs: holds something in every register that a save must keep, and looks again and again.
#
# Start:  multiboot; 64-bit mode. The loop is user code, which every KVM lets the CPU run itself.
# COM1:   "R"; "." every 2^26 TSC cycles (about 25 ms), after a look at the kernel's registers, too;
#         "X" and three hexadecimal digits where a register is not what it was, after which all
#         are filled anew:
#           000-00f  rax rcx rdx rbx rsp rbp rsi rdi r8-r15
#           010 011  what FS base and GS base point to
#           020-026  CR2 CR8 DR0 DR1 DR2 DR3 DR7
#           030-     an MSR: its place in `msrs`
#           100-     0x100 + an offset in the XSAVE (without AVX: FXSAVE) area: 120 + 10 n is st(n),
#                    1a0 + 10 n XMMn, 340 + 10 n the upper half of YMMn, 100 FCW, 118 MXCSR
# End:    none.
# RAM:    0x1000 u32 rounds
#         0x1008 u64 boot nonce (the TSC at the start; never written again)
#         0x1010 u32 times "X" was written

	.include "lib/long.S"
	.include "lib/console.S"
	.include "lib/user.S"
	.include "lib/patterns.S"

	.set ROUNDS, 0x1000
	.set NONCE, 0x1008
	.set TIMES_BROKEN, 0x1010
	.set LOOK_CYCLES, 1 << 26

	.set NOTHING, -1
	.set FS_POINTEE, 0x10
	.set GS_POINTEE, 0x11
	.set IN_CR2, 0x20
	.set IN_CR8, 0x21
	.set IN_DR0, 0x22
	.set IN_DR7, 0x26
	.set FIRST_MSR, 0x30
	.set SAVE_AREA, 0x100

	.set CR2_PATTERN, 0x12345678
	.set CR8_PATTERN, 3
	.set DR_PATTERN, 0x13570000	# DRn holds this + n
	.set DR7_PATTERN, 0x55550400	# kinds and lengths of breakpoints, none enabled
	.set FS_PATTERN, 0x0f5f5f5f
	.set GS_PATTERN, 0x06565656

	.set CR4_SSE, 3 << 9		# OSFXSR, OSXMMEXCPT
	.set CR4_OSXSAVE, 1 << 18
	.set CPUID_XSAVE_AVX, 1 << 26 | 1 << 28
	.set X87_SSE_AVX, 7
	.set MSR_FS_BASE, 0xc0000100
	.set MSR_GS_BASE, 0xc0000101
	.set LEGACY_QUADS, 464 / 8	# what follows is software's
	.set YMM_QUADS, 576 / 8
	.set YMM_QUADS_END, 832 / 8

.macro set_dr number
	mov	$DR_PATTERN + \number, %eax
	mov	%rax, %dr\number
.endm

.macro check_dr number
	mov	$IN_DR0 + \number, %edi
	mov	%dr\number, %rax
	cmp	$DR_PATTERN + \number, %rax
	jne	changed
.endm

main64:
	rdtsc
	mov	%eax, NONCE
	mov	%edx, NONCE + 4
	movl	$0, ROUNDS
	movl	$0, TIMES_BROKEN
	set_up_task
	gate	3, call, 3
	mov	%cr4, %rax
	or	$CR4_SSE, %eax
	mov	%rax, %cr4
	mov	$1, %eax
	cpuid
	and	$CPUID_XSAVE_AVX, %ecx
	cmp	$CPUID_XSAVE_AVX, %ecx
	jne	1f
	mov	%cr4, %rax
	or	$CR4_OSXSAVE, %eax
	mov	%rax, %cr4
	xor	%ecx, %ecx
	xor	%edx, %edx
	mov	$X87_SSE_AVX, %eax
	xsetbv
	movb	$1, avx(%rip)
1:	print	"R"
	call	fill_kernel
	enter_user fill

fill_kernel:
	mov	$CR2_PATTERN, %eax
	mov	%rax, %cr2
	mov	$CR8_PATTERN, %eax
	mov	%rax, %cr8
	set_dr	0
	set_dr	1
	set_dr	2
	set_dr	3
	mov	$DR7_PATTERN, %eax
	mov	%rax, %dr7
	lea	msrs(%rip), %rsi
1:	mov	(%rsi), %ecx
	mov	4(%rsi), %eax
	mov	8(%rsi), %edx
	wrmsr
	add	$12, %rsi
	lea	msrs_end(%rip), %rax
	cmp	%rax, %rsi
	jb	1b
	ret

# edi = the first of the kernel's registers that changed, or NOTHING
check_kernel:
	mov	$IN_CR2, %edi
	mov	%cr2, %rax
	cmp	$CR2_PATTERN, %rax
	jne	changed
	mov	$IN_CR8, %edi
	mov	%cr8, %rax
	cmp	$CR8_PATTERN, %rax
	jne	changed
	check_dr 0
	check_dr 1
	check_dr 2
	check_dr 3
	mov	$IN_DR7, %edi
	mov	%dr7, %rax
	cmp	$DR7_PATTERN, %rax
	jne	changed
	mov	$FIRST_MSR, %edi
	lea	msrs(%rip), %rsi
1:	mov	(%rsi), %ecx
	rdmsr
	cmp	4(%rsi), %eax
	jne	changed
	cmp	8(%rsi), %edx
	jne	changed
	inc	%edi
	add	$12, %rsi
	lea	msrs_end(%rip), %rax
	cmp	%rax, %rsi
	jb	1b
	mov	$NOTHING, %edi
changed:
	ret

# INT3 in user code: `broken` says which of its registers changed, if any.
call:	push	%rax
	push	%rcx
	push	%rdx
	push	%rbx
	push	%rsi
	push	%rdi
	mov	broken(%rip), %edi
	cmp	$NOTHING, %edi
	jne	1f
	call	check_kernel
	cmp	$NOTHING, %edi
	jne	1f
	mov	$'.', %al
	call	putc
	jmp	2f
1:	mov	$'X', %al
	call	putc
	mov	%edi, %eax
	shl	$20, %eax
	mov	$3, %ecx
	call	puthex_upper
	incl	TIMES_BROKEN
	movl	$NOTHING, broken(%rip)
	call	fill_kernel
	lea	fill(%rip), %rax
	mov	%rax, 48(%rsp)
2:	pop	%rdi
	pop	%rsi
	pop	%rbx
	pop	%rdx
	pop	%rcx
	pop	%rax
	iretq

# From here on in CPL 3, without a stack: rsp holds a pattern, too.

.macro load_upper_ymm number
	vinsertf128 $1, xmm_patterns + 16 * (15 - \number)(%rip), %ymm\number, %ymm\number
.endm

# Changes rax, rdx.
.macro save_state area
	cmpb	$0, avx(%rip)
	je	.Lno_avx\@
	mov	$X87_SSE_AVX, %eax
	xor	%edx, %edx
	xsave64	\area(%rip)
	jmp	.Lsaved\@
.Lno_avx\@:
	fxsave64 \area(%rip)
.Lsaved\@:
.endm

.macro check_general number, register
	cmp	general_patterns + 8 * \number(%rip), %\register
	jne	bad_\register
.endm

.macro bad_general number, register
bad_\register:
	movl	$\number, broken(%rip)
	int3
.endm

# Quads of the save area from rcx up to `end`; changes rax, rcx.
.macro compare_quads end
1:	mov	(%rdx, %rcx, 8), %rax
	cmp	now_area - wanted_area(%rdx, %rcx, 8), %rax
	jne	bad_area
	inc	%ecx
	cmp	$\end, %ecx
	jb	1b
.endm

fill:
	each_xmm load_xmm
	movdqa	xmm_patterns + 16 * 15(%rip), %xmm15
	cmpb	$0, avx(%rip)
	je	1f
	.irp	number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	load_upper_ymm \number
	.endr
1:	fninit
	fldcw	x87_control(%rip)
	.rept	8
	fldl	x87_value(%rip)
	incl	x87_value(%rip)
	.endr
	ldmxcsr	mxcsr(%rip)
	save_state wanted_area
	rdtsc
	mov	%eax, last_look(%rip)
	each_general load_general

round:
	each_general check_general

	# rax, rcx and rdx are free until they are loaded again.
	mov	$FS_POINTEE, %ecx
	cmpl	$FS_PATTERN, %fs:0
	jne	bad_pointee
	mov	$GS_POINTEE, %ecx
	cmpl	$GS_PATTERN, %gs:0
	jne	bad_pointee

	save_state now_area
	lea	wanted_area(%rip), %rdx
	xor	%ecx, %ecx
	mov	(%rdx), %rax
	xor	now_area - wanted_area(%rdx), %rax
	shl	$16, %rax		# without FOP, FIP and FDP: some CPUs do not keep them
	jnz	bad_area
	mov	$3, %ecx
	compare_quads LEGACY_QUADS
	cmpb	$0, avx(%rip)
	je	2f
	mov	$YMM_QUADS, %ecx
	compare_quads YMM_QUADS_END

2:	incl	ROUNDS
	rdtsc
	sub	last_look(%rip), %eax
	cmp	$LOOK_CYCLES, %eax
	jb	3f
	add	%eax, last_look(%rip)
	int3
3:	load_general 0, rax
	load_general 1, rcx
	load_general 2, rdx
	jmp	round

bad_area:
	lea	SAVE_AREA(, %rcx, 8), %ecx
bad_pointee:
	mov	%ecx, broken(%rip)
	int3
	each_general bad_general

	.data
msrs:	# SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP, PAT
	.long	0x174, 0x10, 0
	.long	0x175, 0x00175175, 0
	.long	0x176, 0x00176176, 0
	.long	0x277, 0x00010406, 0x00070406
	# STAR, LSTAR, CSTAR, SFMASK
	.long	0xc0000081, 0x81818181, 0x001b0010
	.long	0xc0000082, 0x00828282, 0x00000082
	.long	0xc0000083, 0x00838383, 0x00000083
	.long	0xc0000084, 0x00047700, 0
	.long	MSR_FS_BASE, fs_pointee, 0
	.long	MSR_GS_BASE, gs_pointee, 0
	# KERNEL_GS_BASE
	.long	0xc0000102, 0x02020202, 0x00000202
msrs_end:
broken:	.long	NOTHING
mxcsr:	.long	0x1fa0			# the sticky precision flag is set
x87_control:
	.word	0x0b7f			# rounding up
	.balign	8
x87_value:
	.double	3.141592653589793
fs_pointee:
	.long	FS_PATTERN
gs_pointee:
	.long	GS_PATTERN

	.bss
	.balign	64
wanted_area:
	.skip	1024
now_area:
	.skip	1024
last_look:
	.skip	4
avx:	.skip	1
