#!/usr/bin/env bash
# Prints the numbers of the C headers that dev.holdover.linux repeats, for LayoutsTest; needs gcc and the kernel's
# headers. Run it as: ./layouts.sh > layouts.txt
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# c NAME: compiles standard input and runs it.
c() {
    cat >"$tmp/$1.c"
    gcc -Wall -Werror -o "$tmp/$1" "$tmp/$1.c"
    "$tmp/$1"
}

constants() {
    for name in "$@"; do echo "printf(\"%s %lld\\n\", \"$name\", (long long)($name));"; done
}

struct() {
    local struct=$1
    shift
    echo "printf(\"sizeof($struct) %zu\\n\", sizeof($struct));"
    for field in "$@"; do
        echo "printf(\"offsetof($struct,$field) %zu\\n\", offsetof($struct, $field));"
    done
}

errnos=$(echo '#include <errno.h>' | gcc -E -dM - | awk '$2 ~ /^E/ && $3 ~ /^[0-9]+$/ {print $2}' | sort -u)

# As the C library sees them.
c libc <<EOF
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <linux/reboot.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* asm-generic/socket.h from 6.5 on */
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* linux/memfd.h from 6.3 on */
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020 /* linux/fcntl.h from 6.3 on */
#endif
int main(void) {
$(for e in $errnos; do echo "printf(\"errno $e %d %s\\n\", $e, strerror($e));"; done)
$(constants O_RDONLY O_WRONLY O_RDWR O_ACCMODE O_CREAT O_EXCL O_NOCTTY O_TRUNC O_APPEND O_NONBLOCK O_DIRECTORY O_NOFOLLOW \
    O_CLOEXEC O_TMPFILE O_PATH F_GETFD F_SETFD F_GETFL F_SETFL F_DUPFD_CLOEXEC F_OFD_SETLK FD_CLOEXEC F_RDLCK F_WRLCK SEEK_END SEEK_DATA)
$(constants EPOLLIN EPOLLOUT EPOLLERR EPOLLHUP EPOLLRDHUP EPOLL_CLOEXEC EPOLL_CTL_ADD EPOLL_CTL_DEL EPOLL_CTL_MOD)
$(constants EFD_NONBLOCK EFD_CLOEXEC MFD_CLOEXEC MFD_ALLOW_SEALING MFD_EXEC F_ADD_SEALS F_GET_SEALS F_SEAL_SEAL \
    F_SEAL_SHRINK F_SEAL_GROW F_SEAL_WRITE F_SEAL_EXEC)
$(constants PROT_READ PROT_WRITE MAP_SHARED MAP_PRIVATE MAP_FIXED MAP_ANONYMOUS MAP_NORESERVE MADV_HUGEPAGE \
    MADV_NOHUGEPAGE MADV_DONTDUMP MADV_POPULATE_WRITE)
$(constants AF_UNIX SOCK_STREAM SOCK_DGRAM SOCK_SEQPACKET SOCK_CLOEXEC SOCK_NONBLOCK SOL_SOCKET SCM_RIGHTS \
    SO_PEERCRED SO_PEERPIDFD SO_RCVTIMEO SO_SNDTIMEO MSG_NOSIGNAL MSG_CMSG_CLOEXEC MSG_CTRUNC MSG_PEEK)
$(constants KEXEC_FILE_NO_INITRAMFS LINUX_REBOOT_MAGIC1 LINUX_REBOOT_MAGIC2 LINUX_REBOOT_CMD_KEXEC)
$(constants S_IFMT S_IFREG S_IFDIR S_IFCHR S_IFBLK TMPFS_MAGIC HUGETLBFS_MAGIC)
$(constants SYS_{read,write,open,close,fstat,lseek,mmap,munmap,rt_sigaction,rt_sigprocmask,ioctl,pread64,pwrite64} \
    SYS_{readv,writev,madvise,dup2,getpid,socket,connect,sendmsg,recvmsg,shutdown,bind,listen,socketpair,setsockopt} \
    SYS_{getsockopt,fcntl,fsync,fdatasync,ftruncate,rename,unlink,fchmod,sysinfo,geteuid,getegid,fstatfs,sync,reboot,arch_prctl,gettid,fsetxattr,fgetxattr,tgkill} \
    SYS_{epoll_ctl,epoll_pwait,fallocate,accept4,eventfd2,epoll_create1,preadv,pwritev,name_to_handle_at,memfd_create,kexec_file_load,statx,poll,flock,pidfd_open})
$(constants AT_EMPTY_PATH AT_STATX_DONT_SYNC STATX_BASIC_STATS STATX_BTIME MAX_HANDLE_SZ)
$(struct 'struct stat' st_dev st_ino st_mode st_rdev st_size st_blksize)
$(struct 'struct statx' stx_mask stx_blksize stx_nlink stx_mode stx_ino stx_size stx_btime stx_rdev_major stx_rdev_minor stx_dev_major stx_dev_minor)
$(struct 'struct statx_timestamp' tv_sec tv_nsec)
$(struct 'struct file_handle' handle_bytes handle_type f_handle)
$(struct 'struct statfs' f_type f_bsize f_blocks f_bavail)
$(struct 'struct sysinfo' totalram totalswap mem_unit)
$(struct 'struct flock' l_type l_whence l_start l_len l_pid)
$(struct 'struct sockaddr_un' sun_family sun_path)
$(struct 'struct msghdr' msg_name msg_namelen msg_iov msg_iovlen msg_control msg_controllen msg_flags)
$(struct 'struct iovec' iov_base iov_len)
$(struct 'struct cmsghdr' cmsg_len cmsg_level cmsg_type)
$(struct 'struct ucred' pid uid gid)
$(struct 'struct timeval' tv_sec tv_usec)
$(struct 'struct epoll_event' events data)
printf("CMSG_LEN(3*4) %zu\n", CMSG_LEN(3 * 4));
printf("CMSG_SPACE(3*4) %zu\n", CMSG_SPACE(3 * 4));
return 0;
}
EOF

# As the kernel sees them, where the C library has structs of its own by the same names.
c kernel <<EOF
#include <asm/ioctls.h>
#include <asm/signal.h>
#include <asm/termbits.h>
#include <asm/termios.h>
#include <stddef.h>
#include <stdio.h>
int main(void) {
$(constants TCGETS TCSETS TIOCGWINSZ TIOCGPTN TIOCSPTLCK VTIME VMIN)
$(constants IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON CSIZE PARENB CS8 ISIG ICANON ECHO ECHONL IEXTEN)
$(constants SIGSEGV SIG_UNBLOCK SA_RESTORER 'sizeof(sigset_t)')
$(struct 'struct termios' c_iflag c_oflag c_cflag c_lflag c_line c_cc)
$(struct 'struct winsize' ws_row ws_col)
$(struct 'struct sigaction' sa_handler sa_flags sa_restorer sa_mask)
return 0;
}
EOF
