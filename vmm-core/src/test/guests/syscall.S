# syscall: SYSCALL, SYSRET and INT n between CPL 3 and CPL 0.
#
# Start:  multiboot; 64-bit mode.
# COM1:   "syscall ok", "int ok".
# End:    debug-exit, 0x10 passed, 0x11 failed.
# Where:  a KVM with hardware support only (the lab): see lib/user.S.

	.include "lib/long.S"
	.include "lib/console.S"
	.include "lib/user.S"

	.set CALLS, 100
	.set VECTOR, 0x80
	.set EFER_SCE, 1 << 0
	.set MSR_STAR, 0xc0000081
	.set MSR_LSTAR, 0xc0000082
	.set MSR_SFMASK, 0xc0000084
	.set FLAGS_CARRY, 1 << 0

main64:
	set_up_task
	gate	VECTOR, interrupt, 3
	mov	$EFER, %ecx
	rdmsr
	or	$EFER_SCE, %eax
	wrmsr
	mov	$MSR_STAR, %ecx
	xor	%eax, %eax
	mov	$((USER_DATA - 8) << 16) | CODE64, %edx
	wrmsr
	mov	$MSR_LSTAR, %ecx
	lea	system_call(%rip), %rax
	xor	%edx, %edx
	wrmsr
	mov	$MSR_SFMASK, %ecx
	mov	$FLAGS_CARRY, %eax
	wrmsr
	enter_user user

user:
	mov	$CALLS, %ebp
1:	stc
	mov	%ebp, %edi
	syscall				# eax = ~edi
returned:
	not	%eax
	cmp	%ebp, %eax
	jne	bad
	dec	%ebp
	jnz	1b
	mov	$CALLS, %ebp
1:	mov	%ebp, %edi
	int	$VECTOR			# eax = -edi, 0 ends
	neg	%eax
	cmp	%ebp, %eax
	jne	bad
	dec	%ebp
	jnz	1b
	xor	%edi, %edi
	int	$VECTOR
bad:	mov	$-1, %edi
	int	$VECTOR

system_call:
	lea	returned(%rip), %rax
	cmp	%rax, %rcx
	require e, "rcx after SYSCALL"
	test	$FLAGS_CARRY, %r11d
	require nz, "r11 after SYSCALL"
	mov	%cs, %eax
	cmp	$CODE64, %eax
	require e, "cs after SYSCALL"
	mov	%ss, %eax
	cmp	$DATA, %eax
	require e, "ss after SYSCALL"
	mov	%edi, %eax
	not	%eax
	sysretq

interrupt:
	mov	%edi, %eax
	neg	%eax
	jz	1f
	cmp	$-1, %edi
	je	2f
	iretq
1:	print	"syscall ok\nint ok\n"
	end_with PASSED
2:	fail	"a call came back with something else"
