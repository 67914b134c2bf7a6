#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# merge.sh PARTS: one report of all parts, when each has ended. Exits as nvrtl crash does: 1:
# something was found; 3: nothing, and a budget has ended a part; 2: a part has not been done.
set -eu
found=0 over=0
reports=
for part in $(seq "$1"); do
    status=$(cat "shards/$part/status" 2>/dev/null || echo none)
    case $status in
    0) ;;
    1) found=1 ;;
    3) over=1 ;;
    *)
        echo "merge.sh: part $part has not been done (status $status)" >&2
        exit 2
        ;;
    esac
    reports="$reports shards/$part/report.json"
done
# shellcheck disable=SC2086
"${NVRTL:-nvrtl}" report "${FORMAT:-text}" $reports
[ "$found" -eq 0 ] || exit 1
[ "$over" -eq 0 ] || exit 3
