# count: lives for ever, and tells when RAM or a register was not kept.
#
# Start:  --bios (64 KiB, as QEMU's -bios wants it), real mode.
# COM1:   "S" at a cold boot, then the alphabet round and round, a letter each 2^18 TSC cycles
#         (about 0.1 ms). A letter out of turn means lost or old RAM; "X" a register or segment
#         register that is not what it was.
# End:    none.
# RAM:    0x1000 u32 rounds        0x1004 u8 the next letter
#         0x1008 u64 boot nonce (the TSC at the cold boot; never written again)
#         0x1010 u32 times "X" was written

	.include "lib/rom.S"

	.set COM1, 0x3f8
	.set ROUNDS, 0x1000
	.set LETTER, 0x1004
	.set NONCE, 0x1008
	.set BROKEN, 0x1010
	.set LETTER_CYCLES, 1 << 18

	# Every register but eax and edx holds something; no stack, so esp is free, too.
	.set IN_ECX, 0x01234567
	.set IN_ESI, 0x89abcdef
	.set IN_EDI, 0xfedcba98
	.set IN_ESP, 0x76543210
	.set IN_ES, 0x1357
	.set IN_FS, 0x2468
	.set IN_GS, 0xace0

	.section .pad, "a"
	.byte	0xff
	.text

start:
	cli
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %ss
	rdtsc
	mov	%eax, NONCE
	mov	%edx, NONCE + 4
	movl	$0, ROUNDS
	movl	$0, BROKEN
	movb	$'a', LETTER
	mov	$COM1, %dx
	mov	$'S', %al
	out	%al, (%dx)

fill:
	mov	$IN_ES, %ax
	mov	%ax, %es
	mov	$IN_FS, %ax
	mov	%ax, %fs
	mov	$IN_GS, %ax
	mov	%ax, %gs
	mov	$IN_ECX, %ecx
	mov	$IN_ESI, %esi
	mov	$IN_EDI, %edi
	mov	$IN_ESP, %esp
	mov	ROUNDS, %ebp		# counted here and in RAM
	rdtsc
	mov	%eax, %ebx		# when the last letter was written

round:
	incl	ROUNDS
	inc	%ebp
	cmp	%ebp, ROUNDS
	jne	broken
	cmp	$IN_ECX, %ecx
	jne	broken
	cmp	$IN_ESI, %esi
	jne	broken
	cmp	$IN_EDI, %edi
	jne	broken
	cmp	$IN_ESP, %esp
	jne	broken
	mov	%es, %ax
	cmp	$IN_ES, %ax
	jne	broken
	mov	%fs, %ax
	cmp	$IN_FS, %ax
	jne	broken
	mov	%gs, %ax
	cmp	$IN_GS, %ax
	jne	broken
	rdtsc
	sub	%ebx, %eax		# modulo 2^32: a TSC that was set back ends the wait, too
	cmp	$LETTER_CYCLES, %eax
	jb	round
	add	%eax, %ebx

	mov	$COM1 + 5, %dx
1:	in	(%dx), %al
	test	$0x20, %al
	jz	1b
	mov	$COM1, %dx
	mov	LETTER, %al
	out	%al, (%dx)
	inc	%al
	cmp	$'z', %al
	jbe	2f
	mov	$'a', %al
2:	mov	%al, LETTER
	jmp	round

broken:
	incl	BROKEN
	mov	$COM1, %dx
	mov	$'X', %al
	out	%al, (%dx)
	jmp	fill
