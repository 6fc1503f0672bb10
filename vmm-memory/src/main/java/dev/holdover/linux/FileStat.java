package dev.holdover.linux;

/**
 * What fstat(2) tells of a file.
 *
 * @param device the device it lies on
 * @param inode its number there
 * @param mode type and permissions
 * @param size bytes; 0 for a device
 * @param blockSize the preferred block size; the page size on hugetlbfs
 */
public record FileStat(long device, long inode, int mode, long size, long blockSize) {
    private static final int S_IFMT = 0xF000;

    public boolean isRegular() {
        return (mode & S_IFMT) == 0x8000;
    }

    public boolean isDirectory() {
        return (mode & S_IFMT) == 0x4000;
    }

    public boolean isCharacterDevice() {
        return (mode & S_IFMT) == 0x2000;
    }

    public boolean isBlockDevice() {
        return (mode & S_IFMT) == 0x6000;
    }
}
