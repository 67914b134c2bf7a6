#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# shard.sh I N TRACE CHECK: one part of a search; its report is shards/I/report.json, and what nvrtl
# crash has ended with stands in shards/I/status.
set -eu
part=$1 parts=$2 trace=$3 check=$4
mkdir -p "shards/$part"
rm -f "shards/$part/report.json" "shards/$part/status"
status=0
# shellcheck disable=SC2086
"${NVRTL:-nvrtl}" crash --shard="$part/$parts" --seed=1 --check="$check" --report=json \
    --output="shards/$part" --keep="shards/$part/images" ${CRASH_OPTIONS:-} "$trace" || status=$?
echo "$status" > "shards/$part/status"
# What was found is in the report: only a part that could not be done has failed.
[ "$status" -eq 0 ] || [ "$status" -eq 1 ] || [ "$status" -eq 3 ]
