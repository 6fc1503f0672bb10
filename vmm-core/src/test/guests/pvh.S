# pvh: what a loader hands over by PVH's boot protocol.
#
# Start:  64-bit ELF file with a XEN_ELFNOTE_PHYS32_ENTRY note; ebx = hvm_start_info. Whoever
#         starts it at the ELF file's own entry point (64-bit mode) is told so.
# COM1:   what was found, a line each (numbers in hexadecimal):
#           version V flags F
#           command line: TEXT
#           module ADDRESS-HIGH ADDRESS-LOW size HIGH LOW
#           module begins: its first bytes, up to 64, a newline or a NUL
#           rsdp HIGH LOW
#           map BASE-HIGH BASE-LOW LENGTH-HIGH LENGTH-LOW type T
#         then "pvh ok".
# End:    debug-exit, 0x10 passed, 0x11 failed.

	.code32
	.include "lib/console.S"
	.set HERE, 0x100000
	.include "lib/boot.S"

	# hvm_start_info
	.set MAGIC, 0
	.set VERSION, 4
	.set FLAGS, 8
	.set NR_MODULES, 12
	.set MODLIST, 16
	.set CMDLINE, 24
	.set RSDP, 32
	.set MEMMAP, 40
	.set MEMMAP_ENTRIES, 48
	.set START_MAGIC, 0x336ec578
	.set MODULE, 32			# size of an entry
	.set MEMMAP_ENTRY, 24

	.set PHYS32_ENTRY, 18
	.set CR0_PE, 1 << 0
	.set CR0_PG, 1 << 31

	.section .note.Xen, "a", @note
	.balign	4
	.long	4, 8, PHYS32_ENTRY
	.asciz	"Xen"
	.quad	start
	.text

start:
	mov	$stack_top, %esp
	cld
	mov	%ebx, %ebp
	pushf
	pop	%eax
	test	$1 << 9, %eax
	require z, "interrupts are on"
	mov	%cr0, %eax
	and	$CR0_PE | CR0_PG, %eax
	cmp	$CR0_PE, %eax
	require e, "not protected mode without paging"
	mov	%cr4, %eax
	test	%eax, %eax
	require z, "CR4 is not 0"
	cmpl	$START_MAGIC, MAGIC(%ebp)
	require e, "hvm_start_info's magic"

	print	"version "
	print_field VERSION(%ebp)
	print	" flags "
	print_field FLAGS(%ebp)
	print	"\n"
	cmpl	$1, VERSION(%ebp)
	require ae, "version 0 has no memory map"
	print	"command line: "
	cmpl	$0, CMDLINE + 4(%ebp)
	require e, "the command line lies above 4 GiB"
	mov	CMDLINE(%ebp), %esi
	test	%esi, %esi
	jz	1f
	call	puts
1:	print	"\n"

	mov	MODLIST(%ebp), %edi
module:
	decl	NR_MODULES(%ebp)
	js	map
	print	"module "
	print_field 4(%edi)
	print	" "
	print_field (%edi)
	print	" size "
	print_field 12(%edi)
	print	" "
	print_field 8(%edi)
	print	"\nmodule begins: "
	mov	(%edi), %esi
	mov	8(%edi), %ecx
	call	print_beginning
	print	"\n"
	add	$MODULE, %edi
	jmp	module

map:	print	"rsdp "
	print_field RSDP + 4(%ebp)
	print	" "
	print_field RSDP(%ebp)
	print	"\n"
	mov	MEMMAP(%ebp), %edi
1:	decl	MEMMAP_ENTRIES(%ebp)
	js	2f
	call	map_entry
	adcl	$0, homes
	add	$MEMMAP_ENTRY, %edi
	jmp	1b
2:	cmpl	$1, homes
	require e, "not exactly one entry of the map is the RAM at 1 MiB"
	pass	"pvh ok\n"

	.code64
	.globl	elf_start
elf_start:
	lea	wrong_entry(%rip), %rsi
	mov	$COM1, %dx
1:	lodsb
	test	%al, %al
	jz	2f
	out	%al, (%dx)
	jmp	1b
2:	mov	$FAILED, %al
	out	%al, $DEBUG_EXIT
3:	cli
	hlt
	jmp	3b

	.section .rodata
wrong_entry:
	.asciz	"FAIL: started at the ELF entry, not at the note's\n"

	.bss
	.balign	16
	.skip	1024
stack_top:
homes:	.skip	4
