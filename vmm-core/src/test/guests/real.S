# real: real mode as a boot loader uses it.
#
# Start:  --bios, real mode.
# COM1:   "string out" (written by REP OUTSB), then what an unknown port reads, byte, word and
#         long, then "real ok".
# End:    debug-exit, 0x10 passed, 0x11 failed.

	.include "lib/rom.S"
	.include "lib/console.S"

	.set UNKNOWN_PORT, 0x5f0
	.set SCRATCH, COM1 + 7
	.set BUFFER, 0x1100
	.set FAR_ROUTINE, 0x2000
	.set VECTOR, 0x42

start:
	set_up_real_mode

	# A string no longer than the transmitter's FIFO, so that it fits whatever the speed.
	mov	$string, %si
	mov	$string_length, %cx
	mov	$COM1, %dx
	rep outsb %cs:(%si), (%dx)

	# Eight times the scratch register, into RAM.
	mov	$SCRATCH, %dx
	mov	$0x5a, %al
	out	%al, (%dx)
	mov	$BUFFER, %di
	mov	$8, %cx
	rep insb (%dx), %es:(%di)
	cmp	$BUFFER + 8, %di
	require e, "REP INSB left di wrong"
	cmpl	$0x5a5a5a5a, BUFFER
	require e, "REP INSB read something else"
	cmpl	$0x5a5a5a5a, BUFFER + 4
	require e, "REP INSB read something else"

	print	"port 5f0: "
	xor	%eax, %eax
	mov	$UNKNOWN_PORT, %dx
	in	(%dx), %al
	mov	%eax, %edi
	call	puthex
	print	" "
	xor	%eax, %eax
	mov	$UNKNOWN_PORT, %dx
	in	(%dx), %ax
	mov	%eax, %ebp
	call	puthex
	print	" "
	mov	$UNKNOWN_PORT, %dx
	in	(%dx), %eax
	push	%eax
	call	puthex
	print	"\n"
	cmp	$0xff, %edi
	require e, "an unknown port read as a byte is not all ones"
	cmp	$0xffff, %ebp
	require e, "an unknown port read as a word is not all ones"
	pop	%eax
	inc	%eax
	require z, "an unknown port read as a long is not all ones"

	# The image's copy below 1 MiB.
	ljmp	$0xf000, $copied
copied:
	mov	%cs, %ax
	cmp	$0xf000, %ax
	require e, "cs after a far jump"

	# A routine in RAM that returns far.
	movl	$0xcbd8f7, FAR_ROUTINE	# neg %ax; lret
	mov	$1234, %ax
	lcall	$FAR_ROUTINE >> 4, $0
	cmp	$-1234, %ax
	require e, "a far call into RAM"

	movw	$interrupt, VECTOR * 4
	movw	$0xf000, VECTOR * 4 + 2
	xor	%ax, %ax
	mov	%sp, %bx
	int	$VECTOR
	cmp	$0x4242, %ax
	require e, "a software interrupt"
	cmp	%sp, %bx
	require e, "sp after iret"

	pass	"real ok\n"

interrupt:
	mov	$0x4242, %ax
	iret

string:
	.ascii	"string out\n"
	.set string_length, . - string
