/**
 * A PCI bus with its host bridge, and what its functions are made of: configuration space, base address registers, MSI-X,
 * MSI and INTx. What a function is behind these is elsewhere.
 *
 * <p>Locks are taken in this order: the bridge's, a capability's, its configuration space's, the machine's table of
 * message routes.
 */
package dev.holdover.pci;
