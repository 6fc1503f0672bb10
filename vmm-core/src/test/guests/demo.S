# demo: the guest that `vmm demo` boots. Says hello, counts, powers off.
#
# Start:  --bios, real mode.
# COM1:   "Hello from a guest.", then every 2^27 TSC cycles (about 50 ms) the count so far:
#         "counted to N" (N depends on how fast the host is), 8 times, then "Good-bye.".
#         "register and RAM differ" where the count in ebp is not the count in RAM.
# End:    power-off through port 0x604; debug-exit with 0x12 (exit code 37) where there is none.
# RAM:    0x1000 u32 the count     0x1004 u32 lines still to come
#         0x1008 u64 boot nonce (the TSC at the cold boot; never written again)
#         0x1010 u32 lines to write, set before the start; 0 stands for 8
#         0x1014 u32 the most TSC cycles between two reads of the TSC while it counted: how long it ever stood still

	.include "lib/rom.S"
	.include "lib/console.S"

	.set COUNT, 0x1000
	.set LINES_LEFT, 0x1004
	.set NONCE, 0x1008
	.set LINES, 0x1010
	.set GAP, 0x1014
	.set LINE_CYCLES, 1 << 27

start:
	set_up_real_mode
	rdtsc
	mov	%eax, NONCE
	mov	%edx, NONCE + 4
	mov	%eax, %edi		# when the last line was written
	mov	LINES, %eax
	test	%eax, %eax
	jnz	1f
	mov	$8, %al
1:	mov	%eax, LINES_LEFT
	xor	%ebp, %ebp
	mov	%ebp, COUNT
	mov	%ebp, GAP
	print	"Hello from a guest.\n"
	rdtsc
	mov	%eax, %ebx

round:
	inc	%ebp
	incl	COUNT
	rdtsc
	mov	%eax, %ecx
	sub	%ebx, %ecx
	mov	%eax, %ebx
	cmp	%ecx, GAP
	jae	2f
	mov	%ecx, GAP
2:	sub	%edi, %eax
	cmp	$LINE_CYCLES, %eax
	jb	round
	add	%eax, %edi
	cmp	%ebp, COUNT
	je	1f
	print	"register and RAM differ\n"
	mov	COUNT, %ebp
1:	print	"counted to "
	mov	%ebp, %eax
	call	putdec
	print	"\n"
	rdtsc
	mov	%eax, %ebx
	decl	LINES_LEFT
	jnz	round

	print	"Good-bye.\n"
	power_off
