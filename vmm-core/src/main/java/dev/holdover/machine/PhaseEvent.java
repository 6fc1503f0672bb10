package dev.holdover.machine;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A phase of what a machine goes through, with its length. */
@Category("Holdover")
@StackTrace(false)
abstract class PhaseEvent extends Event {
    @Label("Phase")
    String phase;

    @Label("Guest")
    @Description("The machine's name; those named rehearsal are the VMM's own, to be warm for a hand-over")
    String guest;

    @Name("dev.holdover.StartPhase")
    @Label("Start")
    @Description("A part of making a machine that boots, and until its first exit")
    static final class Start extends PhaseEvent {}

    @Name("dev.holdover.RestorePhase")
    @Label("Restore")
    @Description("A part of taking a saved state up, and until the guest's first exit")
    static final class Restore extends PhaseEvent {}

    @Name("dev.holdover.SavePhase")
    @Label("Save")
    @Description("A part of saving a machine's state")
    static final class Save extends PhaseEvent {}

    @Name("dev.holdover.HandOverPhase")
    @Label("Hand-over")
    @Description("A part of giving a guest to another VMM of this host, or of taking one over")
    static final class HandOver extends PhaseEvent {}

    @Name("dev.holdover.LiveUpdatePhase")
    @Label("Live update")
    @Description("A part of preserving a guest for the next kernel, or of retrieving it there")
    static final class LiveUpdate extends PhaseEvent {}
}
