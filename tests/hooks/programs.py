# SPDX-License-Identifier: BSD-2-Clause
"""Programs that tests write, build with hooks and run under the verifier."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

NVRTL = os.environ.get("NVRTL_BIN", "nvrtl")
INCLUDE = os.environ.get("NVRTL_INCLUDE", "/usr/include")
LIBRARY = os.environ.get("NVRTL_LIBRARY", "libnvrtl.so")
DRIVERS = os.path.dirname(NVRTL)

BEGIN = """
#include <nvrtl.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
static NvRtlMapping map;
static long *begin(const char *path) {
    if (NvRtlMapFile(path, 0, 65536, NVRTL_MAP_CREATE, 0600, &map) != 0)
        exit(9);
    return (long *)map.base;
}
"""


def compiler_of(name):
    """What builds with hooks by this compiler."""
    driver = "nvrtl-c++" if name.endswith("++") else "nvrtl-cc"
    variable = "NVRTL_CXX" if name.endswith("++") else "NVRTL_CC"
    return [os.path.join(DRIVERS, driver)], dict(os.environ, **{variable: name})


class ProgramsCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nvrtl-test-", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def build(self, name, text, command, environment=None, flags=(), library=LIBRARY):
        source = self.path(name + (".cc" if "throw" in text else ".c"))
        with open(source, "w", encoding="ascii") as file:
            file.write(text)
        subprocess.run([*command, "-g", "-O2", f"-I{INCLUDE}", source, "-o", self.path(name),
                        library, f"-Wl,-rpath,{os.path.dirname(LIBRARY)}", *flags],
                       env=environment, check=True)
        return self.path(name)

    def run_nvrtl(self, *program, options=(), environment=None, command=NVRTL):
        """The report, and what was printed."""
        out = tempfile.mkdtemp(dir=self.folder)
        result = subprocess.run([command, "run", "--report=text,json", f"--output={out}", *options,
                                 "--", *program], env=environment, capture_output=True, text=True,
                                check=False)
        with open(os.path.join(out, "report.json"), encoding="utf-8") as file:
            return json.load(file), result
