# What scenarios are made of: checks, and a guest driven over its serial console. Sourced inside the lab host.
# shellcheck shell=bash
#
#   check WHAT COMMAND...        prints "ok: WHAT" or "FAIL: WHAT"
#   guest_start OPTION...        starts the VMM: --cpus --memory --disk --vfio --net --rng --pci --append --on-reset, as ./vmm run
#   guest_up                     waits for the guest's shell; sets GUEST_BOOT, the guest's boot id
#   guest_run COMMAND [SECONDS]  types a command and waits for its end; sets OUTPUT, returns the command's status
#   guest_send, guest_expect     the two halves, for what is not a command
#   guest_loops                  lets loops in the guest count in its /tmp/LOOP: loop_count LOOP sets OUTPUT, loop_goes_beyond LOOP COUNT
#   guest_noted, guest_is_it     notes the guest's uptime; checks that it is the guest of $boot, whose time has gone on
#   guest_hand_over CONTROL      hands the guest to a new VMM process; fails, and the guest stays where it is, if that does not work
#   blackout                     how long the guest stood still in that hand-over, in microseconds
#   guest_exit [SECONDS]         waits for the VMM's end; sets GUEST_CODE
#   tap_add NAME ADDRESS/PREFIX  makes a tap in a network namespace of its own; tap_do NAME COMMAND... runs something there
#   vfio_bind BDF                gives a PCI device to vfio-pci; sets VFIO_DEVICE, its node in /dev/vfio/devices
#   vfio_release BDF             gives it back to the driver that the kernel has for it
#   keep NAME...                 keeps shell variables for the stages behind a kexec (see docs/lab.md)
#   next_stage_load              loads the kernel of the next stage
#   next_stage COMMAND...        runs what kexecs, and waits for the end of this kernel
#   java_source NAME ARGUMENT...  runs lab/NAME.java, compiled by lab/run, against the VMM's classes
#   on_failure                   brings what is to be known into $WORK/NAME.errors, whose end is shown: what a living VMM's threads
#                                do and, by the control socket $control, two looks at its guest, unless a scenario defines its own
#   eventually SECONDS COMMAND... repeats a command until it succeeds
#
# LAB_VMM=qemu drives QEMU's microvm under the same KVM instead of ./vmm: the reference when a scenario is in doubt.

set -euo pipefail

WORK=$(mktemp -d /tmp/scenario.XXXXXX)
FAILED=0
# What earlier stages, under the kernels before this one, have left. The share they lie on is not cached: a kexec loses nothing of it.
[ ! -e "$LAB_OUT/failures" ] || FAILED=$(wc -l <"$LAB_OUT/failures")
# shellcheck source=/dev/null
[ ! -e "$LAB_OUT/kept" ] || . "$LAB_OUT/kept"
GUEST_PID=
GUEST_TEXT=
GUEST_TAG=0

ok() { echo "ok: $*"; }
fail() {
    FAILED=$((FAILED + 1))
    echo "FAIL: $*"
    echo "stage $LAB_STAGE: $*" >>"$LAB_OUT/failures"
}
check() { # WHAT COMMAND...
    local what=$1
    shift
    if "$@"; then ok "$what"; else fail "$what"; fi
}
is() { [ "$1" = "$2" ] || { echo "  expected '$2', got '$1'" && false; }; }
contains() { [[ $1 == *"$2"* ]] || { echo "  expected '$2' in '$1'" && false; }; }
# What cannot be gone on after.
give_up() {
    fail "$*"
    exit 1
}

