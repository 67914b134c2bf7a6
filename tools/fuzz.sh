#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs the fuzz targets of tests/fuzz under the address and undefined-behaviour sanitizers, one
# after the other, on one core:
#
#   tools/fuzz.sh [SECONDS [TARGET...]]   each for so long (default 60), all if none is named
#   tools/fuzz.sh --merge [TARGET...]     take what was found into tests/fuzz/corpus
#
# What a run finds worth keeping lies in build/fuzz/corpus and is where the next one goes on. The
# seed is printed; NVRTL_FUZZ_SEED repeats it. An input that takes over 20 s on the wall's clock
# counts as failed: NVRTL_FUZZ_TIMEOUT says more where the machine does other things. An input that
# fails is left in build/fuzz/failed: run it with build/fuzz/tests/fuzz/TARGET FILE (fuzz_api tells
# what it does when FUZZ_TRACE is set).
# The last line says how many targets were clean; the status is 0 if all were.
set -euo pipefail
cd "$(dirname "$0")/.."

build=build/fuzz
corpus=tests/fuzz/corpus
found=$build/corpus
# A corpus is replayed by every test run: small, and few files.
max_files=200
max_bytes=$((300 * 1024))

configure() {
    tools/deps.sh
    mkdir -p "$build"
    if ! { CC=clang cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug \
        -DCMAKE_C_FLAGS_DEBUG="-O1 -g" -DNVRTL_FUZZ=ON -DNVRTL_SANITIZE=address,undefined \
        -DNVRTL_WERROR=ON && cmake --build "$build" --target fuzzers; } \
        >"$build/build.log" 2>&1; then
        cat "$build/build.log" >&2
        exit 1
    fi
}

# length_of <target>: the longest input, in bytes; longer ones are slower and find no more
length_of() {
    case $1 in
        fuzz_machine | fuzz_elf) echo 16384 ;;
        *) echo 4096 ;;
    esac
}

fuzz() {
    local target=$1 seconds=$2 log=$build/$1.log runs
    mkdir -p "$found/$target" "$build/failed"
    echo "== $target, $seconds s, seed $seed"
    if "$build/tests/fuzz/$target" -max_total_time="$seconds" -seed="$seed" \
        -timeout="${NVRTL_FUZZ_TIMEOUT:-20}" -rss_limit_mb=2048 \
        -max_len="$(length_of "$target")" -print_final_stats=1 \
        -artifact_prefix="$build/failed/$target-" "$found/$target" "$corpus/$target" \
        >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: //p' "$log")
        echo "   clean: $runs inputs, $(find "$found/$target" -type f | wc -l) kept"
    else
        grep -v "^#" "$log" | tail -n 60
        return 1
    fi
}

# The smallest inputs that reach all code that is reached. What is called case-... was put there by
# hand, because of what it is about, and stays.
merge() {
    local target=$1 fresh files bytes
    fresh=$(mktemp -d)
    "$build/tests/fuzz/$target" -merge=1 -use_counters=0 "$fresh" "$corpus/$target" \
        "$found/$target" >"$build/$target.log" 2>&1
    mkdir -p "$corpus/$target"
    find "$corpus/$target" -type f ! -name 'case-*' -delete
    cp "$fresh"/* "$corpus/$target/"
    rm -r "$fresh"
    files=$(find "$corpus/$target" -type f | wc -l)
    bytes=$(find "$corpus/$target" -type f -printf '%s\n' | awk '{ n += $1 } END { print n }')
    echo "$target: $files files, $bytes bytes"
    [ "$files" -le "$max_files" ] && [ "$bytes" -le "$max_bytes" ]
}

merging=no seconds=60 failed=0 clean=0
if [ "${1:-}" = --merge ]; then
    merging=yes
    shift
elif [ $# -gt 0 ]; then
    seconds=$1
    shift
fi
seed=${NVRTL_FUZZ_SEED:-$((RANDOM * 32768 + RANDOM + 1))}
configure
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <(find "$build/tests/fuzz" -maxdepth 1 -name 'fuzz_*' -type f -executable \
        -printf '%f\n' | sort)
fi
for target in "${targets[@]}"; do
    if [ "$merging" = yes ]; then
        merge "$target" || failed=$((failed + 1))
    elif fuzz "$target" "$seconds"; then
        clean=$((clean + 1))
    else
        failed=$((failed + 1))
    fi
done
[ "$merging" = yes ] || echo "$clean clean, $failed failed"
[ "$failed" -eq 0 ]
