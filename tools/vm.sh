#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The long form of the test vm: every CPU with every kind of cache, and xfs. Takes some minutes.
# With --record FOLDER it keeps what each guest told in /proc and /sys, as tests/fixtures do.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/deps.sh
cmake --preset dev >/dev/null
cmake --build --preset dev --parallel "$(nproc)"
exec python3 -B tests/vm/check_vm.py --long "$@" build/dev
