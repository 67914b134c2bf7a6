#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# build.sh COMPILER OUT SOURCE LIBRARY... -- FLAG...: a program with hooks.
set -eu
compiler=$1 out=$2 source=$3
shift 3
libraries=
while [ "$1" != -- ]; do
    libraries="$libraries $1 -Wl,-rpath,$(dirname "$1")"
    shift
done
shift
case $compiler in
*gcc)
    plain=$(printf -- '-fno-builtin-%s ' memcpy memmove memset mempcpy strcpy strncpy stpcpy \
        strcat snprintf)
    ;;
*) plain= ;;
esac
# shellcheck disable=SC2086 # lists of words
"$compiler" "$@" -fsanitize=thread -U__SANITIZE_THREAD__ $plain -fno-omit-frame-pointer -g -c \
    "$source" -o "$out.o"
# shellcheck disable=SC2086
"$compiler" "$out.o" -o "$out" $libraries -pthread
rm "$out.o"
