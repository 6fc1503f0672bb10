package dev.holdover.virtio;

/**
 * What a guest knows of its network device besides the transport's registers.
 *
 * @param mac its address
 */
public record VirtioNetState(MacAddress mac) {}
