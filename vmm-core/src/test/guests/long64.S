# long64: what a loader hands over by Linux's 64-bit protocol.
#
# Start:  64-bit ELF file, linked like a vmlinux (virtual addresses at the top, physical ones from
#         16 MiB, a physical entry point), rsi = boot_params. Needs 17 MiB of RAM.
# COM1:   what was found, a line each (numbers in hexadecimal):
#           command line: TEXT
#           initrd ADDRESS size SIZE
#           initrd begins: its first bytes, up to 64, a newline or a NUL
#           rsdp HIGH LOW
#           map BASE-HIGH BASE-LOW LENGTH-HIGH LENGTH-LOW type T
#         then "long64 ok".
# End:    debug-exit, 0x10 passed, 0x11 failed.

	.code64
	.set LONG, 1
	.include "lib/console.S"
	.set HERE, 0x1000000
	.include "lib/boot.S"

	# boot_params
	.set RSDP_ADDRESS, 0x70
	.set E820_ENTRIES, 0x1e8
	.set BOOT_FLAG, 0x1fe
	.set HEADER, 0x202
	.set TYPE_OF_LOADER, 0x210
	.set RAMDISK_IMAGE, 0x218
	.set RAMDISK_SIZE, 0x21c
	.set CMD_LINE_PTR, 0x228
	.set E820_TABLE, 0x2d0
	.set E820_ENTRY, 20
	.set E820_MAX, 128

	.set BOOT_CS, 0x10
	.set BOOT_DS, 0x18

	.globl	start
start:
	lea	stack_top(%rip), %rsp
	cld
	mov	%rsi, %rbp
	pushf
	pop	%rax
	test	$1 << 9, %eax
	require z, "interrupts are on"
	mov	%cs, %eax
	cmp	$BOOT_CS, %eax
	require e, "cs is not __BOOT_CS"
	.irp	segment, ds, es, ss
	mov	%\segment, %eax
	cmp	$BOOT_DS, %eax
	require e, "ds, es or ss is not __BOOT_DS"
	.endr
	mov	%rbp, %rax
	shr	$32, %rax
	require z, "boot_params lie above 4 GiB"
	cmpw	$0xaa55, BOOT_FLAG(%rbp)
	require e, "boot_flag"
	cmpl	$0x53726448, HEADER(%rbp)	# "HdrS"
	require e, "the setup header's magic"
	cmpb	$0, TYPE_OF_LOADER(%rbp)
	require ne, "type_of_loader is 0"

	print	"command line: "
	mov	CMD_LINE_PTR(%rbp), %esi
	call	puts
	print	"\ninitrd "
	print_field RAMDISK_IMAGE(%rbp)
	print	" size "
	print_field RAMDISK_SIZE(%rbp)
	print	"\n"
	mov	RAMDISK_SIZE(%rbp), %ecx
	test	%ecx, %ecx
	jz	1f
	print	"initrd begins: "
	mov	RAMDISK_IMAGE(%rbp), %esi
	mov	RAMDISK_SIZE(%rbp), %ecx
	call	print_beginning
	print	"\n"
1:	print	"rsdp "
	print_field RSDP_ADDRESS + 4(%rbp)
	print	" "
	print_field RSDP_ADDRESS(%rbp)
	print	"\n"

	movzbl	E820_ENTRIES(%rbp), %r8d
	cmp	$E820_MAX, %r8d
	require be, "too many entries in the map"
	xor	%r9d, %r9d		# entries that are the RAM we run in
	lea	E820_TABLE(%rbp), %edi
2:	dec	%r8d
	js	3f
	call	map_entry
	adc	$0, %r9d
	add	$E820_ENTRY, %edi
	jmp	2b
3:	cmp	$1, %r9d
	require e, "not exactly one entry of the map is the RAM at 16 MiB"
	pass	"long64 ok\n"

	.bss
	.balign	16
	.skip	1024
stack_top:
