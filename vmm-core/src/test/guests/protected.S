# protected: what a multiboot 1 loader hands over.
#
# Start:  multiboot.
# COM1:   the information as it was found, a line each (numbers in hexadecimal):
#           flags F
#           memory below L KiB, above U KiB
#           command line: TEXT
#           module START-END: TEXT of its string
#           module begins: its first bytes, up to 64, a newline or a NUL
#           map BASE-HIGH BASE-LOW LENGTH-HIGH LENGTH-LOW type T
#           memory nobody has: what 0xcfff0000 reads
#         then "protected ok".
# End:    debug-exit, 0x10 passed, 0x11 failed.

	.include "lib/multiboot.S"
	.include "lib/console.S"
	.set HERE, 0x100000
	.include "lib/boot.S"

	# multiboot_info
	.set FLAGS, 0
	.set MEM_LOWER, 4
	.set MEM_UPPER, 8
	.set CMDLINE, 16
	.set MODS_COUNT, 20
	.set MODS_ADDR, 24
	.set MMAP_LENGTH, 44
	.set MMAP_ADDR, 48
	.set HAS_MEMORY, 1 << 0
	.set HAS_CMDLINE, 1 << 2
	.set HAS_MODULES, 1 << 3
	.set HAS_MMAP, 1 << 6

	.set UNMAPPED, 0xcfff0000	# in the 32-bit hole, no device's

main:
	mov	%ebx, %ebp
	cmp	$MULTIBOOT_LOADER, %eax
	require e, "eax is not the loader's magic"
	pushf
	pop	%eax
	test	$1 << 9, %eax
	require z, "interrupts are on"
	mov	%cr0, %eax
	test	$1 << 31, %eax
	require z, "paging is on"

	print	"flags "
	print_field FLAGS(%ebp)
	print	"\nmemory below "
	print_field MEM_LOWER(%ebp)
	print	" KiB, above "
	print_field MEM_UPPER(%ebp)
	print	" KiB\n"
	mov	FLAGS(%ebp), %eax
	not	%eax
	test	$HAS_MEMORY | HAS_CMDLINE | HAS_MMAP, %eax
	require z, "the information lacks memory, command line or map"
	cmpl	$0, MEM_LOWER(%ebp)
	require ne, "no memory below 1 MiB"
	cmpl	$0, MEM_UPPER(%ebp)
	require ne, "no memory above 1 MiB"
	print	"command line: "
	mov	CMDLINE(%ebp), %esi
	call	puts
	print	"\n"

	# kvm-unit-tests look at the number of modules without asking whether there are any.
	testl	$HAS_MODULES, FLAGS(%ebp)
	jnz	1f
	cmpl	$0, MODS_COUNT(%ebp)
	require e, "a number of modules without modules"
1:	mov	MODS_ADDR(%ebp), %edi
module:
	decl	MODS_COUNT(%ebp)
	js	map
	print	"module "
	print_field 0(%edi)
	print	"-"
	print_field 4(%edi)
	print	": "
	mov	8(%edi), %esi
	call	puts
	print	"\nmodule begins: "
	mov	0(%edi), %esi
	mov	4(%edi), %ecx
	sub	%esi, %ecx
	require ae, "a module ends before it begins"
	call	print_beginning
	print	"\n"
	add	$16, %edi
	jmp	module

map:
	mov	MMAP_ADDR(%ebp), %edi
	mov	MMAP_LENGTH(%ebp), %eax
	add	%edi, %eax
	mov	%eax, map_end
entry:
	cmp	map_end, %edi
	jae	map_done
	add	$4, %edi
	call	map_entry
	jnc	1f
	incl	homes
1:	add	-4(%edi), %edi
	jmp	entry
map_done:
	cmpl	$1, homes
	require e, "not exactly one entry of the map is the RAM at 1 MiB"

	print	"memory nobody has: "
	print_field UNMAPPED
	print	"\n"
	pass	"protected ok\n"

	.bss
map_end:
	.skip	4
homes:	.skip	4
