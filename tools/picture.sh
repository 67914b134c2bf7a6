#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Draws docs/report.svg, the picture in the README, from a real run of the broken example.
set -euo pipefail
cd "$(dirname "$0")/.."

words=/usr/share/dict/american-english
cmake --preset release >/dev/null
cmake --build --preset release >/dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A terminal, so that the report has its colours; of the report the verdict and its first finding.
program="build/release/examples/wordstore-broken $work/store load $words"
command="build/release/bin/nvrtl run -- $program"
TERM=xterm script --quiet --command "$command" /dev/null >"$work/report" || true
{
    printf '$ nvrtl run -- wordstore-broken store load %s\n' "$words"
    awk '/^\r?$/ && ++empty == 2 { exit } { print }' "$work/report" | sed "s|$work/||g"
} | python3 tools/ansi_to_svg.py >docs/report.svg
