#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What nvrtl crash --enumerate finds, against the machine of tests/litmus on random traces, and
# against the axioms of the papers on programs:
#
#   tools/litmus.sh [COUNT [SEED]]   so many traces (default 10000), and a program for 20 of them
#
# One core. The seed is printed; what fails is printed with the words that repeat it.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/deps.sh
cmake --preset dev >/dev/null
cmake --build --preset dev --target nvrtl_cli >/dev/null
export NVRTL_BIN=$PWD/build/dev/bin/nvrtl
python3 -B tests/litmus/random_traces.py "${1:-10000}" "${2:-1}"
python3 -B tests/litmus/programs.py "$((${1:-10000} / 20))" "${2:-1}"
