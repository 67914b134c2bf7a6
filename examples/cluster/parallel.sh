#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# parallel.sh TRACE CHECK [PARTS]: a search in so many parts, as many at a time as there are CPUs.
set -eu
here=$(dirname "$0")
trace=$1 check=$2 parts=${3:-8}
CRASH_OPTIONS="--jobs=1 ${CRASH_OPTIONS:-}"
export CRASH_OPTIONS
seq "$parts" | parallel --will-cite --halt now,fail=1 "$here/shard.sh" {} "$parts" "$trace" "$check"
exec "$here/merge.sh" "$parts"
