#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Correct programs, of which the verifier says nothing, by whatever source it looks: a lock-free
queue, a B-tree, two views and two processes of one file, the example store."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NVRTL = os.environ.get("NVRTL_BIN", "nvrtl")
LIBRARY = os.environ.get("NVRTL_LIBRARY", "libnvrtl.so")
WORDS = [f"word-{i * 7919 % 1000}" for i in range(300)]


class SilentTest(unittest.TestCase):
    def setUp(self):
        shared = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None
        self.folder = tempfile.mkdtemp(prefix="nvrtl-silent-", dir=shared)
        self.addCleanup(shutil.rmtree, self.folder)

    def build(self, compiler, level, source):
        made = os.path.join(self.folder, f"{source.stem}-{compiler}-{level}")
        subprocess.run([os.path.join(os.path.dirname(NVRTL), "nvrtl-cc"), "-std=gnu11",
                        "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", f"-{level}", "-g",
                        f"-I{ROOT}/include", f"-I{HERE}/programs", str(source), "-o", made, LIBRARY,
                        f"-Wl,-rpath,{os.path.dirname(LIBRARY)}", "-pthread"],
                       env=dict(os.environ, NVRTL_CC=compiler), check=True)
        return made

    def run_nvrtl(self, stores, *program, domain="volatile!"):
        output = tempfile.mkdtemp(dir=self.folder)
        result = subprocess.run(
            [NVRTL, "run", f"--stores={stores}", "--report=text,json", f"--output={output}", "--",
             *program], env=dict(os.environ, NVRTL_DOMAIN=domain), check=False, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        with open(os.path.join(output, "report.json"), encoding="utf-8") as file:
            report = json.load(file)
        told = [one for one in report["findings"] if one["severity"] in ("error", "warning")]
        self.assertEqual((report["exit"], told), (0, []), result.stderr)
        self.assertEqual(result.returncode, 0, result.stderr)

    def each_way(self, source, *arguments):
        for way in (("gcc", "O2"), ("clang", "O3"), ("gcc", "O0")):
            program = self.build(*way, source)
            for stores in "hooks", "api", "pages":
                with self.subTest(way=way, stores=stores):
                    work = tempfile.mkdtemp(dir=self.folder)
                    self.run_nvrtl(stores, program, *(one.format(work) for one in arguments))

    def test_queue(self):
        self.each_way(HERE / "silent/queue.c", "{}")

    def test_btree(self):
        self.each_way(HERE / "silent/btree.c", "{}")

    def test_views(self):
        self.each_way(HERE / "silent/views.c", "{}")

    def test_wordstore(self):
        words = os.path.join(self.folder, "words")
        with open(words, "w", encoding="ascii") as file:
            file.write("\n".join(WORDS) + "\n")
        self.each_way(ROOT / "examples/wordstore/wordstore.c", "{}/store", "load", words)


if __name__ == "__main__":
    unittest.main()
