package dev.holdover.virtio;

import dev.holdover.linux.Errno;
import dev.holdover.linux.ErrnoException;
import dev.holdover.linux.EventLoop;
import dev.holdover.linux.Fd;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * A block device: virtio 1.2, section 5.2. Data goes between the image and guest RAM without a copy of ours; requests
 * are served in order, and the driver is interrupted once for all that waited together.
 *
 * <p>An error of the image is the guest's (VIRTIO_BLK_S_IOERR), be it EIO, ENOSPC or an image that was cut.
 */
public final class VirtioBlk extends VirtioDevice {
    private static final int ID = 2;

    private static final long F_SEG_MAX = 1L << 2;
    private static final long F_RO = 1L << 5;
    private static final long F_BLK_SIZE = 1L << 6;
    private static final long F_FLUSH = 1L << 9;

    private static final int T_IN = 0;
    private static final int T_OUT = 1;
    private static final int T_FLUSH = 4;
    private static final int T_GET_ID = 8;

    private static final byte S_OK = 0;
    private static final byte S_IOERR = 1;
    private static final byte S_UNSUPP = 2;

    /** struct virtio_blk_req: type@0 (4), reserved@4 (4), sector@8 (8); then data; then a status byte. */
    private static final int HEADER = 16;

    private static final int SERIAL_LENGTH = 20;

    private final Disk disk;
    private boolean writeThrough;

    /** Takes the disk over. */
    public VirtioBlk(Disk disk, EventLoop.FailureHandler onFailure) {
        super(
                "disk " + disk.fileName(),
                ID,
                1,
                F_SEG_MAX | F_BLK_SIZE | F_FLUSH | (disk.isReadOnly() ? F_RO : 0),
                configSpace(disk),
                onFailure);
        this.disk = disk;
    }

    private static ConfigSpace configSpace(Disk disk) {
        ByteBuffer config = ByteBuffer.allocate(24).order(ByteOrder.LITTLE_ENDIAN);
        config.putLong(0, disk.sectors());
        config.putInt(12, VirtQueue.MAX_SIZE - 2); // seg_max: beside them header and status
        config.putInt(20, Disk.SECTOR); // blk_size
        return new ConfigSpace(config.array());
    }

    /** The image's descriptor; stays this device's. */
    public Fd descriptor() {
        return disk.fd();
    }

    /** The device rests. Which disk it is, is told once {@link #prepareState} was called: a save does, a hand-over need not. */
    public VirtioBlkState state() {
        return new VirtioBlkState(disk.sectors(), disk.isReadOnly(), disk.mark().identity());
    }

    /**
     * What speaks against this disk's being the one that the saved guest had, as a sentence; null if nothing does.
     *
     * @param identity whether it has to be that very disk; else one that looks alike to the guest will do
     */
    public String mismatch(VirtioBlkState saved, boolean identity) {
        if (saved.sectors() != disk.sectors() || saved.readOnly() != disk.isReadOnly()) {
            return name() + " has " + disk.sectors() + " sectors, " + access(disk.isReadOnly())
                    + "; the saved guest's had " + saved.sectors() + ", " + access(saved.readOnly());
        }
        String mismatch = identity ? disk.mark().mismatch(saved.identity()) : null;
        return mismatch == null ? null : name() + " " + mismatch;
    }

    private static String access(boolean readOnly) {
        return readOnly ? "read-only" : "writable";
    }

    /**
     * Brings all that the guest was told is written to stable storage: fdatasync(2). Blocks. A live update needs it, for
     * the guest will not write again what is lost with the host's page cache. ErrnoException (EIO, ENOSPC).
     */
    public void sync() {
        ErrnoException.check("fdatasync " + disk.fd().name(), disk.trySync());
    }

    /** As {@link #sync}, on the device's thread, and without the waiting. */
    public EventLoop.AwaitedTask beginSync() {
        return loop().begin(new Runnable() {
            @Override
            public void run() {
                sync();
            }
        });
    }

    /** Does what of {@link #state} can be done while the guest runs. Blocks as reads of the image do. */
    public void prepareState() {
        disk.mark().prepare();
    }

