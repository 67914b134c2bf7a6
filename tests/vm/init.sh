#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The guest's first process. What it finds out goes to the second serial port, one line each with
# tabs between the words; all else to the first. The kernel's command line says what to do:
#   nvrtl.devices=NAMES   of the regions of memory: fsdax, raw, devdax, xfs, virtio...
#   nvrtl.disks=TYPES     of the file systems on the disks that are made to fail
#   nvrtl.nonce=WORD      names this machine's records
#   nvrtl.earlier=WORD    the devices come from an earlier machine, and have records of that name
#   nvrtl.suite=FOLDER    where the unit tests run
#   nvrtl.without=NAMES   of unit tests that do not
#   nvrtl.record=1        sends what /proc and /sys tell to the third serial port
# Names are parted by commas; what does not apply is empty.
set -eu
export PATH=/bin:/usr/sbin
tab='	'

say() {
    (
        IFS=$tab
        echo "$*" >/dev/ttyS1
    )
}

finish() {
    status=$?
    trap - EXIT
    [ "$status" -eq 0 ] || say died "$status"
    poweroff -f
}

parameter() {
    tr ' ' '\n' </proc/cmdline | sed -n "s/^nvrtl\.$1=//p"
}

begin() {
    /bin/busybox --install -s /bin
    mkdir -p /proc /sys /tmp
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t devtmpfs devtmpfs /dev
    mkdir /dev/shm
    mount -t tmpfs tmpfs /dev/shm
    # The programs may lie there.
    mkdir /new
    mount -t tmpfs tmpfs /new
    cp -a /tmp/. /new
    mount --move /new /tmp
    trap finish EXIT
    stty -F /dev/ttyS1 raw
    say begin "$(uname -r)" "$(cut -d ' ' -f 1 /proc/uptime)"
    # Pages reach the medium when something asks for it, and only then.
    echo 0 >/proc/sys/vm/dirty_writeback_centisecs
    while read -r module; do
        insmod "$module"
    done </modules
    earlier=$(parameter earlier)
    fsdax='' raw='' devdax='' xfs='' virtio='' virtiodax='' e820=''
}

# A device comes when its driver has found it.
wait_for() {
    until [ -e "$1" ]; do
        sleep 0.05
    done
}

count() {
    echo $#
}

