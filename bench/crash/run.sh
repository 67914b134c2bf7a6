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
# Of the program: nanoseconds an insert, and its own processor time in seconds, which other load on
# the machine does not change much. insert COMMAND...: runs it under that command.
insert() {
    rm -f "$work/file"
    python3 - "$work/cpu" "$@" "$work/btree" "$work/file" 100000 10000 <<'EOF'
import os, resource, subprocess, sys
cpu, *command = sys.argv[1:]
program = command[-4:]
inner = ("import os, sys\npid = os.fork()\n"
         "if pid == 0:\n    os.execv(sys.argv[2], sys.argv[2:])\n"
         "usage = os.wait4(pid, 0)[2]\n"
         "open(sys.argv[1], 'w').write(str(usage.ru_utime + usage.ru_stime))")
told = subprocess.run([*command[:-4], "python3", "-c", inner, cpu, *program], check=True,
                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
print(told.split()[0], open(cpu).read())
EOF
}

for _ in 1 2 3 4 5; do
    insert "$build/bin/nvrtl" run --report=json --output "$work/out" -- | tr '\n' ' '
    insert "$build/bin/nvrtl" record -o "$work/b.trace" --
done | awk '{ print $3 / $1, $4 / $2 }' > "$work/ratios"
# Prints the median, and from where to where the ratios are, of a column.
spread() {
    cut -d' ' -f"$1" "$work/ratios" | sort -n |
        awk '{ all[NR] = $1 } END { printf "%.2f (%.2f to %.2f)", all[3], all[1], all[NR] }'
}
echo "recording: $(spread 1) times the hooks run, $(spread 2) of its processor time"
stores=$("$build/bin/nvrtl" trace stat "$work/b.trace" |
    awk '/^(store|copy|atomic) / { sum += $2 } END { print sum }')
wc -c < "$work/b.trace" | awk -v stores="$stores" '{
    printf "trace: %.1f bytes a store of %d\n", $1 / stores, stores }'
