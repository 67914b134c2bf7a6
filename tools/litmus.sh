#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What nvrtl crash --enumerate finds, against the machine of tests/litmus, on random traces:
#
#   tools/litmus.sh [COUNT [SEED]]   so many traces (default 10000), on one core
#
# The seed is printed; a trace that fails is printed with the words that repeat it.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/deps.sh
cmake --preset dev >/dev/null
cmake --build --preset dev --target nvrtl_cli >/dev/null
NVRTL_BIN=$PWD/build/dev/bin/nvrtl python3 -B tests/litmus/random_traces.py "${1:-10000}" "${2:-1}"
