#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Builds nvrtl and shows what it is for: a correct program under the verifier, then the same program
# with one flush left out. Everything that it makes lies in build/.
set -euo pipefail
cd "$(dirname "$0")/.."

words=/usr/share/dict/american-english
work=build/demo
nvrtl=build/release/bin/nvrtl
examples=build/release/examples

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' plain=$'\e[0m'
fi

fail() {
    echo "demo: $*" >&2
    exit 1
}

say() {
    printf '\n%s== %s%s\n\n' "$bold" "$*" "$plain"
}

# show <command>... : says what it runs, as one would type it
show() {
    printf '%s$ %s%s\n' "$bold" "$*" "$plain"
    "$@"
}

# On a terminal the build shows its progress in one line, else nothing unless it fails.
build() {
    cmake --preset release >"$work/build.log" 2>&1 || return
    if [ -t 1 ]; then
        cmake --build --preset release --target nvrtl_cli wordstore wordstore-broken && echo
    else
        cmake --build --preset release --target nvrtl_cli wordstore wordstore-broken \
            >"$work/build.log" 2>&1
    fi
}

tools/deps.sh demo
[ -r "$words" ] || fail "there is no $words (Debian: wamerican)"
rm -rf "$work"
mkdir -p "$work"

say "Build: build/release/"
if ! build; then
    cat "$work/build.log" >&2
    fail "the build failed"
fi
show $nvrtl --version

say "A small database, loaded with a list of words, and what its file can promise"
show $examples/wordstore $work/words load $words
show $examples/wordstore $work/words check
show $nvrtl info $work/words

say "The same under the verifier: is everything flushed and drained that has to be?"
show $nvrtl run -- $examples/wordstore $work/checked load $words

say "Its twin leaves out one flush. That does not show as long as the power stays on ..."
show $examples/wordstore-broken $work/broken load $words
show $examples/wordstore-broken $work/broken check

say "... but the verifier sees it, and says what would be lost and where"
status=0
show $nvrtl run --report=text,json --output $work/report \
    -- $examples/wordstore-broken $work/lost load $words || status=$?
[ "$status" -eq 1 ] || fail "the verifier returned $status for the broken program, not 1"
grep -q '"kind": *"unflushed-write"' $work/report/report.json ||
    fail "the verifier did not name the unflushed write"
grep -q 'wordstore\.c:[0-9]' $work/report/report.txt || fail "the verifier did not name the line"

say "Done: the correct program is clean, and the missing flush was found"
echo "The reports are in $work/report/, the example in examples/wordstore/wordstore.c."
