package dev.holdover.machine;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;

/** What the flight recorder has of machines. */
final class Recorded {
    private Recorded() {}

    /** Of a dump, in the order of their ends, which is not that of the file. */
    static List<RecordedEvent> phases(Path file) throws IOException {
        List<RecordedEvent> events = RecordingFile.readAllEvents(file);
        events.removeIf(event -> !event.getEventType().getName().startsWith("dev.holdover."));
        events.sort(Comparator.comparing(RecordedEvent::getEndTime));
        return events;
    }
}
