# reset: one reset by the keyboard controller; RAM is kept over it.
#
# Start:  --bios, real mode.
# COM1:   "first", and after the reset "again".
# End:    power-off through port 0x604; debug-exit with 0x12 (exit code 37) where there is none.
# RAM:    0x1000 u32 "was here before"

	.include "lib/rom.S"
	.include "lib/console.S"

	.set SEEN, 0x1000
	.set SEEN_MARK, 0x4d454d52
	.set I8042_COMMAND, 0x64

start:
	set_up_real_mode
	cmpl	$SEEN_MARK, SEEN
	je	again
	movl	$SEEN_MARK, SEEN
	print	"first\n"
	mov	$0xfe, %al
	out	%al, $I8042_COMMAND
	jmp	halt

again:
	print	"again\n"
	power_off
