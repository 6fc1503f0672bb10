package dev.holdover.platform;

/**
 * Where the bridge passes accesses on to its bus. A BAR that does not lie wholly in a window is not decoded, so that no
 * guest can put one over RAM or the machine's own devices.
 *
 * @param low below 4 GiB
 * @param high above all RAM; empty if the guest's processors cannot address it
 */
public record PciWindows(Window ports, Window low, Window high) {
    /**
     * A range of addresses.
     *
     * @param end behind the last
     */
    public record Window(long base, long end) {
        public static final Window NONE = new Window(0, 0);

        public Window {
            if (base < 0 || end < base) {
                throw new IllegalArgumentException("window " + base + " to " + end);
            }
        }

        public boolean isEmpty() {
            return base == end;
        }

        public long size() {
            return end - base;
        }

        /** Whether a range of {@code size} bytes lies wholly within. */
        public boolean contains(long address, long size) {
            return address >= base && size <= end - base && address <= end - size;
        }
    }
}
