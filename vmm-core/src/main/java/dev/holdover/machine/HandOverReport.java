package dev.holdover.machine;

/**
 * What came of handing a guest over.
 *
 * @param stateBytes of the state that went along; no RAM is copied
 * @param totalNanos from the request to the other side's word that it runs
 * @param pauseNanos from the order to pause until the vCPUs were parked and the devices at rest
 * @param saveNanos until the state was complete
 * @param sendNanos until the other side had it
 * @param applyNanos until KVM and the devices there had it
 * @param enterNanos until the first KVM_RUN there had come back
 */
public record HandOverReport(
        long stateBytes,
        long totalNanos,
        long pauseNanos,
        long saveNanos,
        long sendNanos,
        long applyNanos,
        long enterNanos) {
    /** How long the guest stood still: from the order to do so to its first exit in the other VMM. */
    public long blackoutNanos() {
        return pauseNanos + saveNanos + sendNanos + applyNanos + enterNanos;
    }
}
