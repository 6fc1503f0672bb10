# Guests that live on: what a test looks at in RAM, and what they write. After lib/console.S, in
# 64-bit mode or, if LONG is not set, in 32-bit mode.

	.set ROUNDS, 0x1000		# u32
	.set LETTER, 0x1004		# u8, the next one
	.set NONCE, 0x1008		# u64, the TSC at the start; never written again
	.set BROKEN, 0x1010		# u32, times "X" was written

# Changes eax, edx.
.macro begin_life
	rdtsc
	mov	%eax, NONCE
	mov	%edx, NONCE + 4
	movl	$0, ROUNDS
	movl	$0, BROKEN
	movb	$'a', LETTER
.endm

# A round is over, and a letter due: the next of the alphabet, in which a gap would show. Changes
# eax, edx.
.macro write_letter
	mov	LETTER, %al
	call	putc
	incb	LETTER
	cmpb	$'z', LETTER
	jbe	.Lwritten\@
	movb	$'a', LETTER
.Lwritten\@:
.endm

# Goes on where the condition holds; where not, writes "X" and a letter that tells what broke.
.macro keep condition:req, letter:req
	j\condition .Lkept\@
	mov	$'X', %al
	call	putc
	mov	$\letter, %al
	call	putc
	incl	BROKEN
.Lkept\@:
.endm
