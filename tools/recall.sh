#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# tools/recall.sh [OPTION...]: every seeded bug and every correct twin of tests/recall, those of
# Debian's source packages too, by both compilers at each level; the table goes to docs/recall.md.
# The options are those of tests/recall/run.py; with any, docs/recall.md stays as it is.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/deps.sh
cmake --preset dev >/dev/null
cmake --build --preset dev --parallel "$(nproc)" >/dev/null
export NVRTL_BIN=$PWD/build/dev/bin/nvrtl NVRTL_INCLUDE=$PWD/include
export NVRTL_LIBRARY=$PWD/build/dev/lib/libnvrtl.so
[ $# -gt 0 ] || set -- --table docs/recall.md
exec python3 -B tests/recall/run.py --packages build/recall-sources --jobs "$(nproc)" "$@"
