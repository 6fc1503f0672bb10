# The local APIC of the CPU that runs, and the IOAPIC. For 32-bit and 64-bit mode alike: their
# addresses do not fit a 64-bit instruction's displacement, so they go through edi.

	.set LAPIC, 0xfee00000
	.set LAPIC_ID, 0x20
	.set LAPIC_EOI, 0xb0
	.set LAPIC_SPURIOUS, 0xf0
	.set LAPIC_ICR_LOW, 0x300
	.set LAPIC_ICR_HIGH, 0x310
	.set LAPIC_LVT_TIMER, 0x320
	.set LAPIC_LVT_LINT0, 0x350
	.set LAPIC_INITIAL_COUNT, 0x380
	.set LAPIC_CURRENT_COUNT, 0x390
	.set LAPIC_DIVIDE, 0x3e0
	.set IOAPIC, 0xfec00000
	.set IOAPIC_WINDOW, 0x10

	.set SPURIOUS_VECTOR, 0xff

# Changes edi.
.macro lapic_write register, value
	mov	$LAPIC, %edi
	movl	\value, \register(%edi)
.endm

# Changes edi.
.macro ioapic_write register, value
	mov	$IOAPIC, %edi
	movl	\register, (%edi)
	movl	\value, IOAPIC_WINDOW(%edi)
.endm

# On, and the PICs let through (virtual wire), as firmware leaves it; changes edi.
.macro set_up_lapic
	lapic_write LAPIC_SPURIOUS, $0x100 | SPURIOUS_VECTOR
	lapic_write LAPIC_LVT_LINT0, $0x700
.endm
