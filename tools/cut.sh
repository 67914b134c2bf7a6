#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# tools/cut.sh [CUTS [SEED [LIST]]]: the pull-the-plug test of the example store in its long form.
# By default 2000 cuts while it loads the word list of the system; every acknowledged word has to be
# there afterwards, and no other. Then its broken twin, which must not survive 50.
set -euo pipefail
cd "$(dirname "$0")/.."

cuts=${1:-2000}
seed=${2:-$RANDOM}
list=${3:-/usr/share/dict/american-english}

tools/deps.sh
cmake --preset release >/dev/null
cmake --build --preset release --parallel "$(nproc)" >/dev/null
# In memory if possible: what a medium keeps is modelled, not used.
work=$(mktemp -d "$([ -d /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")/nvrtl-cut.XXXXXX")
trap 'rm -rf "$work"' EXIT
examples=$PWD/build/release/examples

# cut_store <program> <cuts>
cut_store() {
    local store="$work/$1-{%}"
    build/release/bin/nvrtl cut --jobs "$(nproc)" --runs "$2" --seed "$seed" \
        --keep "nvrtl-cut-$1-$seed" --reset "rm -f '$store'" \
        --check "build/release/tests/cli/check-wordstore '$examples/$1' '$list' {}" \
        -- "$examples/$1" "$store" load "$list"
}

SECONDS=0
cut_store wordstore "$cuts"
echo "cut.sh: wordstore survived $cuts cuts in $SECONDS s"
status=0
keep=nvrtl-cut-wordstore-broken-$seed
cut_store wordstore-broken 50 || status=$?
rm -rf "$keep"
[ "$status" -eq 1 ] || {
    echo "cut.sh: wordstore-broken ended with status $status, not 1" >&2
    exit 1
}
