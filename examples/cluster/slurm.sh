#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#SBATCH --job-name=nvrtl-crash --output=shard-%a.log --cpus-per-task=1
# sbatch --array=1-PARTS slurm.sh TRACE CHECK PARTS, in the folder with shard.sh
set -eu
CRASH_OPTIONS="--jobs=1 ${CRASH_OPTIONS:-}"
export CRASH_OPTIONS
exec "${SLURM_SUBMIT_DIR:-.}/shard.sh" "${SLURM_ARRAY_TASK_ID:?run by sbatch --array=1-$3}" "$3" \
    "$1" "$2"
