/**
 * What luod and its clients have in common: lines over a socket, descriptors of strangers, the numbers of the kernel's ioctls.
 * Not exported.
 */
package dev.holdover.liveupdate.wire;
