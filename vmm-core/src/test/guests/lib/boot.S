# Writes what a loader hands over. After lib/console.S, in 32-bit and in 64-bit mode. Includers
# set HERE, an address of RAM: where they run.

	.set RAM, 1			# type of a memory map entry
	.set BEGINNING, 64

# Writes the 32 bits at `address`; changes eax, ebx, ecx, edx.
.macro print_field address:vararg
	mov	\address, %eax
	call	puthex
.endm

# Writes the ecx bytes at esi up to a newline, a NUL or the 64th; changes eax, ecx, edx, esi.
print_beginning:
	cmp	$BEGINNING, %ecx
	jbe	1f
	mov	$BEGINNING, %ecx
1:	test	%ecx, %ecx
	jz	2f
	lodsb
	cmp	$'\n', %al
	je	2f
	test	%al, %al
	jz	2f
	call	putc
	dec	%ecx
	jmp	1b
2:	ret

# Writes the memory map's entry at edi: base, length (64 bits each), type (32). Carry if it is the
# RAM with HERE. Changes eax, ebx, ecx, edx, esi.
map_entry:
	print	"map "
	print_field 4(%edi)
	print	" "
	print_field (%edi)
	print	" "
	print_field 12(%edi)
	print	" "
	print_field 8(%edi)
	print	" type "
	mov	16(%edi), %eax
	call	putdec
	print	"\n"
	cmpl	$RAM, 16(%edi)
	jne	1f
	cmpl	$0, 4(%edi)
	jne	1f
	mov	$HERE, %eax
	sub	(%edi), %eax
	jb	1f
	cmpl	$0, 12(%edi)
	jne	2f
	cmp	8(%edi), %eax		# carry if HERE is before the end
	ret
1:	clc
	ret
2:	stc
	ret