# What a silent guest looks like to its VMM: its processors, interrupt controllers and devices, twice.
on_failure() {
    local look
    [ -n "$GUEST_PID" ] && kill -0 "$GUEST_PID" 2>/dev/null || return 0
    top -H -b -n 2 -d 1 -p "$GUEST_PID" | tail -n 24 >"$WORK/threads.errors" || true
    [ -S "${control:-}" ] || return 0
    for look in 1 2; do
        timeout 20 "$REPO/vmm" ctl "$control" save "$WORK/look$look" >/dev/null && "$REPO/vmm" inspect "$WORK/look$look" || true
        timeout 20 "$REPO/vmm" ctl "$control" cont >/dev/null || true
        pause 1
    done >"$WORK/looks.errors" 2>&1
    cp "$WORK"/look[12] "$LAB_OUT" 2>/dev/null || true
    # A shell of its own, for a guest that does not answer ends it.
    (guest_run "cat /proc/interrupts /proc/timer_list" 10 && echo "  after that it answers: $OUTPUT")
}

# Processes that died of a signal for which a core would be dumped, into a file of this stage. Nobody sends such signals here: it is the JVM, the
# emulation or the kernel that is at fault then, not what a check is about. The kernel notes each (lab/init has asked for it) under the number of the
# thread, the JVM writes a file about most of them.
note_deaths() {
    local signal thread address name file about
    dmesg | awk '{ sub(/^\[[^]]*\] */, "") }
        /potentially unexpected fatal signal [0-9]+\.$/ { signal = $NF + 0; next }
        signal && / PID: [0-9]+ Comm: / { thread = name = $0; sub(/.* PID: /, "", thread); sub(/.* Comm: /, "", name); sub(/ (Not tainted|Tainted).*/, "", name) }
        signal && /^RIP: / { sub(/.*:/, "", $2); print signal, thread + 0, $2, name; signal = 0 }' |
        while read -r signal thread address name; do
            about="no hs_err file of it"
            for file in /tmp/hs_err_pid*.log; do
                ! grep -q " tid=$thread$" "$file" 2>/dev/null || about=$(sed -n "/ tid=$thread$/{s/^# *//p;q}" "$file")
            done
            echo "a process died: thread $thread '$name' of SIG$(kill -l "$signal") at $address; $about"
        done >"$LAB_OUT/deaths.$LAB_STAGE"
    cp /tmp/hs_err_pid*.log "$LAB_OUT" 2>/dev/null || true
}

# The lab host ends with the scenario, so nothing needs to be taken down; only say what went wrong. A process that died makes for a status of
# its own, 3, whether the checks have noticed or not.
at_exit() {
    local code=$?
    trap - EXIT
    note_deaths
    local file deaths
    deaths=$(cat "$LAB_OUT"/deaths.*)
    if [ -z "$deaths" ]; then
        [ "$code" = 0 ] || [ "$FAILED" -gt 0 ] || fail "the scenario ended with status $code"
        [ "$LAB_STAGE" = "$LAB_STAGES" ] || [ "$FAILED" -gt 0 ] || fail "the scenario ended in stage $LAB_STAGE of $LAB_STAGES"
        [ "$FAILED" -gt 0 ] || exit 0
    fi
    on_failure || true
    for file in "$WORK"/*.console "$WORK"/*.errors; do
        [ -s "$file" ] || continue
        echo "--- ${file##*/}, the last 60 lines:"
        tail -n 60 "$file" | sed -e 's/\r//g' -e 's/\x1b\[6n//g' # where is the cursor? asks busybox
    done
    for file in "$LAB_OUT"/hs_err_pid*.log; do
        [ -e "$file" ] || continue
        echo "--- ${file##*/}, the first 60 lines:"
        head -n 60 "$file"
    done
    echo "--- the lab host's kernel since the scenario began, the last 20 lines:"
    dmesg | sed '1,/ as init process/d' | tail -n 20
    [ -n "$deaths" ] || exit 1
    printf 'DIED: %s\n' "${deaths//$'\n'/$'\n'DIED: }"
    [ "$FAILED" = 0 ] || echo "DIED: the checks that failed may have failed because of that"
    exit 3
}
trap at_exit EXIT

# ---- the guest

