# COM1 and the ways to end. Assembles after .code16, .code32 and .code64 alike: whoever
# includes it from 64-bit code defines LONG first. Texts lie in the code segment.

	.set COM1, 0x3f8
	.set DEBUG_EXIT, 0xf4		# a byte v ends the VMM with exit code (v << 1) | 1
	.set PASSED, 0x10		# exit code 33
	.set FAILED, 0x11		# exit code 35
	.set NO_POWER_OFF, 0x12		# exit code 37: the port was written, and here we still are
	.set PM1A_CONTROL, 0x604
	.set SLEEP_S5, (5 << 10) | (1 << 13)

.macro print text:vararg
	.pushsection .rodata
.Ltext\@:
	.asciz \text
	.popsection
.ifdef LONG
	lea	.Ltext\@(%rip), %rsi
.else
	mov	$.Ltext\@, %esi
.endif
	call	puts
.endm

.macro end_with value
	mov	$\value, %al
	out	%al, $DEBUG_EXIT
	jmp	halt
.endm

.macro power_off
	mov	$PM1A_CONTROL, %dx
	mov	$SLEEP_S5, %ax
	out	%ax, (%dx)
	end_with NO_POWER_OFF
.endm

.macro pass text:vararg
	print	\text
	end_with PASSED
.endm

.macro fail text:vararg
	print	"FAIL: "
	print	\text
	print	"\n"
	end_with FAILED
.endm

# Goes on where the condition holds, fails where not.
.macro require condition:req, text:vararg
	j\condition .Lheld\@
	fail	\text
.Lheld\@:
.endm

# Writes the byte in al; changes ah and edx.
putc:
	mov	%al, %ah
	mov	$COM1 + 5, %dx
1:	in	(%dx), %al
	test	$0x20, %al		# transmitter holding register empty
	jz	1b
	mov	%ah, %al
	mov	$COM1, %dx
	out	%al, (%dx)
	ret

# Writes the text at esi up to its NUL; changes eax, edx, esi.
puts:
	cs lodsb
	test	%al, %al
	jz	1f
	call	putc
	jmp	puts
1:	ret

# Writes eax as eight hexadecimal digits; changes eax, ebx, ecx, edx.
puthex:
	mov	$8, %ecx
# The upper ecx of them.
puthex_upper:
	mov	%eax, %ebx
1:	rol	$4, %ebx
	mov	%bl, %al
	and	$0xf, %al
	cmp	$10, %al
	jb	2f
	add	$'a' - '0' - 10, %al
2:	add	$'0', %al
	call	putc
	dec	%ecx
	jnz	1b
	ret

# Writes eax in decimal; changes eax, ebx, ecx, edx. 16-bit pushes: every mode has them.
putdec:
	xor	%ecx, %ecx
	mov	$10, %ebx
1:	xor	%edx, %edx
	div	%ebx
	push	%dx
	inc	%ecx
	test	%eax, %eax
	jnz	1b
2:	pop	%ax
	add	$'0', %al
	call	putc
	dec	%ecx
	jnz	2b
	ret

halt:
	cli
	hlt
	jmp	halt
