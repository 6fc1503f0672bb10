package dev.holdover.cli;

/** Which process of a {@link Trial} meets its fault. */
enum Victim {
    /** The VMM that has the guest, or is to restore it. */
    VMM,
    /** The VMM that is to take it over. */
    STANDBY,
    LUOD,
    /** Who gave the command. */
    CLIENT
}
