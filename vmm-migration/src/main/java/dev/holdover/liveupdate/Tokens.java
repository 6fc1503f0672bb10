package dev.holdover.liveupdate;

/**
 * The tokens under which a VMM puts its files into a session. They are part of what one version leaves to the next: a
 * number once given keeps its meaning for ever.
 *
 * <pre>
 * 0x0000            no file
 * 0x0001            the manifest of luod's own session (luod-internal)
 * 0x1000 .. 0x1fff  RAM, region i at 0x1000 + i
 * 0x2000            the state: vmstate in a memfd
 * 0x2001            the identity of the RAM
 * 0x3000 .. 0x3fff  iommufd, in the order of their making
 * 0x4000 .. 0x4fff  VFIO device cdevs, in the order of the machine's configuration
 * </pre>
 *
 * <p>Files are preserved and retrieved in the order RAM, iommufd, VFIO: an iommufd needs the memfds that it maps in the
 * session, a device its iommufd.
 */
public final class Tokens {
    public static final long STATE = 0x2000;
    public static final long IDENTITY = 0x2001;

    static final long NONE = 0;
    public static final long LUOD_REGISTRY = 0x0001;

    private static final long RAM = 0x1000;
    private static final long IOMMUFD = 0x3000;
    private static final long VFIO = 0x4000;
    private static final int RANGE = 0x1000;

    private Tokens() {}

    /** The token of RAM region {@code i}, 0 to 4095. */
    public static long ram(int i) {
        return within(RAM, i);
    }

    /** The token of iommufd {@code i}, 0 to 4095. */
    public static long iommufd(int i) {
        return within(IOMMUFD, i);
    }

    /** The token of VFIO device {@code i}, 0 to 4095. */
    public static long vfio(int i) {
        return within(VFIO, i);
    }

    /** The tokens of RAM regions 0 to below {@code count}. */
    public static long[] ofRam(int count) {
        return first(RAM, count);
    }

    /** The tokens of VFIO devices 0 to below {@code count}. */
    public static long[] ofVfio(int count) {
        return first(VFIO, count);
    }

    private static long[] first(long base, int count) {
        long[] tokens = new long[count];
        for (int i = 0; i < count; i++) {
            tokens[i] = within(base, i);
        }
        return tokens;
    }

    private static long within(long base, int i) {
        if (i < 0 || i >= RANGE) {
            throw new IllegalArgumentException("file " + i + " of a kind of which a session has " + RANGE);
        }
        return base + i;
    }

    static String toString(long token) {
        return "0x" + Long.toHexString(token);
    }

    /** What a file that came out of a session is called in errors. */
    static String fileName(String session, long token) {
        return "token " + toString(token) + " of session " + session;
    }
}
