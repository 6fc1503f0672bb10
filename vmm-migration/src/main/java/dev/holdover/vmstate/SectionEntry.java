package dev.holdover.vmstate;

/**
 * What the header says of a section.
 *
 * @param instance which of several of that name, from 0
 * @param version of its contents
 * @param offset bytes from the start of the state, a multiple of 8
 * @param length bytes
 * @param crc CRC32C of its bytes
 */
public record SectionEntry(String name, int instance, int version, long offset, long length, int crc) {
    /** Name and instance: what no two sections have in common. */
    public String id() {
        return name + " " + instance;
    }
}
