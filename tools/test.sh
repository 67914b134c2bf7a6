#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Everything that is checked before a change lands: the whole suite in the dev build (unit tests,
# command, rules of the house, documents, ABI, package), and the unit and diff tests under the
# sanitizers. The last line says `N passed, N failed`; a test that was skipped, a build that failed
# and a stage without tests count as failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

jobs=$(nproc)
stages=()

# Without the counter's answer nothing counts as passed.
give_up() {
    echo "test: $*" >&2
    echo "0 passed, 1 failed"
    exit 1
}

# stage <preset> <target> [<argument of ctest>...]
stage() {
    local preset=$1 target=$2 log=$results/$1.log
    shift 2
    stages+=("$preset")
    printf '\n== %s: build\n' "$preset"
    if ! { cmake --preset "$preset" &&
        cmake --build --preset "$preset" --target "$target" --parallel "$jobs"; } \
        >"$log" 2>&1; then
        cat "$log"
        return
    fi
    printf '\n== %s: test\n' "$preset"
    # What passes is kept as long as it is: it says what was skipped.
    # One more than there are processors: some tests wait for others than the processor.
    ctest --preset "$preset" --parallel "$((jobs + 1))" --no-tests=error \
        --output-junit "$results/$preset.xml" --test-output-size-passed 1000000 "$@"
    echo $? >"$results/$preset.status"
}

results=$(mktemp -d) || give_up "no temporary folder"
trap 'rm -rf "$results"' EXIT
tools/deps.sh test || give_up "a package that the tests need is missing"

stage dev all
stage asan-ubsan unit --label-regex '^unit$'
stage tsan unit --label-regex '^unit$'

answer=$(python3 -B tools/count_results.py "$results" "${stages[@]}")
status=$?
[[ $answer =~ [0-9]+' passed, '[0-9]+' failed'$ ]] || give_up "the results could not be counted"
echo "$answer"
exit "$status"
