#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Does `nvrtl copy` cost more than `cp && sync`? Both copy the same file, warm in the page cache, in
# turn; the answer is the median ratio of the pairs and its spread.
#
#   bench/copy.sh NVRTL [DIRECTORY] [MEBIBYTES] [RUNS]
set -eu
nvrtl=${1:?usage: bench/copy.sh NVRTL [DIRECTORY] [MEBIBYTES] [RUNS]}
directory=${2:-.}
mebibytes=${3:-1024}
runs=${4:-9}

work=$(mktemp -d "$directory/nvrtl-bench-XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM
head -c "${mebibytes}M" /dev/urandom > "$work/source"
sync -f "$work"

now() { date +%s%N; }

# Each run starts without DST, with nothing waiting to be written and the source in the cache.
prepare() {
    rm -f "$work/copy"
    sync -f "$work"
    cat "$work/source" > /dev/null
}

time_nvrtl() {
    prepare
    start=$(now)
    "$nvrtl" copy "$work/source" "$work/copy"
    echo $(($(now) - start))
}

time_cp() {
    prepare
    start=$(now)
    cp "$work/source" "$work/copy" && sync "$work/copy" "$work"
    echo $(($(now) - start))
}

time_cp > /dev/null
run=0
while [ "$run" -lt "$runs" ]; do
    # Who goes first changes, so that a drift of the machine cancels out.
    if [ $((run % 2)) -eq 0 ]; then
        ours=$(time_nvrtl)
        theirs=$(time_cp)
    else
        theirs=$(time_cp)
        ours=$(time_nvrtl)
    fi
    echo "$ours $theirs"
    run=$((run + 1))
done > "$work/times"

# Line number MIDDLE of the sorted numbers of standard input is their median.
middle=$(((runs + 1) / 2))
awk '{ printf "%.3f\n", $1 / $2 }' "$work/times" | sort -n > "$work/ratios"
ours=$(awk '{ printf "%.3f\n", $1 / 1e9 }' "$work/times" | sort -n | sed -n "${middle}p")
theirs=$(awk '{ printf "%.3f\n", $2 / 1e9 }' "$work/times" | sort -n | sed -n "${middle}p")
echo "$mebibytes MiB, $runs pairs: nvrtl copy $ours s, cp and sync $theirs s (medians)"
echo "ratio: median $(sed -n "${middle}p" "$work/ratios")," \
    "from $(head -n 1 "$work/ratios") to $(tail -n 1 "$work/ratios")"
