package dev.holdover.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Numbers of this package against those of the C headers; layouts.sh beside layouts.txt makes that anew. */
class LayoutsTest {
    private static final Map<String, String> GOLDEN = new HashMap<>();

    @BeforeAll
    static void readGolden() throws Exception {
        try (BufferedReader lines = new BufferedReader(
                new InputStreamReader(LayoutsTest.class.getResourceAsStream("layouts.txt"), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                int end = line.startsWith("errno ") ? line.indexOf(' ', 6) : line.lastIndexOf(' ');
                GOLDEN.put(line.substring(0, end), line.substring(end + 1));
            }
        }
    }

    private static long golden(String name) {
        assertThat(GOLDEN).containsKey(name);
        return Long.parseLong(GOLDEN.get(name));
    }

    /** Names that these classes use for constants that C spells otherwise; null where the number is theirs alone. */
    private static final Map<String, String> RENAMED = new TreeMap<>();

    static {
        RENAMED.put("Epoll.CTL_ADD", "EPOLL_CTL_ADD");
        RENAMED.put("Epoll.CTL_DEL", "EPOLL_CTL_DEL");
        RENAMED.put("Epoll.CTL_MOD", "EPOLL_CTL_MOD");
        RENAMED.put("Epoll.EVENT_SIZE", "sizeof(struct epoll_event)");
        RENAMED.put("Epoll.MAX_EVENTS", null);
        RENAMED.put("FileKey.SIZE", null);
        RENAMED.put("FileKey.BY_INODE", null);
        RENAMED.put("FileKey.BY_BIRTH", null);
        RENAMED.put("FileKey.BY_HANDLE", null);
        RENAMED.put("Fd.STATX_SIZE", "sizeof(struct statx)");
        RENAMED.put("Signals.KICK", null);
        RENAMED.put("Signals.ACTION_SIZE", "sizeof(struct sigaction)");
        RENAMED.put("Signals.SET_SIZE", "sizeof(sigset_t)");
        RENAMED.put("Syscall.FUNCTION", null);
        RENAMED.put("Tty.TERMIOS_SIZE", "sizeof(struct termios)");
        RENAMED.put("UnixSocket.BACKLOG", null);
        RENAMED.put("UnixSocket.MAX_FDS", null);
        RENAMED.put("UnixSocket.MAX_PATH", null);
        RENAMED.put("UnixSocket.MSGHDR_SIZE", "sizeof(struct msghdr)");
        RENAMED.put("UnixSocket.CMSG_HEADER", "sizeof(struct cmsghdr)");
    }

    @ParameterizedTest
    @ValueSource(
            classes = {
                Epoll.class,
                EventFd.class,
                Fd.class,
                FileKey.class,
                FileStat.class,
                FileSystem.class,
                Kexec.class,
                Mapping.class,
                Memfd.class,
                PeerProcess.class,
                Signals.class,
                Syscall.class,
                Tty.class,
                UnixSocket.class
            })
    void everyConstantIsTheHeaders(Class<?> type) throws Exception {
        for (Field field : type.getDeclaredFields()) {
            Class<?> kind = field.getType();
            if (!Modifier.isStatic(field.getModifiers()) || (kind != int.class && kind != long.class)) {
                continue;
            }
            String name = type.getSimpleName() + "." + field.getName();
            String inC = type == Syscall.class ? "SYS_" + field.getName().toLowerCase(Locale.ROOT) : null;
            if (RENAMED.containsKey(name)) {
                inC = RENAMED.get(name);
                if (inC == null) {
                    continue;
                }
            } else if (inC == null) {
                inC = field.getName();
            }
            field.setAccessible(true);
            long value = ((Number) field.get(null)).longValue();
            // ioctl numbers are unsigned in C; here only their 32 bits matter.
            long expected = kind == int.class ? (int) golden(inC) : golden(inC);
            assertThat(value).as(name).isEqualTo(expected);
        }
    }

    @Test
    void everyErrnoHasTheLibrarysNumberAndText() {
        Set<String> named = new HashSet<>();
        for (Errno errno : Errno.values()) {
            named.add("errno " + errno.name());
            assertThat(errno.number() + " " + errno.text())
                    .as(errno.name())
                    .isEqualTo(GOLDEN.get("errno " + errno.name()));
            assertThat(Errno.of(errno.number())).isEqualTo(errno);
        }
        Set<String> missing = new HashSet<>();
        for (String name : GOLDEN.keySet()) {
            if (name.startsWith("errno ") && !named.contains(name)) {
                missing.add(name);
            }
        }
        assertThat(missing).isEmpty();
    }

    /** Offsets and numbers that the code writes as literals, with the place where it does. */
    @ParameterizedTest
    @CsvSource(delimiter = ';', textBlock = """
            Fd.stat;              offsetof(struct stat,st_dev);              0
            Fd.stat;              offsetof(struct stat,st_ino);              8
            Fd.stat;              offsetof(struct stat,st_mode);             24
            Fd.stat;              offsetof(struct stat,st_rdev);             40
            Fd.stat;              offsetof(struct stat,st_size);             48
            Fd.stat;              offsetof(struct stat,st_blksize);          56
            Fd.stat;              sizeof(struct stat);                       144
            Fd.statUnsynced;      sizeof(struct statx);                      256
            Fd.statUnsynced;      offsetof(struct statx,stx_blksize);        4
            Fd.statUnsynced;      offsetof(struct statx,stx_nlink);          16
            Fd.statUnsynced;      offsetof(struct statx,stx_mode);           28
            Fd.statUnsynced;      offsetof(struct statx,stx_ino);            32
            Fd.statUnsynced;      offsetof(struct statx,stx_size);           40
            Fd.statUnsynced;      offsetof(struct statx,stx_rdev_major);     128
            Fd.statUnsynced;      offsetof(struct statx,stx_rdev_minor);     132
            Fd.statUnsynced;      offsetof(struct statx,stx_dev_major);      136
            Fd.statUnsynced;      offsetof(struct statx,stx_dev_minor);      140
            FileKey.of;           offsetof(struct statx,stx_mask);           0
            FileKey.of;           offsetof(struct statx,stx_ino);            32
            FileKey.of;           offsetof(struct statx,stx_btime);          80
            FileKey.of;           sizeof(struct statx);                      256
            FileKey.of;           offsetof(struct statx_timestamp,tv_sec);   0
            FileKey.of;           offsetof(struct statx_timestamp,tv_nsec);  8
            FileKey.of;           offsetof(struct file_handle,handle_bytes); 0
            FileKey.of;           offsetof(struct file_handle,handle_type);  4
            FileKey.of;           offsetof(struct file_handle,f_handle);     8
            Fd.fileSystem;        offsetof(struct statfs,f_type);            0
            Fd.fileSystem;        offsetof(struct statfs,f_bsize);           8
            Fd.fileSystem;        offsetof(struct statfs,f_blocks);          16
            Fd.fileSystem;        offsetof(struct statfs,f_bavail);          32
            Fd.fileSystem;        sizeof(struct statfs);                     120
            Fd.seekEnd;           SEEK_END;                                  2
            Fd.trySeekData;       SEEK_DATA;                                 3
            Fd.tryLock;           offsetof(struct flock,l_type);             0
            Fd.tryLock;           offsetof(struct flock,l_whence);           2
            Fd.tryLock;           offsetof(struct flock,l_start);            8
            Fd.tryLock;           offsetof(struct flock,l_len);              16
            Fd.tryLock;           offsetof(struct flock,l_pid);              24
            Fd.tryLock;           sizeof(struct flock);                      32
            Fd.tryLock;           F_RDLCK;                                   0
            Fd.tryLock;           F_WRLCK;                                   1
            HostMemory.query;     offsetof(struct sysinfo,totalram);         32
            HostMemory.query;     offsetof(struct sysinfo,totalswap);        64
            HostMemory.query;     offsetof(struct sysinfo,mem_unit);         104
            HostMemory.query;     sizeof(struct sysinfo);                    112
            FileStat;             S_IFREG;                                   32768
            FileStat;             S_IFDIR;                                   16384
            FileStat;             S_IFCHR;                                   8192
            FileStat;             S_IFBLK;                                   24576
            Epoll;                offsetof(struct epoll_event,events);       0
            Epoll;                offsetof(struct epoll_event,data);         4
            UnixSocket.address;   offsetof(struct sockaddr_un,sun_family);   0
            UnixSocket.address;   offsetof(struct sockaddr_un,sun_path);     2
            UnixSocket.address;   sizeof(struct sockaddr_un);                110
            UnixSocket.message;   offsetof(struct msghdr,msg_name);          0
            UnixSocket.message;   offsetof(struct msghdr,msg_namelen);       8
            UnixSocket.message;   offsetof(struct msghdr,msg_iov);           16
            UnixSocket.message;   offsetof(struct msghdr,msg_iovlen);        24
            UnixSocket.message;   offsetof(struct msghdr,msg_control);       32
            UnixSocket.message;   offsetof(struct msghdr,msg_controllen);    40
            UnixSocket.message;   offsetof(struct msghdr,msg_flags);         48
            UnixSocket.message;   offsetof(struct iovec,iov_base);           0
            UnixSocket.message;   offsetof(struct iovec,iov_len);            8
            UnixSocket.message;   sizeof(struct iovec);                      16
            UnixSocket.trySend;   offsetof(struct cmsghdr,cmsg_len);         0
            UnixSocket.trySend;   offsetof(struct cmsghdr,cmsg_level);       8
            UnixSocket.trySend;   offsetof(struct cmsghdr,cmsg_type);        12
            UnixSocket.trySend;   CMSG_LEN(3*4);                             28
            UnixSocket.space;     CMSG_SPACE(3*4);                           32
            UnixSocket.peer;      offsetof(struct ucred,pid);                0
            UnixSocket.peer;      offsetof(struct ucred,uid);                4
            UnixSocket.peer;      offsetof(struct ucred,gid);                8
            UnixSocket.peer;      sizeof(struct ucred);                      12
            UnixSocket.Kind;      SOCK_STREAM;                               1
            UnixSocket.Kind;      SOCK_DGRAM;                                2
            UnixSocket.Kind;      SOCK_SEQPACKET;                            5
            UnixSocket.setTimeout; offsetof(struct timeval,tv_sec);          0
            UnixSocket.setTimeout; offsetof(struct timeval,tv_usec);         8
            UnixSocket.setTimeout; sizeof(struct timeval);                   16
            Tty.makeRaw;          offsetof(struct termios,c_iflag);          0
            Tty.makeRaw;          offsetof(struct termios,c_cflag);          8
            Tty.makeRaw;          offsetof(struct termios,c_lflag);          12
            Tty.makeRaw;          offsetof(struct termios,c_cc);             17
            Tty.windowSize;       offsetof(struct winsize,ws_row);           0
            Tty.windowSize;       offsetof(struct winsize,ws_col);           2
            Tty.windowSize;       sizeof(struct winsize);                    8
            Signals.installKick;  offsetof(struct sigaction,sa_handler);     0
            Signals.installKick;  offsetof(struct sigaction,sa_flags);       8
            Signals.installKick;  offsetof(struct sigaction,sa_restorer);    16
            """)
    void everyLiteralIsTheHeaders(String place, String name, long value) {
        assertThat(golden(name)).as("%s in %s", name, place).isEqualTo(value);
    }
}
