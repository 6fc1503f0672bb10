# Sourced by setup: initramfs images of busybox, a kernel's modules and an init script.
# shellcheck shell=bash
#
# make_initramfs FILE INIT ROOT RELEASE MODULE...   FILE gets busybox as /bin/busybox, the script INIT
#   as /init, and as /modules the modules with what they depend on, taken from ROOT/lib/modules/RELEASE
#   and unpacked; /modules/order names them in the order in which insmod takes them.
# It needs $work, a directory that the caller removes, and the programs busybox (static), cpio and modprobe.

make_initramfs() {
    local file=$1 init=$2 modules=$3 release=$4 root=$work/initramfs module line path
    shift 4
    rm -rf "$root"
    mkdir -p "$root"/{bin,dev,proc,sys,mnt,root,tmp,modules}
    : >"$root/modules/order"
    cp "$(command -v busybox)" "$root/bin/busybox"
    install -m 755 "$init" "$root/init"
    for module in "$@"; do
        modprobe -d "$modules" -S "$release" --show-depends "$module" >"$work/depends" 2>"$work/modprobe.log" ||
            die 1 "the kernel $release has no module $module: $(tail -n 1 "$work/modprobe.log")"
        while read -r line path _; do
            [ "$line" = insmod ] || continue # "builtin": nothing to load
            copy_module "$path" "$root/modules"
        done <"$work/depends"
    done
    (cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -n) >"$file"
    rm -r "$root"
}

copy_module() { # FILE DIR: unpacked, and noted in DIR/order the first time
    local base unpack
    base=$(basename "$1")
    case $base in
    *.xz) unpack="xz -dc" ;;
    *.zst) unpack="zstd -dcq" ;;
    *.gz) unpack="gzip -dc" ;;
    *) unpack=cat ;;
    esac
    base=${base%.ko*}.ko
    [ ! -e "$2/$base" ] || return 0
    $unpack "$1" >"$2/$base" || die 1 "cannot unpack the module $1 by ${unpack%% *}"
    echo "$base" >>"$2/order"
}
