# Sourced by setup, run and all: where things are, and how to fail.
# shellcheck shell=bash

LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
REPO=$(dirname "$LAB")
HOLDOVER_CACHE=${HOLDOVER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/holdover}
CACHE=$HOLDOVER_CACHE/lab

# Everything in the cache carries in its name what it was made from, so that two working trees can share it.
hash_of() { sha256sum | cut -c1-12; }
KERNEL_KEY=$(grep CONFIG_ "$LAB/kernel.config" | sort | hash_of)
SYSTEMD_KEY=$(hash_of <"$LAB/systemd-root")
QEMU_KEY=$(hash_of <"$LAB/build-qemu")
INITRD_KEY=$(cat "$LAB/guest-init" "$LAB/setup" | hash_of)

newest_in_cache() { # DIRECTORY-PATTERN
    [ ! -d "$CACHE" ] || find "$CACHE" -mindepth 1 -maxdepth 1 -type d -name "$1" -printf '%f\n' | sort -V | tail -n 1
}

# Sets where setup left QEMU, the kernels and the initramfs; fails if one of the latter is not there.
find_cached() {
    local qemu kernel guest systemd
    qemu=$(newest_in_cache "qemu-*-$QEMU_KEY")
    kernel=$(newest_in_cache "kernel-*-$KERNEL_KEY")
    guest=$(newest_in_cache 'linux-image-*-cloud-amd64')
    systemd=$(newest_in_cache "systemd-*-$SYSTEMD_KEY")
    SYSTEMD_ROOT=${systemd:+$CACHE/$systemd} # only lab/setup systemd makes it
    LAB_QEMU=${qemu:+$CACHE/$qemu/}qemu-system-x86_64 # or the system's
    LAB_KERNEL=$CACHE/$kernel/bzImage
    GUEST_KERNEL=$CACHE/$guest/boot/vmlinuz-${guest#linux-image-}
    GUEST_INITRD=$CACHE/guest-initrd-${guest#linux-image-}-$INITRD_KEY.gz
    [ -f "$LAB_KERNEL" ] && [ -f "$GUEST_KERNEL" ] && [ -f "$GUEST_INITRD" ]
}

die() { # EXIT-CODE SENTENCE
    local code=$1
    shift
    printf 'lab: %s\n' "$*" >&2
    exit "$code"
}
