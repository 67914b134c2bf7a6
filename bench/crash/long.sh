#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A long trace: how much memory do record, stat and a search under a budget take? Prints for each
# the peak of its memory, and seconds. The default is 100 million events.
#
#   bench/crash/long.sh BUILD [DIRECTORY [EVENTS [SECONDS]]]
set -eu
build=${1:?usage: bench/crash/long.sh BUILD [DIRECTORY [EVENTS [SECONDS]]]}
directory=${2:-/var/tmp}
events=${3:-100000000}
seconds=${4:-60}
here=$(dirname "$0")

work=$(mktemp -d "$directory/nvrtl-long-XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM
library=$(cd "$build/lib" && pwd)/libnvrtl.so
"$build/bin/nvrtl-cc" -O2 -g -mclflushopt -I"$here/../../include" "$here/appends.c" \
    -o "$work/appends" "$library" -Wl,-rpath,"$(dirname "$library")"
cc -O2 -shared -fPIC -I"$here/../../include" "$here/reader.c" -o "$work/reader.so"

# measure NAME COMMAND...: its output goes to a file.
measure() {
    name=$1
    shift
    python3 - "$name" "$work/out" "$@" <<'EOF'
import os, subprocess, sys, time
name, output, *command = sys.argv[1:]
start = time.monotonic()
with open(output, "wb") as file:
    process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
_, status, usage = os.wait4(process.pid, 0)
print(f"{name}: {usage.ru_maxrss / 1024:.0f} MiB, {time.monotonic() - start:.0f} s,"
      f" status {os.waitstatus_to_exitcode(status)}")
EOF
}

measure record "$build/bin/nvrtl" record -o "$work/trace" -- \
    "$work/appends" "$work/file" $((events / 4))
wc -c <"$work/trace" | awk '{ printf "trace: %.0f MiB\n", $1 / 1048576 }'
measure stat "$build/bin/nvrtl" trace stat "$work/trace"
grep -E '^(events|store|flush|drain) ' "$work/out"
measure search "$build/bin/nvrtl" crash --check "$work/reader.so" --seed=1 --memory=256M \
    --time="$seconds" --keep="$work/images" "$work/trace"
grep -E 'checked at|not finished' "$work/out"
