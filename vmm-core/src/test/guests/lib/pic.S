# The two 8259 PICs and channel 0 of the 8254 PIT.

	.set PIC_VECTOR, 0x20		# IRQ 0; IRQ 8 is at 0x28
	.set PIT_HZ, 100
	.set PIT_DIVISOR, 1193182 / PIT_HZ

# Edge-triggered, cascaded on IRQ 2; `mask` has a 0 bit for each of IRQ 0-7 that is let through.
.macro set_up_pic mask
	mov	$0x11, %al
	out	%al, $0x20
	out	%al, $0xa0
	mov	$PIC_VECTOR, %al
	out	%al, $0x21
	mov	$PIC_VECTOR + 8, %al
	out	%al, $0xa1
	mov	$4, %al
	out	%al, $0x21
	mov	$2, %al
	out	%al, $0xa1
	mov	$1, %al
	out	%al, $0x21
	out	%al, $0xa1
	mov	$(\mask) & 0xff, %al
	out	%al, $0x21
	mov	$0xff, %al
	out	%al, $0xa1
.endm

# Changes al.
.macro end_of_interrupt
	mov	$0x20, %al
	out	%al, $0x20
.endm

# Rate generator.
.macro set_up_pit
	mov	$0x34, %al
	out	%al, $0x43
	mov	$PIT_DIVISOR & 0xff, %al
	out	%al, $0x40
	mov	$PIT_DIVISOR >> 8, %al
	out	%al, $0x40
.endm
