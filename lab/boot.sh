# Debian's stock kernel boots to a shell and uses every device; the body of the boot-* scenarios.
# shellcheck shell=bash
. "$LAB/lib.sh"

boot_scenario() { # CPUS
    mkdir "$WORK/files"
    echo "written by the host" >"$WORK/files/from-host"
    head -c 4M /dev/urandom >"$WORK/files/blob"
    truncate -s 64M "$WORK/disk"
    mkfs.ext4 -q -d "$WORK/files" "$WORK/disk"
    tap_add tap0 192.0.2.1/24

    guest_start --cpus "$1" --disk "$WORK/disk" --net tap0 --rng --append "lab.word=holdover"
    guest_up

    check "nproc is $1" guest_prints nproc "$1"
    check "the kernel is the package's" guest_prints "uname -r" "${GUEST_KERNEL##*/vmlinuz-}"
    check "the command line arrives" guest_shows "cat /proc/cmdline" "lab.word=holdover"
    check "no device is missed" guest_run "test -b /dev/vda && test -d /sys/class/net/eth0 && test -c /dev/hwrng"
    check "the RTC tells the host's time" clock_agrees

    check "ext4 mounts" guest_run "mount -t ext4 /dev/vda /mnt"
    check "a file of the host's reads" guest_prints "cat /mnt/from-host" "written by the host"
    check "4 MiB read right" guest_shows "sha256sum /mnt/blob" "$(sha256sum <"$WORK/files/blob" | cut -d' ' -f1)"
    check "a file is written" guest_run "head -c 4194304 /dev/urandom >/mnt/from-guest && sync"
    guest_run "sha256sum /mnt/from-guest" || true
    local written=${OUTPUT%% *}
    check "it unmounts" guest_run "umount /mnt"

    check "the network comes up" guest_run "ip link set eth0 up && ip address add 192.0.2.2/24 dev eth0"
    check "guest pings host" guest_run "ping -c 3 -w 20 192.0.2.1"
    check "host pings guest" quietly tap_do tap0 ping -c 3 -i 0.2 -w 20 192.0.2.2
    check "full packets pass" quietly tap_do tap0 ping -c 1 -s 1472 -M "do" -w 20 192.0.2.2

    check "virtio-rng is the hwrng" guest_shows "cat /sys/class/misc/hw_random/rng_current" "virtio_rng"
    check "the hwrng gives 32 bytes" guest_prints "head -c 32 /dev/hwrng | wc -c" 32
    guest_run "head -c 32 /dev/hwrng | sha256sum" || true
    local random=$OUTPUT
    guest_run "head -c 32 /dev/hwrng | sha256sum" || true
    check "and others the next time" test "$random" != "$OUTPUT"
    check "the kernel complains of nothing" guest_prints "dmesg | grep -E 'Oops|BUG:|WARNING:|soft lockup|blocked for more'" ""

    guest_send "poweroff -f"
    guest_exit
    check "power-off: exit code 0" is "$GUEST_CODE" 0
    check "the disk is clean" quietly e2fsck -fn "$WORK/disk"
    check "what the guest wrote is on it" is "$(debugfs -R 'cat /from-guest' "$WORK/disk" 2>/dev/null | sha256sum | cut -d' ' -f1)" "$written"
}

guest_prints() { # COMMAND TEXT
    guest_run "$1" || true
    is "$OUTPUT" "$2"
}
guest_shows() { # COMMAND TEXT
    guest_run "$1" || true
    contains "$OUTPUT" "$2"
}
clock_agrees() {
    guest_run "date +%s" || return
    local off=$((OUTPUT - EPOCHSECONDS))
    [ "${off#-}" -le 5 ] || { echo "  off by $off s" && false; }
}
quietly() { "$@" >"$WORK/last.output" 2>&1 || { cat "$WORK/last.output" && false; }; }
