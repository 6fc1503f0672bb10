/** The host's side of the serial port: standard input and output, a file, a socket or a pseudoterminal. */
package dev.holdover.serial;
