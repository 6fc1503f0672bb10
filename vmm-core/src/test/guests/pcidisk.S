# pcidisk: as disk, with the disk on PCI and its interrupts as messages (MSI-X).

	.set PCI, 1
	.include "disk.S"
