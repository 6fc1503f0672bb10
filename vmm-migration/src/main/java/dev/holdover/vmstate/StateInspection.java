package dev.holdover.vmstate;

import java.util.ArrayList;
import java.util.List;

/** A state whose header is sound, and what of the rest is not: for people, and for states that cannot be restored. */
public final class StateInspection implements AutoCloseable {
    /**
     * A section.
     *
     * @param damage what is damaged, as a sentence; null if nothing is
     * @param view its contents, null if they are damaged
     */
    public record Section(SectionEntry entry, String damage, SectionView view) {}

    private final StateBytes bytes;
    private final List<Section> sections = new ArrayList<>();
    private final Timeline timeline;
    private final SavedPages pages;
    private final List<String> damages = new ArrayList<>();

    StateInspection(StateBytes bytes) {
        this.bytes = bytes;
        StateHeader header = bytes.header();
        note(bytes.lengthDamage());
        this.timeline = bytes.timeline();
        if (timeline != null) {
            note(timeline.damage());
        }
        for (int i = 0; i < header.sections().size(); i++) {
            SectionEntry entry = header.sections().get(i);
            String damage = bytes.sectionDamage(entry);
            note(damage);
            sections.add(new Section(entry, damage, damage == null ? bytes.section(entry) : null));
        }
        if (bytes.size() >= header.fileLength()) {
            SavedPages saved = new SavedPages(bytes);
            String damage = saved.damage();
            note(damage);
            this.pages = damage == null ? saved : null;
        } else {
            this.pages = null;
        }
    }

    private void note(String damage) {
        if (damage != null) {
            damages.add(damage);
        }
    }

    public StateHeader header() {
        return bytes.header();
    }

    /** Bytes of the file, which may be others than the header says. */
    public long size() {
        return bytes.size();
    }

    public List<Section> sections() {
        return sections;
    }

    /** Null if the state is cut off before its end. */
    public Timeline timeline() {
        return timeline;
    }

    /** The RAM pages in it, null if they are damaged. */
    public SavedPages pages() {
        return pages;
    }

    /** All that is damaged, a sentence each; empty for a state that is whole. */
    public List<String> damages() {
        return damages;
    }

    @Override
    public void close() {
        bytes.close();
    }
}
