# smp: brings up every CPU of the ACPI tables by INIT and SIPI.
#
# Start:  multiboot.
# COM1:   "cpus N" (enabled local APICs of the MADT, the boot CPU among them), a line "apic ID"
#         for each CPU that came up, in the order of the MADT, then "smp ok".
# End:    debug-exit, 0x10 passed, 0x11 failed: a CPU did not come within 2^32 TSC cycles, came
#         twice, or came with another APIC id.
# Needs:  RSDP between 0xe0000 and 0xfffff, RSDT or XSDT, MADT.

	.include "lib/multiboot.S"
	.include "lib/console.S"
	.include "lib/lapic.S"

	.set TRAMPOLINE, 0x8000
	.set MAX_CPUS, 256
	.set ICR_INIT, 0x4500
	.set ICR_STARTUP, 0x4600
	.set ICR_PENDING, 1 << 12
	.set MADT_LOCAL_APIC, 0
	.set LOCAL_APIC_ENABLED, 1 << 0

main:
	call	find_madt
	call	read_madt
	print	"cpus "
	mov	cpu_count, %eax
	call	putdec
	print	"\n"

	lapic_write LAPIC_SPURIOUS, $0x100 | SPURIOUS_VECTOR
	mov	LAPIC + LAPIC_ID, %eax
	shr	$24, %eax
	movb	$1, came(%eax)
	mov	%eax, boot_id

	mov	$trampoline, %esi
	mov	$TRAMPOLINE, %edi
	mov	$trampoline_end - trampoline, %ecx
	rep movsb

	xor	%ebp, %ebp
next_cpu:
	cmp	cpu_count, %ebp
	je	all_up
	movzbl	ids(%ebp), %ecx
	inc	%ebp
	cmp	boot_id, %ecx
	je	up
	shl	$24, %ecx
	mov	$ICR_INIT, %edx
	call	send
	mov	$ICR_STARTUP | (TRAMPOLINE >> 12), %edx
	call	send
	call	send			# twice, as real CPUs want it; a running one ignores it
	movzbl	ids - 1(%ebp), %ecx
	rdtsc
	mov	%eax, %esi
	mov	%edx, %edi
1:	cmpb	$0, came(%ecx)
	jne	up
	rdtsc
	sub	%esi, %eax
	sbb	%edi, %edx
	jz	1b
	fail	"a CPU did not come up"
up:	print	"apic "
	movzbl	ids - 1(%ebp), %eax
	call	putdec
	print	"\n"
	jmp	next_cpu

all_up:
	mov	cpu_count, %eax
	dec	%eax
	cmp	alive, %eax
	require e, "another number of CPUs came than was called"
	xor	%ebp, %ebp
1:	movzbl	ids(%ebp), %ecx
	cmpb	$1, came(%ecx)
	require e, "a CPU came twice"
	inc	%ebp
	cmp	cpu_count, %ebp
	jb	1b
	pass	"smp ok\n"

# Sends the interprocessor interrupt edx to the CPU ecx >> 24, waits until it is delivered.
send:
	mov	%ecx, LAPIC + LAPIC_ICR_HIGH
	mov	%edx, LAPIC + LAPIC_ICR_LOW
1:	testl	$ICR_PENDING, LAPIC + LAPIC_ICR_LOW
	jnz	1b
	ret

# edi = the MADT
find_madt:
	mov	$0xe0000, %esi
1:	cmpl	$0x20445352, (%esi)	# "RSD "
	jne	2f
	cmpl	$0x20525450, 4(%esi)	# "PTR "
	je	3f
2:	add	$16, %esi
	cmp	$0x100000, %esi
	jb	1b
	fail	"no RSDP"
3:	mov	$4, %ebx		# size of a table's address
	cmpb	$2, 15(%esi)
	jb	4f
	cmpl	$0, 24(%esi)
	je	4f
	mov	24(%esi), %esi		# XSDT
	mov	$8, %ebx
	jmp	5f
4:	mov	16(%esi), %esi		# RSDT
5:	mov	4(%esi), %ecx
	add	%esi, %ecx
	add	$36, %esi
6:	cmp	%ecx, %esi
	jae	7f
	mov	(%esi), %edi
	add	%ebx, %esi
	cmpl	$0x43495041, (%edi)	# "APIC"
	jne	6b
	ret
7:	fail	"no MADT"

read_madt:
	mov	4(%edi), %ecx
	add	%edi, %ecx
	add	$44, %edi
1:	cmp	%ecx, %edi
	jae	3f
	cmpb	$MADT_LOCAL_APIC, (%edi)
	jne	2f
	testl	$LOCAL_APIC_ENABLED, 4(%edi)
	jz	2f
	mov	cpu_count, %eax
	cmp	$MAX_CPUS, %eax
	jae	2f
	mov	3(%edi), %dl
	mov	%dl, ids(%eax)
	incl	cpu_count
2:	movzbl	1(%edi), %eax
	test	%eax, %eax
	require nz, "a MADT entry without length"
	add	%eax, %edi
	jmp	1b
3:	ret

# Where a CPU starts, in real mode, with cs = TRAMPOLINE >> 4.
	.code16
trampoline:
	lgdtl	%cs:gdt_pointer_copy - trampoline
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	ljmpl	$CODE32, $application_cpu
gdt_pointer_copy:
	.word	gdt_pointer - gdt - 1
	.long	gdt
trampoline_end:

	.code32
application_cpu:
	mov	$DATA, %eax
	mov	%eax, %ds
	mov	LAPIC + LAPIC_ID, %eax
	shr	$24, %eax
	lock incl alive
	lock incb came(%eax)
1:	cli
	hlt
	jmp	1b

	.bss
cpu_count:
	.skip	4
boot_id:
	.skip	4
alive:	.skip	4
ids:	.skip	MAX_CPUS
came:	.skip	MAX_CPUS
