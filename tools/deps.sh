#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Installs what building and testing needs, on Debian and its relatives. Without the right to
# install it names what is missing and fails.
set -euo pipefail

build=(gcc g++ cmake ninja-build make pkg-config libdw-dev libjansson-dev)
tests=(libcmocka-dev python3 python3-jsonschema binutils mandoc
    clang clang-format clang-tidy cppcheck shellcheck
    gcc-mingw-w64-x86-64 g++-mingw-w64-x86-64
    qemu-system-x86 busybox-static e2fsprogs xfsprogs)

installed() {
    dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

missing=()
for package in "${build[@]}" "${tests[@]}"; do
    installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    as_root=()
elif sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
else
    echo "These packages are missing: ${missing[*]}" >&2
    exit 1
fi
echo "Installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq >&2
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
