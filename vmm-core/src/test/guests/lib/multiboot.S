# A multiboot 1 kernel, ELF32 at 1 MiB. Includers define `main`: 32-bit protected mode, flat
# segments of our own, a stack, ebx = multiboot information, eax = the loader's magic.

	.set MULTIBOOT_HEADER, 0x1badb002
	.set MULTIBOOT_LOADER, 0x2badb002

	# Selectors, in the order that SYSCALL and SYSRET want.
	.set CODE32, 0x08
	.set CODE64, 0x10
	.set DATA, 0x18
	.set USER_DATA, 0x20 | 3
	.set USER_CODE64, 0x28 | 3
	.set TASK, 0x30

	.section .multiboot, "a"
	.long	MULTIBOOT_HEADER, 0, -MULTIBOOT_HEADER

	.data
	.balign	8
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff
	.quad	0x00af9b000000ffff
	.quad	0x00cf93000000ffff
	.quad	0x00cff3000000ffff
	.quad	0x00affb000000ffff
gdt_task:
	.quad	0, 0
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt

	.bss
	.balign	16
	.skip	4096
stack_top:

	.text
	.code32
	.globl	start
start:
	cld
	mov	$stack_top, %esp
	lgdt	gdt_pointer
	ljmp	$CODE32, $1f
1:	mov	$DATA, %ecx
	mov	%ecx, %ds
	mov	%ecx, %es
	mov	%ecx, %ss
	mov	%ecx, %fs
	mov	%ecx, %gs
	jmp	main
