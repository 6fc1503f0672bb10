package dev.holdover.device;

/**
 * What an {@link I8042} is made of.
 *
 * @param config configuration byte
 * @param outputPort output port, with the A20 bit
 * @param status status register, without the output buffer bits
 * @param command the command that waits for its data byte, or 0
 * @param output the byte in the output buffer, or -1 if it is empty
 * @param outputFromAux whether that byte poses as one of the auxiliary device's
 */
public record I8042State(int config, int outputPort, int status, int command, int output, boolean outputFromAux) {}
