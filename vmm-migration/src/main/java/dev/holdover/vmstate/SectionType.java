package dev.holdover.vmstate;

/**
 * A kind of section, and the newest version of its contents that this program writes and reads.
 *
 * @param name 1 to 32 characters of a–z, 0–9, '.', '-', '_'
 * @param version from 1
 */
public record SectionType(String name, int version) {
    public SectionType {
        if (!StateFormat.isName(name) || version < 1) {
            throw new IllegalArgumentException("section type " + name + " version " + version);
        }
    }
}
