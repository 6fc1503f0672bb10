# A flat image for --bios: its last byte is the last one below 4 GiB. The CPU starts in real
# mode at the reset vector with cs.base 0xffff0000; a far jump or an iret brings it to the
# image's copy below 1 MiB. Includers define `start`.

	.code16
	.globl	start
	.section .reset, "ax"
	jmp	start
	.org	16, 0xff
	.text

# ss:esp = 0:0x7000, ds = es = 0
.macro set_up_real_mode
	cli
	cld
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$0x7000, %esp
.endm
