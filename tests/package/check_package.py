#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Builds and installs as the documentation says, moves the prefix, and uses it in every documented
way: pkg-config, pkg-config --static, find_package, and the command."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONSUMER = ROOT / "tests/package/consumer"
INSTALLED = (
    "include/nvrtl.h", "include/nvrtl_crash.h", "lib/libnvrtl.so", "lib/libnvrtl.so.0",
    "lib/libnvrtl.a", "lib/nvrtl/libnvrtl-rt.so", "lib/pkgconfig/nvrtl.pc",
    "lib/cmake/nvrtl/nvrtl-config.cmake", "bin/nvrtl", "bin/nvrtl-cc", "bin/nvrtl-c++",
    "lib/nvrtl/cc/as", "lib/nvrtl/cc/gcc.specs", "share/nvrtl/nvrtl-report-1.schema.json",
    "share/nvrtl/nvrtl-diff-1.schema.json", "share/doc/nvrtl/LICENSE",
    "share/doc/nvrtl/CHANGELOG.md", "share/bash-completion/completions/nvrtl",
    "share/zsh/site-functions/_nvrtl",
)  # fmt: skip
PAGES = tuple(f"share/man/man{page.suffix[1:]}/{page.name}" for page in (ROOT / "man").iterdir())


class Failure(Exception):
    pass


def run(*command, silent=False, **options):
    """The output; fails on a status other than 0 and, with silent, on anything printed."""
    command = [str(word) for word in command]
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        **options)  # fmt: skip
    if result.returncode != 0 or (silent and result.stdout):
        raise Failure(f"{' '.join(command)}: status {result.returncode}\n{result.stdout}")
    return result.stdout


def install(folder, generator):
    """A prefix that was built, installed and then moved."""
    build, first, prefix = folder / "build", folder / "first", folder / "moved prefix"
    run("cmake", "-S", ROOT, "-B", build, "-G", generator, "-DCMAKE_BUILD_TYPE=Release",
        f"-DCMAKE_INSTALL_PREFIX={first}", "-DNVRTL_TESTS=OFF")  # fmt: skip
    run("cmake", "--build", build, "--parallel", os.cpu_count())
    run("cmake", "--install", build)
    first.rename(prefix)
    shutil.rmtree(build)
    missing = [name for name in INSTALLED + PAGES if not (prefix / name).exists()]
    if missing:
        raise Failure(f"not installed: {missing}")
    for path in prefix.rglob("*"):
        if path.is_file() and path.suffix in (".pc", ".cmake") and str(folder) in path.read_text():
            raise Failure(f"{path.name} names the build machine's folders")
    return prefix


def use_pkg_config(folder, prefix):
    packages = prefix / "lib/pkgconfig"
    environment = {**os.environ, "PKG_CONFIG_PATH": str(packages)}
    build = ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", str(CONSUMER / "consumer.c"), "-o"]

    def flags(*options):
        # Spaces in the prefix come escaped; this is what a shell does with them.
        text = run("pkg-config", *options, "--cflags", "--libs", "nvrtl", env=environment)
        return text.strip().replace("\\ ", "\0").split()

    def compile_and_run(name, *options):
        words = [word.replace("\0", " ") for word in flags(*options)]
        extra = ["-static"] if "--static" in options else []
        run(*build, folder / name, *extra, *words, silent=True)
        library_path = {**os.environ, "LD_LIBRARY_PATH": str(prefix / "lib")}
        run(folder / name, folder / f"{name}.nv", env=None if extra else library_path)

    compile_and_run("dynamic")
    compile_and_run("static", "--static")


def use_cmake(folder, prefix):
    build = folder / "consumer"
    run("cmake", "-S", CONSUMER, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", build)
    run("ctest", "--output-on-failure", "--no-tests=error", cwd=build)


def use_compilers(folder, prefix):
    """nvrtl-cc with each compiler: what it makes has call-outs, and the audit finds them."""
    for compiler in ("gcc", "clang"):
        target = folder / f"{compiler}.o"
        run(prefix / "bin/nvrtl-cc", f"-I{prefix}/include", "-c", CONSUMER / "consumer.c", "-o",
            target, env={**os.environ, "NVRTL_CC": compiler}, silent=True)  # fmt: skip
        run(prefix / "bin/nvrtl-c++", "--audit", target)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generator", default="Unix Makefiles")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            prefix = install(folder, options.generator)
            use_pkg_config(folder, prefix)
            use_cmake(folder, prefix)
            use_compilers(folder, prefix)
            run(prefix / "bin/nvrtl", "--version")
        except Failure as failure:
            sys.exit(str(failure))


if __name__ == "__main__":
    main()
