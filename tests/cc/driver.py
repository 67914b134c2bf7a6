# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of nvrtl-cc share: the compilers, and a folder to compile in."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = Path(os.environ["NVRTL_CC_PREFIX"]) / os.environ.get("NVRTL_CC_BIN", "bin")
CC, CXX = str(BIN / "nvrtl-cc"), str(BIN / "nvrtl-c++")
COMPILERS = ("gcc", "clang")


def run(command, compiler="gcc", check=True, **options):
    """The process that ran with one of the compilers behind nvrtl-cc."""
    environment = {**os.environ, "NVRTL_CC": compiler,
                   "NVRTL_CXX": {"gcc": "g++", "clang": "clang++"}.get(compiler, compiler)}
    environment.update(options.pop("env", {}))
    result = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
                            env=environment, **options)
    if check and result.returncode != 0:
        raise AssertionError(f"{command}: status {result.returncode}\n{result.stdout}")
    return result


class Case(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def cc(self, *arguments, compiler="gcc", check=True, **options):
        return run([CC, f"-I{HERE}", *arguments], compiler, check, cwd=self.folder, **options)

    def cxx(self, *arguments, compiler="gcc", check=True, **options):
        return run([CXX, f"-I{HERE}", *arguments], compiler, check, cwd=self.folder, **options)

    def output(self, program, *arguments):
        return run([self.folder / program, *arguments], cwd=self.folder).stdout

    def symbols(self, name):
        """What an object refers to and does not define."""
        lines = run(["nm", "-u", self.folder / name]).stdout.split("\n")
        return {line.split()[-1] for line in lines if line.strip()}

    def opaque(self, name):
        """The reasons why an object is marked as opaque."""
        text = run(["readelf", "-p", ".note.nvrtl", self.folder / name], check=False).stdout
        return [line.split("]", 1)[1].strip() for line in text.split("\n")
                if "]" in line and ": " in line.split("]", 1)[1]]
