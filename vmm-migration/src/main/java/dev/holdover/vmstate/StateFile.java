package dev.holdover.vmstate;

import dev.holdover.linux.Fd;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A state that is whole: every byte of it was checked before the first is handed out. Only the timeline may be damaged,
 * which no guest needs. What is wrong is thrown as a {@link StateException}; a file that cannot be read, as a {@link
 * dev.holdover.linux.VmmException} with the errno. One thread.
 */
public final class StateFile implements AutoCloseable {
    private final StateBytes bytes;
    private final SavedPages pages;
    private final Map<String, SectionEntry> sections;

    private StateFile(StateBytes bytes) {
        this.bytes = bytes;
        StateHeader header = bytes.header();
        if (header.architecture() != StateHeader.X86_64) {
            throw new StateException(
                    bytes.name(),
                    "it is of a guest for another architecture (ELF machine "
                            + Integer.toUnsignedString(header.architecture()) + "), this VMM runs x86-64 ("
                            + StateHeader.X86_64 + ")");
        }
        refuse(bytes.lengthDamage());
        this.sections = new HashMap<>(2 * header.sections().size());
        for (int i = 0; i < header.sections().size(); i++) {
            SectionEntry entry = header.sections().get(i);
            refuse(bytes.sectionDamage(entry));
            sections.put(entry.id(), entry);
        }
        this.pages = new SavedPages(bytes);
        refuse(pages.damage());
    }

    private void refuse(String damage) {
        if (damage != null) {
            throw new StateException(bytes.name(), damage);
        }
    }

    /** Opens and checks a state; its RAM pages are read through once. Blocks as file I/O does. */
    public static StateFile open(String path, List<SectionType> known) {
        return open(StateBytes.open(path), known);
    }

    /** Opens a state in a file or memfd that is readable, and stays open until this is closed. */
    public static StateFile open(Fd fd, List<SectionType> known) {
        return open(StateBytes.open(fd), known);
    }

    private static StateFile open(StateBytes bytes, List<SectionType> known) {
        try {
            StateFile state = new StateFile(bytes);
            state.requireKnown(known);
            return state;
        } catch (RuntimeException e) {
            bytes.close();
            throw e;
        }
    }

    /** Checks a state in memory; the memory is to stay as it is while this is used. */
    public static StateFile parse(MemorySegment state) {
        return new StateFile(StateBytes.of(state));
    }

    /** Looks into a state whose parts may be damaged; only one without a sound header is refused. */
    public static StateInspection inspect(String path) {
        return new StateInspection(StateBytes.open(path));
    }

    /** As {@link #inspect(String)}, of a file or memfd that stays open until the inspection is closed. */
    public static StateInspection inspect(Fd fd) {
        return new StateInspection(StateBytes.open(fd));
    }

    /** Refuses sections that this program does not know, or not in that version: half a guest must never run. */
    public void requireKnown(List<SectionType> known) {
        Map<String, SectionType> byName = new HashMap<>(2 * known.size());
        for (int i = 0; i < known.size(); i++) {
            byName.put(known.get(i).name(), known.get(i));
        }
        List<SectionEntry> entries = header().sections();
        for (int i = 0; i < entries.size(); i++) {
            SectionEntry entry = entries.get(i);
            SectionType type = byName.get(entry.name());
            if (type == null) {
                throw new StateException(bytes.name(), "section " + entry.id() + " is unknown to this VMM" + advice());
            }
            requireVersion(entry, type);
        }
    }

    private void requireVersion(SectionEntry entry, SectionType type) {
        if (entry.version() > type.version()) {
            throw new StateException(
                    bytes.name(),
                    "section " + entry.id() + " has version " + entry.version() + ", this VMM reads up to "
                            + type.version() + advice());
        }
    }

    private String advice() {
        return ": restore it with the VMM that wrote it (" + header().writer() + ")";
    }

    /** What the state is known by: its path, say. */
    public String name() {
        return bytes.name();
    }

    public StateHeader header() {
        return bytes.header();
    }

    public Timeline timeline() {
        return bytes.timeline();
    }

    /** A section; one that is not there is refused. */
    public SectionView section(SectionType type, int instance) {
        SectionView view = findSection(type, instance);
        if (view == null) {
            throw new StateException(bytes.name(), "section " + type.name() + " " + instance + " is missing");
        }
        return view;
    }

    /** A section, null if it is not there. */
    public SectionView findSection(SectionType type, int instance) {
        SectionEntry entry = sections.get(type.name() + " " + instance);
        if (entry == null) {
            return null;
        }
        requireVersion(entry, type);
        return bytes.section(entry);
    }

    /** The RAM pages in it. */
    public SavedPages pages() {
        return pages;
    }

    @Override
    public void close() {
        bytes.close();
    }
}
