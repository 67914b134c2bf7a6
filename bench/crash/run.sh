#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What nvrtl crash takes. Each row is the median of some rounds, and their least and most:
#
#   images a second of a checker in a shared object that reads 4 KiB and writes nothing, in a region
#   of 1 MiB, at points of 4096 images each; with one worker; and with --isolate
#   the same of the example store's own recovery (its table and batches small, see tests/crash)
#   eight stores to eight lines under one fence, as pmemcheck logs them: distinct images a second,
#   the start of nvrtl included, where pmreorder runs 109,601 checks
#   stores a second of --import-pmemcheck, of a million stores with a flush each
#   what recording costs: B-tree inserts (bench/verifier) recorded, against those under the hooks
#   alone, round by round, and the bytes of a store in the trace
#
#   bench/crash/run.sh BUILD [DIRECTORY [ROUNDS [LOG...]]]     LOG: other store logs of pmemcheck
set -eu
build=$(cd "${1:?usage: bench/crash/run.sh BUILD [DIRECTORY [ROUNDS [LOG...]]]}" && pwd)
directory=${2:-/dev/shm}
rounds=${3:-5}
here=$(cd "$(dirname "$0")" && pwd)
shift $(($# < 3 ? $# : 3))

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

# Prints a log of pmemcheck: so many fences, each behind so many stores to lines of their own with
# a flush each.
make_log() {
    awk -v fences="$1" -v stores="$2" 'BEGIN {
        printf "==1== START\nREGISTER_FILE;/nowhere/file;0x300000000000;0x1000;0x0"
        for (f = 1; f <= fences; f++) {
            for (i = 0; i < stores; i++)
                printf "|STORE;0x300000000%03x;0x%x;0x8", i * 64, f
            for (i = 0; i < stores; i++)
                printf "|FLUSH;0x300000000%03x;0x40", i * 64
            printf "|FENCE"
        }
        print "|STOP"
    }'
}

# The median of the numbers, their least and most, with a format for each.
spread() {
    sort -n | awk -v format="$1" '{ all[NR] = $1 } END {
        printf format " (" format " to " format ")", all[int((NR + 1) / 2)], all[1], all[NR] }'
}

# Prints the seconds of a command whose output goes to a file.
seconds() {
    start=$(date +%s%N)
    "$@" >"$work/out" 2>&1 || true
    end=$(date +%s%N)
    echo "$start $end" | awk '{ printf "%.6f\n", ($2 - $1) / 1e9 }'
}

# Prints the images a second of each round of a search with these options.
speeds() {
    for _ in $(seq "$rounds"); do
        took=$(seconds "$build/bin/nvrtl" crash --seed=1 --keep="$work/images" "$@")
        images=$(sed -n 's/.*- \([0-9]*\) images\{0,1\} checked.*/\1/p' "$work/out")
        echo "$images $took" | awk '{ printf "%.0f\n", $1 / $2 }'
    done
}

make_trace 50 >"$work/trace"
echo "shared object: $(speeds --check "$work/reader.so" "$work/trace" | spread %d) images/s"
echo "one worker: $(speeds --check "$work/reader.so" --jobs=1 "$work/trace" | spread %d) images/s"
make_trace 1 >"$work/trace"
echo "isolated: $(speeds --check "$work/reader.so" --isolate "$work/trace" |
    spread %d) images/s"

check=$build/tests/crash/libcrash-wordstore-check.so
if [ -e "$check" ]; then
    seq 16 | sed 's/^/word/' >"$work/words"
    "$build/bin/nvrtl" record -o "$work/words.trace" -- "$build/tests/crash/crash-wordstore" \
        "$work/store" load "$work/words"
    echo "word store: $(speeds --check "$check" --exhaustive=4096 "$work/words.trace" |
        spread %d) images/s"
fi

# compare LOG: the images of a log, all and none twice, against those that --enumerate prints.
compare() {
    "$build/bin/nvrtl" trace --import-pmemcheck "$1" -o "$work/log.trace" 2>/dev/null
    speeds --check "$work/reader.so" "$work/log.trace" >"$work/speeds"
    checked=$(sed -n 's/.*- \([0-9]*\) images\{0,1\} checked.*/\1/p' "$work/out")
    listed=$("$build/bin/nvrtl" crash --enumerate --import-pmemcheck "$1" 2>/dev/null | wc -l)
    echo "$(basename "$1"): $checked images checked, $listed that can be," \
        "$(spread %d <"$work/speeds") images/s"
}
make_log 1 8 >"$work/eight.log"
compare "$work/eight.log"
for log in "$@"; do
    compare "$log"
done

make_log 125000 8 >"$work/million.log"
for _ in $(seq "$rounds"); do
    seconds "$build/bin/nvrtl" trace --import-pmemcheck "$work/million.log" -o "$work/m.trace" |
        awk '{ printf "%.0f\n", 1e6 / $1 }'
done >"$work/speeds"
echo "import: $(spread %d <"$work/speeds") stores/s"

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

for _ in $(seq "$rounds"); do
    insert "$build/bin/nvrtl" run --report=json --output "$work/report" -- | tr '\n' ' '
    insert "$build/bin/nvrtl" record -o "$work/b.trace" --
done | awk '{ print $3 / $1, $4 / $2 }' >"$work/ratios"
echo "recording: $(cut -d' ' -f1 "$work/ratios" | spread %.2f) times the hooks run," \
    "$(cut -d' ' -f2 "$work/ratios" | spread %.2f) of its processor time"
stores=$("$build/bin/nvrtl" trace stat "$work/b.trace" |
    awk '/^(store|copy|atomic) / { sum += $2 } END { print sum }')
wc -c < "$work/b.trace" | awk -v stores="$stores" '{
    printf "trace: %.1f bytes a store of %d\n", $1 / stores, stores }'
