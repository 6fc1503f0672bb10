# crash: a triple fault.
#
# Start:  multiboot.
# COM1:   "C".
# End:    shutdown of the CPU: the interrupt table is empty, so #UD, #GP and #DF all miss.

	.include "lib/long.S"
	.include "lib/console.S"

main64:
	print	"C\n"
	lidt	empty(%rip)
	ud2

	.data
empty:	.word	0
	.quad	0
