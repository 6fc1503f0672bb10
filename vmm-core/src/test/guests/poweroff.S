# poweroff: ACPI's S5.
#
# Start:  --bios, real mode.
# COM1:   "P".
# End:    power-off through port 0x604; debug-exit with 0x12 (exit code 37) where there is none.

	.include "lib/rom.S"
	.include "lib/console.S"

start:
	set_up_real_mode
	print	"P\n"
	power_off
