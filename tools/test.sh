#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Everything that is checked before a change lands: the whole suite in the dev build (unit tests,
# command, rules of the house, ABI, package), and the unit and diff tests under the sanitizers. The
# last line says `N passed, N failed`; a test that was skipped, and a build that failed, count as
# failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
jobs=$(nproc)
broken=0

# stage <preset> [<argument of ctest>...]
stage() {
    local preset=$1 log=$results/$1.log
    shift
    echo "== $preset: build"
    if ! { cmake --preset "$preset" && cmake --build --preset "$preset" --parallel "$jobs"; } \
        >"$log" 2>&1; then
        cat "$log"
        broken=$((broken + 1))
        return
    fi
    echo "== $preset: test"
    ctest --preset "$preset" --parallel "$jobs" --no-tests=error \
        --output-junit "$results/$preset.xml" "$@"
    [ -s "$results/$preset.xml" ] || broken=$((broken + 1))
}

tools/deps.sh || exit 1
stage dev
stage asan-ubsan --label-regex '^unit$'
stage tsan --label-regex '^unit$'

python3 -B tools/count_results.py --broken "$broken" "$results"
