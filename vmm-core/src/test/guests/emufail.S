# emufail: an instruction that KVM's emulator does not know.
#
# Start:  --bios, real mode.
# COM1:   "F"; "ok" where the CPU itself runs guest kernel code.
# End:    on a host whose KVM emulates guest kernel code: KVM_EXIT_INTERNAL_ERROR, suberror 1,
#         at the fwait. Elsewhere debug-exit with 0x10.

	.include "lib/rom.S"
	.include "lib/console.S"

start:
	set_up_real_mode
	print	"F\n"
	fwait
	pass	"ok\n"
