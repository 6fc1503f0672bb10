package dev.holdover.vmstate;

/** A point that a save, a hand-over or a live update reaches, as it is stamped in a {@link Timeline}. */
public enum Phase {
    PAUSED(1, "guest paused"),
    STATE_WRITTEN(2, "state written"),
    STATE_PRESERVED(3, "state preserved"),
    READY(4, "agent told that all is ready"),
    REBOOT(5, "reboot called"),
    KERNEL_UP(6, "next kernel up"),
    AGENT_UP(7, "agent up"),
    CLAIMED(8, "session claimed"),
    STATE_RETRIEVED(9, "state retrieved"),
    RAM_RETRIEVED(10, "RAM retrieved"),
    KVM_BUILT(11, "VM and vCPUs made, state applied"),
    RUNNING(12, "first KVM_RUN came back"),
    FINISHED(13, "session finished");

    private final int code;
    private final String text;

    Phase(int code, String text) {
        this.code = code;
        this.text = text;
    }

    /** Its number in a timeline. */
    public int code() {
        return code;
    }

    /** For people. */
    public String text() {
        return text;
    }

    /** The phase of that number, null if this version knows none. */
    public static Phase of(int code) {
        for (Phase phase : values()) {
            if (phase.code == code) {
                return phase;
            }
        }
        return null;
    }
}