# The numbers of the regions are in no order; their addresses are in the order of the devices.
find_regions() {
    names=$(parameter devices | tr , ' ')
    # shellcheck disable=SC2086 # one word each
    until [ "$(count /sys/bus/nd/devices/region*/resource)" -eq "$(count $names)" ]; do
        sleep 0.05
    done
    for region in /sys/bus/nd/devices/region*; do
        echo "$(($(cat "$region/resource"))) ${region##*region}"
    done | sort -n >/tmp/regions
    while read -r _ number; do
        eval "${names%% *}=$number"
        say device "${names%% *}" "$number"
        names=${names#* }
    done </tmp/regions
}

# claim <region> <pfn or dax> <driver>: turns a raw namespace into one with a description of its
# pages, which DAX needs. The device keeps that: on a used one the driver finds it.
claim() {
    [ -z "$earlier" ] || return 0
    wait_for "/dev/pmem$1"
    seed=$(cat "/sys/bus/nd/devices/region$1/$2_seed")
    echo "namespace$1.0" >/sys/bus/nd/drivers/nd_pmem/unbind
    cd "/sys/bus/nd/devices/$seed"
    echo ram >mode
    echo 2097152 >align
    cat /proc/sys/kernel/random/uuid >uuid
    echo "namespace$1.0" >namespace
    echo "$seed" >"/sys/bus/nd/drivers/$3/bind"
    cd /
}

# open_device <region> <mount point> <type> [<option of mount>...]: an ext4 is made, if need be; an
# xfs is there.
open_device() {
    device=/dev/pmem$1 point=$2 type=$3
    shift 3
    wait_for "$device"
    # The memory of memmap= is new in each machine.
    if [ "$type" = ext4 ] && { [ -z "$earlier" ] || [ "$point" = /e820 ]; }; then
        mkfs.ext4 -q -F -b 4096 "$device"
    fi
    mkdir -p "$point"
    mount -t "$type" "$@" "$device" "$point"
}

# view <list> <name> <how> <path>: a line of a list; a file that is not there is made.
view() {
    echo "$2 $3 $4" >>"$1"
    [ -e "$4" ] || dd if=/dev/zero of="$4" bs=1M count=1 conv=fsync
}

# views <list> <name> <folder or device>: one for each way of mapping
views() {
    for how in sync plain mapfile; do
        if [ -d "$3" ]; then
            view "$1" "$2-$how" "$how" "$3/$how"
        else
            view "$1" "$2-$how" "$how" "$3"
        fi
    done
}

prepare() {
    find_regions
    claim "$fsdax" pfn nd_pmem
    claim "$devdax" dax dax_pmem
    claim "$virtiodax" dax dax_pmem
    open_device "$fsdax" /fsdax ext4 -o dax
    open_device "$raw" /raw ext4
    open_device "$virtio" /virtio ext4 -o dax
    open_device "$e820" /e820 ext4 -o dax
    wait_for "/dev/dax$devdax.0"
    wait_for "/dev/dax$virtiodax.0"
    views /kept fsdax /fsdax
    views /kept raw /raw
    views /kept devdax "/dev/dax$devdax.0"
    views /kept virtio /virtio
    views /lost e820 /e820
    views /lost virtiodax "/dev/dax$virtiodax.0"
    views /lost tmpfs /tmp
    view /lost node ask "/dev/pmem$raw"
    if [ "$xfs" ]; then
        claim "$xfs" pfn nd_pmem
        open_device "$xfs" /xfs xfs -o dax=always
        views /kept xfs /xfs
    fi
}

# keep <path>...: what /sys tells there, for the record; it does not have everything for everyone.
keep() {
    for path in "$@"; do
        [ -e "$path" ] || continue
        mkdir -p "/record${path%/*}"
        if [ -L "$path" ]; then
            cp -d "$path" "/record$path"
        else
            cat "$path" >"/record$path"
        fi
    done
}

# keep_devices <attributes> <link>...: the links, and these attributes of the devices
keep_devices() {
    attributes=$1
    shift
    keep "$@"
    for link in "$@"; do
        device=$(readlink -f "$link")
        for attribute in $attributes; do
            keep "$device/$attribute"
        done
    done
}

send_record() {
    keep_devices "dev partition queue/dax queue/write_cache" /sys/class/block/*
    keep_devices "" /sys/dev/block/*
    keep_devices "dev subsystem" /sys/bus/dax/devices/*
    keep_devices "persistence_domain devtype" /sys/bus/nd/devices/region*
    for bus in /sys/bus/nd/devices/ndbus*; do
        keep "$(readlink -f "$bus")/provider"
    done
    keep /proc/cmdline
    for link in /sys/dev/char/*; do
        case $(readlink "$link") in
            */dax[0-9]*) keep "$link" ;;
        esac
    done
    stty -F /dev/ttyS2 raw
    tar -c -C /record proc sys >/dev/ttyS2
}

# run <kind> <name> <command>...: its status, and what it says to the console
run() {
    kind=$1 name=$2 status=0
    shift 2
    echo "== $kind $name"
    "$@" || status=$?
    say "$kind" "$name" "$status"
}

run_suite() {
    cd "$(parameter suite)"
    # Root, and a kernel that can take a page for damaged: no reason to skip that here.
    export NVRTL_TEST_POISON=1
    without=$(parameter without)
    while read -r test; do
        case ,$without, in *,"${test##*/}",*) continue ;; esac
        run test "${test##*/}" "$test"
    done </tests
    cd /
}

run_commands() {
    for folder in fsdax raw virtio e820; do
        say info "$folder" "$(nvrtl info --json "/$folder/sync" | tr -d '\n')"
    done
    say info regions "$(nvrtl info --json | tr -d '\n')"
    for program in wordstore wordstore-broken; do
        run verified "$program" nvrtl run -- "$program" /fsdax/store load /words
        rm /fsdax/store
    done
}

run_failing() {
    letters='a b'
    for type in $(parameter disks | tr , ' '); do
        failing "$(parameter nonce)" "/dev/vd${letters%% *}" "$type" >/dev/ttyS1 || :
        letters=${letters#* }
    done
}

main() {
    begin
    prepare
    [ -z "$earlier" ] || guest check "$earlier" /kept >/dev/ttyS1
    mkdir -p /record/proc/self
    guest survey /record/proc/self /kept /lost >/dev/ttyS1
    [ -z "$(parameter record)" ] || send_record
    run_commands
    run_failing
    run_suite
    say uptime "$(cut -d ' ' -f 1 /proc/uptime)"
    guest keep "$(parameter nonce)" /kept >/dev/ttyS1
}

main
