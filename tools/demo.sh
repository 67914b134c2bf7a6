#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Builds nvrtl and shows what it is for: a correct program under the verifier, then the same program
# with one flush left out.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "demo: $*" >&2
    exit 1
}

say() {
    printf '\n== %s\n' "$*"
}

# show <command>... : says what it runs, as one would type it
show() {
    printf '$ %s\n' "$*"
    "$@"
}

tools/deps.sh
say "Build (build/release)"
cmake --preset release >/dev/null
cmake --build --preset release --parallel "$(nproc)"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
seq --format 'word-%g' 5000 >"$work/words"
nvrtl=build/release/bin/nvrtl
examples=build/release/examples

say "What memory is here"
show $nvrtl info "$work/words"

say "A correct store of words under the verifier: loads 5000 words, then checks every slot"
show $nvrtl run -- $examples/wordstore "$work/store" load "$work/words"
show $nvrtl run -- $examples/wordstore "$work/store" check

say "The same program with one flush left out. It works as long as the power stays on:"
show $examples/wordstore-broken "$work/broken" load "$work/words"
show $examples/wordstore-broken "$work/broken" check

say "and the verifier says what is missing:"
status=0
show $nvrtl run --report=text,json --output "$work/report" \
    -- $examples/wordstore-broken "$work/broken-again" load "$work/words" || status=$?
[ "$status" -eq 1 ] || fail "the verifier returned $status for the broken program, not 1"
grep -q '"kind": *"unflushed-write"' "$work/report/report.json" ||
    fail "the verifier did not name the unflushed write"
grep -q 'wordstore\.c:[0-9]' "$work/report/report.txt" ||
    fail "the verifier did not name the line"

say "The verifier found the missing flush; the correct program is clean."
