package dev.holdover.linux;

/**
 * What statfs(2) tells of the file system that a file lies on.
 *
 * @param magic its kind: one of linux/magic.h
 * @param blockSize bytes; the page size on hugetlbfs
 * @param blocks how many it has in all; 0 where it has no limit of its own (a memfd's tmpfs, say)
 * @param available how many are free for this user
 */
public record FileSystem(long magic, long blockSize, long blocks, long available) {
    private static final long TMPFS_MAGIC = 0x01021994L;
    private static final long HUGETLBFS_MAGIC = 0x958458f6L;

    /** Files live in the page cache and the swap only. */
    public boolean isTmpfs() {
        return magic == TMPFS_MAGIC;
    }

    /** Files consist of huge pages of {@link #blockSize} bytes each. */
    public boolean isHugetlbfs() {
        return magic == HUGETLBFS_MAGIC;
    }

    /** Bytes it can hold at most; {@link Long#MAX_VALUE} where it has no limit of its own. */
    public long capacity() {
        return blocks == 0 ? Long.MAX_VALUE : blocks * blockSize;
    }

    /** Whether a page that a file does not have yet could not be given to it any more. */
    public boolean isFull() {
        return blocks != 0 && available == 0;
    }
}
