package dev.holdover.virtio;

/**
 * What a console knows besides the transport's registers.
 *
 * @param written bytes already written of the request that is the next in the transmit queue
 * @param columns of the terminal, 0 if it is none
 * @param rows of the terminal, 0 if it is none
 */
public record VirtioConsoleState(long written, int columns, int rows) {}
