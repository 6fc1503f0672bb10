# spin: never leaves the guest by itself.
#
# Start:  --bios, real mode.
# COM1:   "W".
# End:    none.

	.include "lib/rom.S"

start:
	mov	$0x3f8, %dx
	mov	$'W', %al
	out	%al, (%dx)
	jmp	.