    @Override
    void starting(long negotiated) {
        // A driver that cannot flush relies on what is answered to be stable: virtio 1.2, section 5.2.6.2.
        writeThrough = (negotiated & F_FLUSH) == 0;
    }

    @Override
    void process(int index, VirtQueue queue) {
        int budget = queue.size();
        while (!halting()) {
            if (budget-- == 0) {
                again(index);
                break;
            }
            DescriptorChain chain = queue.next();
            if (chain == null) {
                break;
            }
            queue.push(chain.head(), answer(chain));
            queue.publish();
        }
        interrupt(queue);
    }

    /** Serves a request; returns how many bytes of its writable part are written. */
    private long answer(DescriptorChain chain) {
        GuestBuffers request = chain.readable;
        GuestBuffers reply = chain.writable;
        if (request.byteSize() < HEADER || reply.byteSize() == 0) {
            throw new MalformedRequestException("block request without header or status");
        }
        int type = (int) request.get(0, 4);
        long sector = request.get(8, 8);
        request.skip(HEADER);
        long space = reply.byteSize() - 1;
        long statusAt = reply.gpa(space);
        reply.truncate(space);

        long written = 0;
        byte status;
        switch (type) {
            case T_IN -> {
                status = read(reply, sector);
                written = status == S_OK ? space : 0;
            }
            case T_OUT -> status = write(request, sector);
            case T_FLUSH -> status = flush();
            case T_GET_ID -> {
                written = identify(reply);
                status = S_OK;
            }
            default -> status = S_UNSUPP;
        }
        chain.memory().putByte(statusAt, status);
        return written + 1;
    }

    private byte read(GuestBuffers data, long sector) {
        if (!onDisk(data, sector)) {
            return S_IOERR;
        }
        long at = sector * Disk.SECTOR;
        while (data.byteSize() > 0) {
            long n = disk.tryRead(data.iovecs(), data.count(), at);
            if (n > 0) {
                data.skip(n);
                at += n;
            } else if (n == 0 && at == disk.size()) {
                data.zero(); // the rest of a last sector that the image has in part
                return S_OK;
            } else if (n == 0) {
                return S_IOERR; // the image was cut
            } else if (!retry(n, "a read of disk ")) {
                return S_IOERR;
            }
        }
        return S_OK;
    }

    private byte write(GuestBuffers data, long sector) {
        if (disk.isReadOnly() || !onDisk(data, sector)) {
            return S_IOERR;
        }
        long at = sector * Disk.SECTOR;
        while (data.byteSize() > 0) {
            long n = disk.tryWrite(data.iovecs(), data.count(), at);
            if (n > 0) {
                data.skip(n);
                at += n;
            } else if (n == 0 || !retry(n, "a write to disk ")) {
                return S_IOERR;
            }
        }
        return writeThrough ? flush() : S_OK;
    }

    private boolean onDisk(GuestBuffers data, long sector) {
        long sectors = data.byteSize() / Disk.SECTOR;
        return data.byteSize() % Disk.SECTOR == 0
                && sector >= 0
                && sector <= disk.sectors()
                && sectors <= disk.sectors() - sector;
    }

    private boolean retry(long error, String during) {
        if (Errno.EFAULT.is(error)) {
            throw ramLost(during + disk.fd().name());
        }
        return Errno.EINTR.is(error);
    }

    private byte flush() {
        return disk.isReadOnly() || disk.trySync() == 0 ? S_OK : S_IOERR;
    }

    /** The serial number: the image's file name, padded with NULs, which names it in the guest's /dev/disk/by-id. */
    private long identify(GuestBuffers reply) {
        byte[] name = disk.fileName().getBytes(StandardCharsets.UTF_8);
        reply.truncate(SERIAL_LENGTH);
        reply.zero();
        reply.put(name, Math.min(name.length, (int) reply.byteSize()));
        return reply.byteSize();
    }

    /** Also closes the disk. */
    @Override
    public void close() {
        super.close();
        disk.close();
    }
}
