package dev.holdover.device;

/**
 * What an {@link AcpiPm} is made of.
 *
 * @param status PM1 status register
 * @param enable PM1 enable register
 * @param control PM1 control register, without SCI_EN, which is always set
 * @param timerNanos how long the PM timer has been running, in nanoseconds
 */
public record AcpiPmState(int status, int enable, int control, long timerNanos) {}
