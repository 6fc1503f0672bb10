package dev.holdover.machine;

import java.util.List;

/**
 * What came of a save.
 *
 * @param ramTotal bytes of RAM that were not left in place
 * @param transferred every byte written to the state
 * @param totalNanos from the call to a durable state
 * @param stoppedNanos of that, while the guest stood still
 * @param ram a line a RAM region: kept in place or copied, and why
 */
public record SaveReport(long ramTotal, long transferred, long totalNanos, long stoppedNanos, List<String> ram) {}
