#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Which lines and branches of libnvrtl the unit tests reach: a table by files, and with --missed
# what they leave out. Fails below 95 % of the lines or 90 % of the branches; docs/coverage.md says
# what is left over and why.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/deps.sh test
cmake --preset coverage >/dev/null
cmake --build --preset coverage --parallel "$(nproc)" >/dev/null
find build/coverage -name '*.gcda' -delete
# The soak counts the same lines over and over, at half an hour.
ctest --preset coverage --parallel "$(nproc)" --label-regex '^unit$' --exclude-regex '^soak$' \
    --no-tests=error --quiet
exec python3 -B tools/coverage.py "$@" build/coverage
