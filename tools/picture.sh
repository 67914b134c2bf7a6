#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Draws docs/report.svg, the picture in the README, from a real run of the broken example:
#
#   tools/picture.sh                  builds, and draws docs/report.svg
#   tools/picture.sh BUILD PICTURE    draws another one, with what lies built in BUILD
set -euo pipefail
cd "$(dirname "$0")/.."

words=/usr/share/dict/american-english
build=${1:-build/release}
picture=${2:-docs/report.svg}
if [ $# -eq 0 ]; then
    tools/deps.sh demo
    cmake --preset release >/dev/null
    cmake --build --preset release --target nvrtl_cli wordstore-broken >/dev/null
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# In a terminal of its own, so that the report has its colours.
program="$build/examples/wordstore-broken $work/store load $words"
env -u NO_COLOR TERM=xterm script --quiet --command "$build/bin/nvrtl run -- $program" /dev/null \
    >"$work/report" || true
grep -q unflushed-write "$work/report" || {
    cat "$work/report" >&2
    exit 1
}
# Of the report the verdict and its first finding.
{
    printf '\e[2m$\e[0m \e[1mnvrtl run -- wordstore-broken store load %s\e[0m\n' "$words"
    awk '/^\r?$/ && ++empty == 2 { exit } { print }' "$work/report" |
        sed "s|[^ ]*${work##*/}/||g" # the report may tell it from where it runs
} | python3 -B tools/ansi_to_svg.py "A report of nvrtl run" >"$work/picture"
cp "$work/picture" "$picture"
