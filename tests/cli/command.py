# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of the command share: where it is, how to run it, a folder to work in."""

import os
import shutil
import subprocess
import tempfile
import unittest

NVRTL = os.environ.get("NVRTL_BIN", "nvrtl")


def run(*arguments, program=NVRTL, **options):
    """Runs the command to its end; standard output and error are text unless they are given."""
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([program, *map(str, arguments)], text=True, check=False, **options)


def is_memory(path):
    """Does path lie on a filesystem in memory, where nothing can be durable?"""
    result = subprocess.run(["stat", "-f", "-c", "%T", path], stdout=subprocess.PIPE, text=True,
                            check=True)
    return result.stdout.strip() in ("tmpfs", "ramfs")


class FolderTest(unittest.TestCase):
    """A test with an empty folder of its own, self.folder."""

    parent = os.environ.get("NVRTL_TEST_DIR")  # None: the system's folder for such

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nvrtl-test-", dir=self.parent)
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content, mode=0o644):
        """Makes the file with these bytes; returns its path."""
        with open(self.path(name), "wb") as file:
            file.write(content)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def assert_fails(self, result, status, *words):
        """It failed as expected, silent on standard output, and said these words."""
        self.assertEqual((result.returncode, result.stdout), (status, ""), result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)

    def assert_silent(self, result):
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
