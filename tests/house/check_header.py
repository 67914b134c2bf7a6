#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The public headers compile alone and beside the Windows headers, in C11 and C++17, and mean the
same everywhere (header_facts.h)."""

import functools
import subprocess
import tempfile
from pathlib import Path

import tree

LINUX = (("gcc", "c11"), ("clang", "c11"), ("g++", "c++17"), ("clang++", "c++17"))
MINGW = (("x86_64-w64-mingw32-gcc", "c11"), ("x86_64-w64-mingw32-g++", "c++17"))
ALONE = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
DRIVER = ALONE + ("-isystem", "{ddk}")  # mingw-w64's driver headers, which are no C++

# (what, compilers, flags, folder of imitated headers, includes in order)
CASES = (
    ("alone", LINUX, ALONE, None, ("nvrtl.h",)),
    ("twice", LINUX, ALONE, None, ("nvrtl.h", "nvrtl.h")),
    ("after the checker's", LINUX + MINGW, ALONE, None, ("nvrtl_crash.h", "nvrtl.h")),
    ("before the checker's", LINUX + MINGW, ALONE, None, ("nvrtl.h", "nvrtl_crash.h")),
    ("own types", LINUX, ALONE, ".", ("own_types.h", "nvrtl.h")),
    ("user-mode SDK on Linux", LINUX, ALONE + ("-DNV_SDK_RESULT=DWORD",), ".",
     ("own_types.h", "nv_sdk.h", "nvrtl.h")),
    ("kernel SDK on Linux", LINUX, ALONE + ("-DNV_SDK_RESULT=NTSTATUS",), ".",
     ("own_types.h", "nv_sdk.h", "nvrtl.h")),
    ("alone", MINGW, ALONE, None, ("nvrtl.h",)),
    ("after windows.h", MINGW, ALONE, None, ("windows.h", "nvrtl.h")),
    ("before windows.h", MINGW, ALONE, None, ("nvrtl.h", "windows.h")),
    ("after the user-mode SDK", MINGW, ALONE, "user", ("windows.h", "nvrtl.h")),
    ("before the user-mode SDK", MINGW, ALONE, "user", ("nvrtl.h", "windows.h")),
    ("after mingw's ntddk.h", MINGW[:1], DRIVER, None, ("ntddk.h", "nvrtl.h")),
    ("after the kernel SDK", MINGW, ALONE, "kernel", ("ntddk.h", "nvrtl.h")),
)  # fmt: skip


@functools.cache
def driver_folder(compiler):
    """Where mingw-w64 keeps its driver headers: ddk/, beside windows.h."""
    result = subprocess.run(
        [compiler, "-M", "-xc", "-"],
        input="#if __has_include(<windows.h>)\n#include <windows.h>\n#endif\n",
        capture_output=True, text=True, check=True)  # fmt: skip
    headers = [word for word in result.stdout.split() if word.endswith("/windows.h")]
    return Path(headers[0]).parent / "ddk" if headers else ""


def compile_case(root, folder, what, compiler, standard, flags, imitated, includes):
    """A complaint, or None."""
    source = folder / ("case.cpp" if "++" in standard else "case.c")
    lines = [f"#include <{name}>" for name in includes]
    lines += ["#include <stddef.h>", "#include <stdint.h>", '#include "header_facts.h"']
    source.write_text("\n".join(lines) + "\n")
    house = root / "tests/house"
    command = [compiler, f"-std={standard}", "-fsyntax-only"]
    command += ["-isystem", str(house / "include" / imitated)] if imitated else []
    try:
        command += [flag.format(ddk=driver_folder(compiler)) for flag in flags]
        command += [f"-I{root / 'include'}", f"-iquote{house}", str(source)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return f"{compiler} is not installed"
    if result.returncode == 0:
        return None
    return f"{what}, {compiler} -std={standard}:\n{result.stderr}"


def check(root):
    complaints = []
    with tempfile.TemporaryDirectory() as folder:
        for what, compilers, flags, imitated, includes in CASES:
            for compiler, standard in compilers:
                complaints.append(
                    compile_case(
                        root, Path(folder), what, compiler, standard, flags, imitated, includes
                    )
                )
    return [complaint for complaint in complaints if complaint]


if __name__ == "__main__":
    tree.main(check, __doc__)
