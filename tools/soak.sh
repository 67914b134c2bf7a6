#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# tools/soak.sh [SECONDS [SEED]]: the long form of the soak (default: an hour). Threads call the
# routines at random while the medium fails now and then; see tests/soak/soak.c. Prints the seed.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-3600}
export NVRTL_TEST_SEED=${2:-$((RANDOM * 32768 + RANDOM + 1))}

tools/deps.sh
cmake --preset dev >/dev/null
cmake --build --preset dev --parallel "$(nproc)" --target soak >/dev/null
build/dev/tests/soak/soak 10 "$seconds"
