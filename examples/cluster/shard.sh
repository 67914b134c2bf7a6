#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# shard.sh I N TRACE CHECK: one part of a search; its report is shards/I/report.json.
set -eu
part=$1 parts=$2 trace=$3 check=$4
mkdir -p "shards/$part"
status=0
# shellcheck disable=SC2086
"${NVRTL:-nvrtl}" crash --shard="$part/$parts" --seed=1 --check="$check" --report=json \
    --output="shards/$part" --keep="shards/$part/images" ${CRASH_OPTIONS:-} "$trace" || status=$?
# What was found is in the report: only a part that could not be done has failed.
[ "$status" -le 3 ] && [ "$status" -ne 2 ]
