#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Installs what this project needs, on Debian and its relatives:
#
#   tools/deps.sh [build | demo | test]
#
# build: for building; demo: that and what tools/demo.sh reads; test (the default): everything.
# Without the right to install it names what is missing and fails.
set -euo pipefail

build=(gcc libc6-dev binutils cmake ninja-build make pkg-config libdw-dev libjansson-dev
    libzstd-dev)
demo=(wamerican)
tests=(g++ libcmocka-dev python3 python3-jsonschema libxml2-utils patch mandoc zsh
    clang libclang-rt-14-dev clang-format clang-tidy cppcheck shellcheck
    gcc-mingw-w64-x86-64 g++-mingw-w64-x86-64
    lmdb-utils python3-lmdb sqlite3
    spin strace valgrind qemu-system-x86 busybox-static e2fsprogs xfsprogs)

case ${1:-test} in
build) wanted=("${build[@]}") ;;
demo) wanted=("${build[@]}" "${demo[@]}") ;;
test) wanted=("${build[@]}" "${demo[@]}" "${tests[@]}") ;;
*)
    echo "usage: tools/deps.sh [build | demo | test]" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "deps: this is no Debian; what its packages ${wanted[*]} hold is taken to be here" >&2
    exit 0
fi

installed() {
    dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

missing=()
for package in "${wanted[@]}"; do
    installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

fail() {
    echo "deps: $1; these packages are missing: ${missing[*]}" >&2
    exit 1
}

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
    # Without a terminal nobody can type a password.
    sudo -n true 2>/dev/null || { [ -t 0 ] && sudo true; } ||
        fail "installing takes root or sudo"
fi
echo "Installing ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" >"$log" 2>&1
}
if ! { apt update && apt install --yes --no-install-recommends "${missing[@]}"; }; then
    cat "$log" >&2
    fail "apt-get could not install them"
fi