vmm_holdover() {
    [ -x "$REPO/vmm" ] || give_up "there is no ./vmm in $REPO"
    VMM=("$REPO/vmm" run --kernel "$GUEST_KERNEL" --initrd "$GUEST_INITRD" --append "$append" --memory "$memory" --cpus "$cpus"
        --on-reset "$on_reset" --serial stdio)
    local disk
    for disk in "${disks[@]}"; do VMM+=(--disk "path=$disk"); done
    local device
    for device in "${vfio[@]}"; do VMM+=(--vfio "$device"); done
    [ -z "$tap" ] || VMM+=(--net "tap=$tap")
    [ -z "$rng" ] || VMM+=(--rng)
    [ -z "$pci" ] || VMM+=(--pci)
    [ -z "$ram" ] || VMM+=(--ram "mem-path=$ram")
    [ -z "$control" ] || VMM+=(--control "$control")
    [ -z "$name" ] || VMM+=(--name "$name" --live-update "$agent")
}
vmm_qemu() {
    local on=device
    [ -z "$pci" ] || on=pci
    VMM=(qemu-system-x86_64 -M "microvm,x-option-roms=off,rtc=on,pcie=${pci:-off}" -accel kvm -cpu host -nodefaults -no-user-config -display none
        -kernel "$GUEST_KERNEL" -initrd "$GUEST_INITRD" -append "$append" -m "$memory" -smp "$cpus" -serial stdio)
    [ "$on_reset" = reboot ] || VMM+=(-no-reboot)
    local disk
    for disk in "${disks[@]}"; do
        VMM+=(-drive "id=${disk##*/},file=$disk,format=raw,if=none" -device "virtio-blk-$on,drive=${disk##*/}")
    done
    [ -z "$tap" ] || VMM+=(-netdev "tap,id=net,ifname=$tap,script=no,downscript=no" -device "virtio-net-$on,netdev=net")
    [ -z "$rng" ] || VMM+=(-device "virtio-rng-$on")
}

guest_start() {
    # noxsave: QEMU's TCG lets a nested guest's XSETBV through without an exit, so KVM does not learn of it and a kernel that uses XSAVE
    # finds CPUID at odds with itself ("XSAVE consistency problem", a WARNING).
    local cpus=1 memory=256M disks=() vfio=() tap='' rng='' pci='' ram='' control='' name='' agent=luod on_reset=exit append="console=ttyS0 quiet panic=-1 noxsave" inside=()
    while [ $# -gt 0 ]; do
        case $1 in
        --cpus) cpus=$2 && shift ;;
        --memory) memory=$2 && shift ;;
        --disk) disks+=("$2") && shift ;;
        --vfio) vfio+=("$2") && shift ;;
        --net) tap=$2 && shift ;;
        --rng) rng=1 ;;
        --pci) pci=on ;;
        --ram) ram=$2 && shift ;;
        --control) control=$2 && shift ;;
        --name) name=$2 && shift ;; # takes part in live updates
        --agent) agent=$2 && shift ;;
        --on-reset) on_reset=$2 && shift ;;
        --append) append+=" $2" && shift ;;
        *) give_up "guest_start: unknown option $1" ;;
        esac
        shift
    done
    "vmm_${LAB_VMM:-holdover}"
    [ -z "$tap" ] || inside=(ip netns exec "$tap")
    guest_launch
}

