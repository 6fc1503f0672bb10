/**
 * The wire between two VMM processes on one host, one of which hands its guest to the other. Knows no machines.
 *
 * <p>A unix(7) SEQPACKET socket: one message a packet, descriptors with the packet that names them. The guest runs until
 * everything that can be done beforehand is done.
 *
 * <pre>
 *   outgoing (has the guest)                      incoming (vmm standby)
 *      |  Offer: descriptors of state, owner word,      |
 *      |  RAM, disks, taps, console; a draft of the     |
 *      |  state without what changes                    |
 *      |-----------------------------------------------&gt;|  maps RAM, makes VM and vCPUs, opens devices
 *      |  Accept, or Refuse with a sentence             |
 *      |&lt;-----------------------------------------------|
 *      |  pauses the guest, completes the state         |
 *      |  State                                         |
 *      |-----------------------------------------------&gt;|  checks and applies the state
 *      |                                                |  owner word: compare-and-set, "taken"
 *      |                                                |  first KVM_RUN
 *      |  Running, or Refuse with a sentence            |
 *      |&lt;-----------------------------------------------|
 *      |  ends                                          |  goes on
 * </pre>
 *
 * <p>The connection's end, a refusal or silence at any point makes the outgoing side try to keep the guest by the owner
 * word ({@link dev.holdover.memory.OwnerWord}). If that succeeds the guest goes on there, and the incoming side can never
 * run it, whatever it receives later; if not the guest is the incoming side's, whatever was lost.
 *
 * <p>Version: the offer carries {@link dev.holdover.handover.HandOverConnection#VERSION}; another one is refused.
 */
package dev.holdover.handover;
