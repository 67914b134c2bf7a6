#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# How many images a second does recovery meet? A checker in a shared object that reads 4 KiB and
# writes nothing, a region of 1 MiB, points of 4096 images each; with --isolate as well. And what
# recording costs: B-tree inserts (bench/verifier) recorded, against those under the hooks alone,
# and the bytes of a store in the trace.
#
#   bench/crash/run.sh BUILD [DIRECTORY]
set -eu
build=${1:?usage: bench/crash/run.sh BUILD [DIRECTORY]}
directory=${2:-/dev/shm}
here=$(dirname "$0")

work=$(mktemp -d "$directory/nvrtl-bench-XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM
cc -O2 -shared -fPIC -I"$here/../../include" "$here/reader.c" -o "$work/reader.so"

# Prints a trace of so many points, each with 12 stores in 12 lines in flight.
make_trace() {
    awk -v points="$1" 'BEGIN {
        print "nvrtl-trace-text/1\nmodel x86 streams=drain"
        print "region 1 size 1048576 line 64 domain memory at 0x300000000000 path /nowhere"
        for (p = 1; p <= points; p++) {
            for (i = 0; i < 12; i++)
                printf "1 store 1 0x%x 8 %016x\n", (p * 7919 % 1000) * 1024 + i * 64, p
            for (i = 0; i < 12; i++)
                printf "1 flush 1 0x%x 8\n", (p * 7919 % 1000) * 1024 + i * 64
            print "1 drain"
        }
    }'
}

# Prints the images a second of a search with these options.
speed() {
    start=$(date +%s%N)
    images=$("$build/bin/nvrtl" crash --check "$work/reader.so" --seed=1 --keep="$work/images" \
        "$@" "$work/trace" 2>&1 | sed -n 's/.*- \([0-9]*\) images\{0,1\} checked.*/\1/p')
    end=$(date +%s%N)
    echo "$images $((end - start))" | awk '{ printf "%d images, %.0f a second", $1, $1 * 1e9 / $2 }'
}

make_trace 50 > "$work/trace"
echo "shared object: $(speed)"
echo "one worker: $(speed --jobs=1)"
make_trace 1 > "$work/trace"
echo "isolated: $(speed --isolate)"

"$build/bin/nvrtl-cc" -O2 -g -I"$here/../../include" "$here/../verifier/btree.c" \
    -o "$work/btree" "$build/lib/libnvrtl.so" -Wl,-rpath,"$(cd "$build/lib" && pwd)"
rm -f "$work/file"
hooks=$("$build/bin/nvrtl" run --report=json --output "$work/out" -- \
    "$work/btree" "$work/file" 20000 10000 | cut -d' ' -f1)
rm -f "$work/file"
recorded=$("$build/bin/nvrtl" record -o "$work/b.trace" -- \
    "$work/btree" "$work/file" 20000 10000 | cut -d' ' -f1)
stores=$("$build/bin/nvrtl" trace dump "$work/b.trace" | grep -cE '^[0-9]+ (store|copy|atomic) ')
size=$(wc -c < "$work/b.trace")
echo "$hooks $recorded $stores $size" | awk '{
    printf "recording: %.2f times the hooks run, ", $2 / $1
    printf "%.1f bytes a store of %d\n", $4 / $3, $3 }'