# Takes a saved guest up again; its console goes on where the saved one's ended.
guest_restore() { # STATE CONTROL [TAP]
    local inside=()
    [ $# -lt 3 ] || inside=(ip netns exec "$3")
    VMM=("$REPO/vmm" restore "$1" --control "$2")
    guest_launch
}

# Takes a guest up again that a live update preserved.
guest_claim() { # NAME CONTROL [TAP]
    local inside=()
    [ $# -lt 3 ] || inside=(ip netns exec "$3")
    VMM=("$REPO/vmm" restore --live-update "${AGENT:-luod}" --name "$1" --control "$2")
    guest_launch
}

# The console is the same file, since the descriptors go along. Sets OUTPUT: what the VMM that had the guest says of the blackout.
guest_hand_over() { # CONTROL
    local first=$GUEST_PID code=0 standby=$WORK/standby.$GUEST_PID
    "$REPO/vmm" standby --listen "$standby" </dev/null >/dev/null 2>>"$WORK/$GUEST_NAME.errors" {GUEST_IN}>&- {GUEST_OUT}<&- &
    GUEST_PID=$!
    eventually 60 test -S "$standby" || give_up "no VMM stands by"
    OUTPUT=$("$REPO/vmm" ctl "$1" handover "$standby" 2>&1) || code=$?
    if [ "$code" != 0 ]; then
        echo "  $OUTPUT"
        kill "$GUEST_PID"
        wait "$GUEST_PID" || true
        GUEST_PID=$first
        return 1
    fi
    wait "$first" || code=$?
    is "$code" 0
}

blackout() { tr -d ' \n' <<<"$OUTPUT" | sed -nE 's/.*"total-us":([0-9]+).*/\1/p'; }

# How far the guest's clock is from that of the machine that the lab host runs on, and how sure that is, both in milliseconds.
# The guest from the lab host: by the stamps that both kernels put into a ping. The lab host, which is off by up to a second
# after a kexec, from the machine: by the time at which that changes a file (of its last tick, 4 ms). The narrowest look of each.
# Sets OUTPUT to the two.
guest_clock_offset() { # TAP ADDRESS
    local before after try
    for try in {1..20}; do
        before=$EPOCHREALTIME
        : >"$LAB_OUT/clock"
        after=$EPOCHREALTIME
        echo "host $before $after $(stat -c %.6Y "$LAB_OUT/clock")"
    done >"$WORK/clock"
    tap_do "$1" ping -T tsonly -c 40 -i 0.1 -w 60 "$2" >>"$WORK/clock" || true
    OUTPUT=$(awk '$1 == "host" { look("host", ($2 + $3) / 2 * 1000 - $4 * 1000 - 2, ($3 - $2) * 500 + 2) }
        $1 == "TS:" { hops = 1; passed = 0; next }
        hops && NF == 1 { passed += $1; at[hops++] = passed; if (hops == 4) { look("guest", (at[1] + at[2] - at[3]) / 2, at[3] / 2 + 1); hops = 0 } }
        function look(whose, offset, width) { if (!(whose in best) || width < best[whose]) { best[whose] = width; away[whose] = offset } }
        END { if (!("guest" in best)) exit 1; printf "%.0f %.0f", away["guest"] + away["host"], best["guest"] + best["host"] }' "$WORK/clock") ||
        give_up "the guest answers no ping with the time"
}

luod_start() { # OPTION...
    "$REPO/vmm" luod "$@" >"$WORK/luod.errors" 2>&1 &
    LUOD_PID=$!
    eventually 60 test -S /run/luod/liveupdate.sock || give_up "luod does not start"
}
# Whether luod has all these in that state. By a file: a grep that ends at its first line would fail the pipe it reads.
luod_lists() { # STATE NAME...
    local name
    "$REPO/vmm" luoctl list >"$WORK/list" || return 1
    for name in "${@:2}"; do grep -q "^$name  $1" "$WORK/list" || return 1; done
}

# Ends the VMM as a crash would, and forgets its console.
guest_kill() {
    kill -KILL "$GUEST_PID"
    wait "$GUEST_PID" 2>/dev/null || true
    exec {GUEST_IN}>&- {GUEST_OUT}<&-
}

guest_launch() {
    # The console goes to a file, so that the VMM never waits for this script; input comes from a pipe that never ends.
    GUEST_NAME=guest$((${GUEST_NAME#guest} + 1))
    mkfifo "$WORK/$GUEST_NAME.input"
    : >"$WORK/$GUEST_NAME.console"
    exec {GUEST_IN}<>"$WORK/$GUEST_NAME.input" {GUEST_OUT}<"$WORK/$GUEST_NAME.console"
    GUEST_TEXT=
    GUEST_STARTED=$(now)
    "${inside[@]}" "${VMM[@]}" <"$WORK/$GUEST_NAME.input" >>"$WORK/$GUEST_NAME.console" 2>>"$WORK/$GUEST_NAME.errors" \
        {GUEST_IN}>&- {GUEST_OUT}<&- &
    GUEST_PID=$!
}
GUEST_NAME=guest0

now() { # milliseconds
    local t=${EPOCHREALTIME/./}
    echo $((t / 1000))
}

# A pause without a process: nobody ever writes into this pipe.
mkfifo "$WORK/never"
exec {NEVER}<>"$WORK/never"
pause() { read -r -t "$1" -u "$NEVER" || true; }

guest_send() { printf '%s\n' "$1" >&"$GUEST_IN"; }

# Waits for a regular expression in what the console printed since the last match. BEFORE is the text in front of it, BASH_REMATCH is set.
guest_expect() { # REGEX [SECONDS]
    local deadline=$((SECONDS + ${2:-60})) chunk alive
    while :; do
        alive=1
        kill -0 "$GUEST_PID" 2>/dev/null || alive= # asked before the last read, which then is complete
        IFS= read -r -d '' -u "$GUEST_OUT" chunk || true
        GUEST_TEXT+=${chunk//$'\r'/}
        if [[ $GUEST_TEXT =~ $1 ]]; then
            BEFORE=${GUEST_TEXT%%"${BASH_REMATCH[0]}"*}
            GUEST_TEXT=${GUEST_TEXT#*"${BASH_REMATCH[0]}"}
            return 0
        fi
        [ -n "$alive" ] || { echo "  the VMM ended while waiting for '$1'" && return 1; }
        [ "$SECONDS" -lt "$deadline" ] || { echo "  no '$1' on the console in ${2:-60} s" && return 1; }
        pause 0.02
    done
}

guest_up() { # [SECONDS]
    guest_expect 'guest: up ([^ ]+) boot=([0-9a-f-]{36})' "${1:-120}" || give_up "the guest does not come up"
    GUEST_BOOT=${BASH_REMATCH[2]}
    guest_expect 'guest# ' || give_up "the guest's shell does not come up"
    ok "the guest is up after $(($(now) - GUEST_STARTED)) ms"
}

# The marks are typed in two pieces, so that the terminal's echo of the command never looks like them.
guest_run() { # COMMAND [SECONDS]
    GUEST_TAG=$((GUEST_TAG + 1))
    guest_send "echo '[$GUEST_TAG'-]; $1; echo \"[$GUEST_TAG:\$?]\""
    guest_expect "\[$GUEST_TAG-\]"$'\n' "${2:-60}" && guest_expect "\[$GUEST_TAG:([0-9]+)\]" "${2:-60}" || give_up "guest command: $1"
    OUTPUT=${BEFORE%$'\n'}
    return "${BASH_REMATCH[1]}"
}

# A file may be caught empty.
guest_loops() {
    guest_run 'at() { until n=$(cat /tmp/$1) && [ -n "$n" ]; do :; done; echo $n; }'
    guest_run 'on() { i=0; until at $1 >/tmp/now && [ $(cat /tmp/now) -gt $2 ] || [ $i = 60 ]; do i=$((i+1)); sleep 1; done; cat /tmp/now; }'
}
loop_count() { # LOOP: its count, in OUTPUT
    guest_run "at $1"
}
loop_goes_beyond() { # LOOP COUNT
    guest_run "on $1 $2" 120
    [ "${OUTPUT:-0}" -gt "$2" ] || { echo "  still at $OUTPUT" && false; }
}
guest_noted() {
    guest_run "cut -d. -f1 /proc/uptime"
    uptime=$OUTPUT
}
guest_is_it() { # [PREFIX]
    guest_run "cat /proc/sys/kernel/random/boot_id"
    check "${1-}the same boot" is "$OUTPUT" "$boot"
    guest_run "cut -d. -f1 /proc/uptime"
    check "${1-}time has not gone back: $uptime s, $OUTPUT s" test "$OUTPUT" -ge "$uptime"
}
# Of the live update that the guest has come by.
show_timeline() {
    "$REPO/vmm" ctl "$control" query-timeline | awk -F'"' '/"phase"/ { phase = $4 } /"after-us"/ { gsub(/[^-0-9]/, "", $3); printf "  %10.1f ms  %s\n", $3 / 1000, phase }'
}

guest_exit() { # [SECONDS]
    local timer ended=
    sleep "${1:-60}" &
    timer=$!
    GUEST_CODE=0
    wait -n -p ended "$GUEST_PID" "$timer" || GUEST_CODE=$?
    if [ "$ended" = "$timer" ]; then
        kill -KILL "$GUEST_PID"
        give_up "the VMM has not ended ${1:-60} s later"
    fi
    kill "$timer"
    exec {GUEST_IN}>&- {GUEST_OUT}<&-
}

# ---- network

tap_add() { # NAME ADDRESS/PREFIX
    ip netns add "$1"
    ip -n "$1" link set lo up
    ip -n "$1" tuntap add "$1" mode tap vnet_hdr
    ip -n "$1" address add "$2" dev "$1"
    ip -n "$1" link set "$1" up
}
tap_do() { # NAME COMMAND...
    ip netns exec "$@"
}

# ---- PCI devices for passthrough; the ones of "# lab: nvme" are bound to the kernel's own driver at boot

# That the write of a name to a driver's file succeeds says nothing: is it the device's driver?
vfio_bind() { # BDF
    local device=/sys/bus/pci/devices/$1
    pci_rebind "$1" vfio-pci
    [ "$(pci_driver "$1")" = vfio-pci ] || give_up "$1 cannot be bound to vfio-pci"
    VFIO_DEVICE=/dev/vfio/devices/$(ls "$device/vfio-dev")
}
vfio_release() { # BDF
    pci_rebind "$1" ''
    [ "$(pci_driver "$1")" != vfio-pci ] || give_up "$1 stays bound to vfio-pci"
}
pci_rebind() { # BDF DRIVER: waits for the end of who has the device open
    local device=/sys/bus/pci/devices/$1
    echo "$2" >"$device/driver_override"
    [ ! -e "$device/driver" ] || echo "$1" >"$device/driver/unbind"
    echo "$1" >/sys/bus/pci/drivers_probe
}
pci_driver() { # BDF
    basename "$(readlink "/sys/bus/pci/devices/$1/driver" || true)"
}
iommu_group() { # BDF
    basename "$(readlink "/sys/bus/pci/devices/$1/iommu_group" || true)"
}

# ---- kexec: the lab host's kernel is replaced, and the scenario started again with the next LAB_STAGE

keep() { # NAME...
    declare -p "$@" | sed 's/^declare --/declare -g/;t;s/^declare -\([a-zA-Z]\)/declare -g\1/' >>"$LAB_OUT/kept"
}

next_stage_load() { # [MORE FOR THE COMMAND LINE]
    "$REPO/vmm" luoctl load "$LAB_KERNEL" --cmdline "$LAB_NEXT_COMMAND_LINE${1:+ $1}" || give_up "the next kernel cannot be loaded"
}

next_stage() { # COMMAND...
    note_deaths
    "$@" || give_up "no kexec: $* ended with status $?"
    pause 120
    give_up "no kexec 120 s after: $*"
}

# ---- programs of the lab's own, against the VMM's classes

java_source() ( # NAME ARGUMENT...
    local jdk name=$1 jar=$REPO/vmm-core/target/holdover.jar classes=$LAB_OUT/classes
    shift
    . "$REPO/.mvn/find-jdk"
    find_jdk 25 || give_up "there is no JDK of 25 or later"
    exec "$jdk/bin/java" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 --enable-native-access=ALL-UNNAMED -cp "$jar:$classes" "$name" "$@"
)

eventually() { # SECONDS COMMAND...
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        pause 0.2
    done
}
