package dev.holdover.memory;

import dev.holdover.linux.UsageException;
import java.util.List;

/**
 * What the user says of guest RAM: {@code -m SIZE} and {@code --ram KEY=VALUE,…}, with the names of QEMU's memory
 * backends.
 *
 * @param size bytes, a multiple of {@link #PAGE}
 * @param memPath a file, a directory, a DAX device or /dev/fdset/ID; null unless the backend is {@link Backend#FILE}
 * @param share whether stores reach the file, so that another process or kernel can find them there
 * @param offset where in the file RAM begins, a multiple of {@link #PAGE}
 * @param thp whether to ask for transparent huge pages, where RAM lies in memory
 * @param prefault whether to give every page before the guest runs
 */
public record RamConfig(
        Backend backend, long size, String memPath, boolean share, long offset, boolean thp, boolean prefault) {
    /** Where guest RAM comes from. */
    public enum Backend {
        MEMFD,
        FILE,
        ANONYMOUS
    }

    public static final long PAGE = 4096;
    public static final long DEFAULT_SIZE = 256L << 20;

    private static final String SYNTAX =
            "backend=memfd|file|anonymous, mem-path=PATH, share=on|off, offset=SIZE, thp=on|off, prefault=on|off";

    /** RAM of that many bytes in a memfd, the default. */
    public static RamConfig memfd(long size) {
        return new RamConfig(Backend.MEMFD, size, null, true, 0, true, false);
    }

    /**
     * Reads the two options; what is wrong with one throws {@link UsageException}.
     *
     * <p>Unlike QEMU's object-add, RAM is shared unless {@code share=off} says otherwise, and {@code mem-path} alone
     * implies {@code backend=file}. {@code share=off} gives a private copy of the file, whose pages are copied when the
     * guest first writes to them; of a memfd, too, as with QEMU. Anonymous memory cannot be shared, there is no
     * descriptor to share it by: {@code share=on} is refused there, for a memfd is what the user means.
     *
     * @param memory the argument of -m, in MiB if it has no unit; null for {@link #DEFAULT_SIZE}
     * @param ram the argument of --ram; null if it is not given
     */
    public static RamConfig parse(String memory, String ram) {
        long size = memory == null ? DEFAULT_SIZE : size(memory);
        return ram == null ? memfd(size) : parse(size, ram);
    }

    private static long size(String memory) {
        long size = ByteSize.parse(memory, 'M');
        if (size < 0) {
            throw new UsageException("-m " + memory
                    + ": expects a size below 8 EiB such as 256M or 1.5G (units K, M, G, T; M if there is none)");
        }
        if (size == 0) {
            throw new UsageException("-m " + memory + ": a guest needs RAM, say -m 256M");
        }
        if (size % PAGE != 0) {
            throw new UsageException(
                    "-m " + memory + ": " + size + " bytes are no multiple of the page size " + PAGE + ", say -m 256M");
        }
        return size;
    }

    private static RamConfig parse(long size, String ram) {
        Backend backend = null;
        String memPath = null;
        String share = null;
        long offset = 0;
        boolean hasOffset = false;
        boolean thp = true;
        boolean prefault = false;
        List<KeyValue> parts = KeyValue.parse(ram);
        for (int i = 0; i < parts.size(); i++) {
            String key = parts.get(i).key();
            String value = parts.get(i).value();
            for (int j = 0; j < i; j++) {
                if (parts.get(j).key().equals(key)) {
                    throw refused(ram, "Parameter '" + key + "' is given twice");
                }
            }
            if (key.equals("backend")) {
                backend = backend(ram, value);
            } else if (key.equals("mem-path")) {
                memPath = value;
                if (value == null || value.isEmpty() || value.indexOf('\0') >= 0) {
                    throw refused(ram, "Parameter 'mem-path' expects a path");
                }
            } else if (key.equals("share")) {
                onOff(ram, key, value);
                share = value;
            } else if (key.equals("offset")) {
                offset = value == null ? -1 : ByteSize.parse(value, 'B');
                hasOffset = true;
                if (offset < 0 || offset % PAGE != 0) {
                    throw refused(ram, "Parameter 'offset' expects a multiple of the page size " + PAGE + ", say 2M");
                }
            } else if (key.equals("thp")) {
                thp = onOff(ram, key, value);
            } else if (key.equals("prefault")) {
                prefault = onOff(ram, key, value);
            } else {
                throw refused(ram, "Invalid parameter '" + key + "' (there are " + SYNTAX + ")");
            }
        }
        if (backend == null) {
            backend = memPath == null ? Backend.MEMFD : Backend.FILE;
        }
        if (backend == Backend.FILE && memPath == null) {
            throw refused(ram, "Parameter 'mem-path' is missing, which backend=file needs");
        }
        if (backend != Backend.FILE && (memPath != null || hasOffset)) {
            throw refused(
                    ram, "Parameter '" + (memPath == null ? "offset" : "mem-path") + "' expects backend=file, or none");
        }
        if (backend == Backend.ANONYMOUS && "on".equals(share)) {
            throw refused(ram, "Parameter 'share' expects 'off' with backend=anonymous; shared RAM is backend=memfd");
        }
        if (offset > Long.MAX_VALUE - size) {
            throw refused(ram, "Parameter 'offset' plus the size of RAM is 2^63 bytes or more");
        }
        boolean shared = backend != Backend.ANONYMOUS && !"off".equals(share);
        return new RamConfig(backend, size, memPath, shared, offset, thp, prefault);
    }

    private static Backend backend(String ram, String value) {
        if ("memfd".equals(value)) {
            return Backend.MEMFD;
        } else if ("file".equals(value)) {
            return Backend.FILE;
        } else if ("anonymous".equals(value)) {
            return Backend.ANONYMOUS;
        }
        throw refused(ram, "Parameter 'backend' expects 'memfd', 'file' or 'anonymous'");
    }

    private static boolean onOff(String ram, String key, String value) {
        if (!"on".equals(value) && !"off".equals(value)) {
            throw refused(ram, "Parameter '" + key + "' expects 'on' or 'off'");
        }
        return value.equals("on");
    }

    private static UsageException refused(String ram, String text) {
        return new UsageException("--ram " + ram + ": " + text);
    }
}
