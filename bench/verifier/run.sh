#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What does it cost to run under the verifier? Inserts into a B-tree (btree.c), without it and with
# each source of stores in turn; the answer is the median ratio of the rounds and its spread, and
# the time of a page's first store and flush. pages=interval gets fewer inserts: each of its drains
# looks at the whole file.
#
#   bench/verifier/run.sh BUILD [DIRECTORY] [ROUNDS]
set -eu
build=${1:?usage: bench/verifier/run.sh BUILD [DIRECTORY] [ROUNDS]}
directory=${2:-/dev/shm}
rounds=${3:-7}
here=$(dirname "$0")

work=$(mktemp -d "$directory/nvrtl-bench-XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM
for kind in "" -DCOUNT; do
    cc -O2 $kind -I"$here/../../include" "$here/btree.c" -o "$work/btree$kind" \
        "$build/lib/libnvrtl.so" -Wl,-rpath,"$(cd "$build/lib" && pwd)"
done
"$work/btree-DCOUNT" "$work/file"

inserts() {
    case $1 in
    pages=interval) echo 1000 1000 ;;
    *) echo 600000 400000 ;;
    esac
}

# Prints the nanoseconds of an insert and of a page's first store.
measure() {
    rm -f "$work/file"
    if [ "$1" = none ]; then
        # shellcheck disable=SC2046
        "$work/btree" "$work/file" $(inserts "$1")
    else
        # shellcheck disable=SC2046
        "$build/bin/nvrtl" run --stores="$1" --report=json --output "$work/out" -- \
            "$work/btree" "$work/file" $(inserts "$1")
    fi
}

sources="api pages pages=interval"
round=0
while [ "$round" -lt "$rounds" ]; do
    for source in none $sources; do
        measure "$source" >> "$work/times.$source"
    done
    round=$((round + 1))
done

# The number in the middle, the least and the greatest.
spread() {
    sort -n | awk '{ v[NR] = $1 }
        END { printf "%.2f (%.2f to %.2f)", v[int((NR + 1) / 2)], v[1], v[NR] }'
}

echo "none: $(cut -d' ' -f1 "$work/times.none" | spread) ns an insert, first store of a page" \
    "$(cut -d' ' -f2 "$work/times.none" | spread) ns"
for source in $sources; do
    paste -d' ' "$work/times.$source" "$work/times.none" > "$work/pairs"
    echo "$source: $(awk '{ print $1 / $3 }' "$work/pairs" | spread) times none," \
        "first store of a page $(cut -d' ' -f2 "$work/times.$source" | spread) ns"
done
