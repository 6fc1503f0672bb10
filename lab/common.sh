# Sourced by setup, run, all and demo: where things are, and how to fail.
# shellcheck shell=bash

LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
REPO=$(dirname "$LAB")
[ -n "${HOLDOVER_CACHE:-}${XDG_CACHE_HOME:-}${HOME:-}" ] || {
    echo "lab: nowhere to keep what is downloaded and built: set HOME or HOLDOVER_CACHE" >&2
    exit 1
}
HOLDOVER_CACHE=${HOLDOVER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/holdover}
CACHE=$HOLDOVER_CACHE/lab

# Everything in the cache carries in its name what it was made from, so that two working trees can share it.
hash_of() { sha256sum | cut -c1-12; }
KERNEL_KEY=$(grep CONFIG_ "$LAB/kernel.config" | sort | hash_of)
SYSTEMD_KEY=$(hash_of <"$LAB/systemd-root")
QEMU_KEY=$(hash_of <"$LAB/build-qemu")
STOCK_KEY=$(cat "$LAB/host-init" "$LAB/initramfs.sh" | hash_of)
INITRD_KEY=$(cat "$LAB/guest-init" "$LAB/initramfs.sh" | hash_of)

newest_in_cache() { # DIRECTORY-PATTERN
    [ ! -d "$CACHE" ] || find "$CACHE" -mindepth 1 -maxdepth 1 -type d -name "$1" -printf '%f\n' | sort -V | tail -n 1
}

# Each of these sets where lab/setup left something, and fails if it is not there.

# LAB_QEMU: the mended one if it was built, else the system's. QEMU_MENDED tells which.
find_qemu() {
    local qemu
    qemu=$(newest_in_cache "qemu-*-$QEMU_KEY")
    QEMU_MENDED=${qemu:+1}
    LAB_QEMU=${qemu:+$CACHE/$qemu/}qemu-system-x86_64
    command -v "$LAB_QEMU" >/dev/null
}
# STOCK_KERNEL, STOCK_INITRD: of the newest kernel of the distribution, or of the file HOLDOVER_HOST_KERNEL.
find_stock() {
    local name
    if [ -n "${HOLDOVER_HOST_KERNEL:-}" ]; then
        [ -f "$HOLDOVER_HOST_KERNEL" ] || return 1
        name=host-file-$(hash_of <"$HOLDOVER_HOST_KERNEL")-$STOCK_KEY
    else
        name=$(newest_in_cache "host-linux-image-*-$STOCK_KEY")
    fi
    STOCK_KERNEL=$CACHE/$name/vmlinuz
    STOCK_INITRD=$CACHE/$name/initrd.gz
    [ -n "$name" ] && [ -f "$STOCK_INITRD" ]
}
# LAB_KERNEL, of the luo lab host.
find_luo() {
    local kernel
    kernel=$(newest_in_cache "kernel-*-$KERNEL_KEY")
    LAB_KERNEL=$CACHE/$kernel/bzImage
    [ -f "$LAB_KERNEL" ] && [ -n "$kernel" ]
}
# GUEST_KERNEL, GUEST_INITRD.
find_guest() {
    local guest
    guest=$(newest_in_cache 'linux-image-*-cloud-amd64')
    GUEST_KERNEL=$CACHE/$guest/boot/vmlinuz-${guest#linux-image-}
    GUEST_INITRD=$CACHE/guest-initrd-${guest#linux-image-}-$INITRD_KEY.gz
    [ -f "$GUEST_KERNEL" ] && [ -f "$GUEST_INITRD" ]
}
# SYSTEMD_ROOT.
find_systemd() {
    local systemd
    systemd=$(newest_in_cache "systemd-*-$SYSTEMD_KEY")
    SYSTEMD_ROOT=${systemd:+$CACHE/$systemd}
    [ -n "$systemd" ]
}

die() { # EXIT-CODE SENTENCE
    local code=$1
    shift
    printf 'lab: %s\n' "$*" >&2
    exit "$code"
}

# How many emulated hosts of a size may run at once: each keeps a processor busy. LAB_JOBS says another number of processors.
lab_jobs() { # MEMORY, as 3G
    local free jobs=${LAB_JOBS:-$(nproc)}
    [[ $jobs =~ ^[1-9][0-9]?$ ]] || die 2 "LAB_JOBS must be a number from 1 to 99, not '$jobs'"
    free=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
    [ $((jobs * ${1%G})) -le "$free" ] || jobs=$((free / ${1%G}))
    echo $((jobs > 1 ? jobs : 1))
}
