package dev.holdover.linux;

/**
 * What fstat(2) tells of a file.
 *
 * @param device the device it lies on
 * @param inode its number there
 * @param links how many names it has; 0 for one that is gone with its last descriptor
 * @param mode type and permissions
 * @param special the device that it is, if it is one
 * @param size bytes; 0 for a device
 * @param blockSize the preferred block size; the page size on hugetlbfs
 */
public record FileStat(long device, long inode, long links, int mode, long special, long size, long blockSize) {
    private static final int S_IFMT = 0xF000;

    /** makedev(3). */
    static long device(int major, int minor) {
        return (minor & 0xffL) | (major & 0xfffL) << 8 | (minor & 0xffffff00L) << 12 | (major & 0xfffff000L) << 32;
    }

    /** The major number of the device that it is: makedev(3). */
    public int major() {
        return (int) (((special >>> 8) & 0xfff) | ((special >>> 32) & 0xfffff000L));
    }

    /** The minor number of the device that it is. */
    public int minor() {
        return (int) ((special & 0xff) | ((special >>> 12) & 0xffffff00L));
    }

    public boolean isRegular() {
        return (mode & S_IFMT) == 0x8000;
    }

    public boolean isDirectory() {
        return (mode & S_IFMT) == 0x4000;
    }

    public boolean isCharacterDevice() {
        return (mode & S_IFMT) == 0x2000;
    }

    public boolean isSocket() {
        return (mode & S_IFMT) == 0xC000;
    }

    public boolean isBlockDevice() {
        return (mode & S_IFMT) == 0x6000;
    }
}
