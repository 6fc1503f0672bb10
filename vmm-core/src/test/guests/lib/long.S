# A multiboot kernel that goes on in 64-bit mode. Includers define `main64`: CPL 0, the first
# 8 MiB, the IOAPIC and the LAPIC identity-mapped (for CPL 3, too), our own GDT and an interrupt
# table without handlers (an exception nobody expects is a triple fault), rsp set,
# rbx = multiboot information, interrupts off.

	.set LONG, 1
	.include "lib/multiboot.S"

	.set CR0_PG, 1 << 31
	.set CR4_PAE, 1 << 5
	.set EFER, 0xc0000080
	.set EFER_LME, 1 << 8
	.set PAGE_TABLE, 7		# present, writable, user
	.set PAGE_2M, 0x87

	.bss
	.balign	4096
pml4:	.skip	4096
pdpt:	.skip	4096
pd_low:	.skip	4096
pd_high:
	.skip	4096
idt:	.skip	256 * 16

	.data
idt_pointer:
	.word	256 * 16 - 1
	.long	idt, 0

	.text
	.code32
main:
	movl	$pdpt + PAGE_TABLE, pml4
	movl	$pd_low + PAGE_TABLE, pdpt
	movl	$pd_high + PAGE_TABLE, pdpt + 3 * 8
	movl	$0x000000 + PAGE_2M, pd_low
	movl	$0x200000 + PAGE_2M, pd_low + 8
	movl	$0x400000 + PAGE_2M, pd_low + 16
	movl	$0x600000 + PAGE_2M, pd_low + 24
	movl	$0xfec00000 + PAGE_2M, pd_high + 502 * 8
	movl	$0xfee00000 + PAGE_2M, pd_high + 503 * 8
	mov	%cr4, %eax
	or	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	$pml4, %eax
	mov	%eax, %cr3
	mov	$EFER, %ecx
	rdmsr
	or	$EFER_LME, %eax
	wrmsr
	mov	%cr0, %eax
	or	$CR0_PG, %eax
	mov	%eax, %cr0
	ljmp	$CODE64, $1f

	.code64
1:	mov	%ebx, %ebx		# the upper halves are undefined
	mov	%esp, %esp
	lidt	idt_pointer(%rip)
	jmp	main64

# A gate for interrupts and exceptions, open to CPL `dpl`; changes rax.
.macro gate vector, handler, dpl=0
	lea	\handler(%rip), %rax
	mov	%ax, idt + 16 * (\vector)(%rip)
	movw	$CODE64, idt + 16 * (\vector) + 2(%rip)
	movw	$0x8e00 | (\dpl << 13), idt + 16 * (\vector) + 4(%rip)
	shr	$16, %eax
	mov	%ax, idt + 16 * (\vector) + 6(%rip)
.endm
