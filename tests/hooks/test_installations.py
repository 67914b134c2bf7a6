#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Programs that one installation has built and another one's command runs: their hooks tell a
runtime that is not the command's own, and what it finds is told all the same. And plugins with
hooks that come when tokens are there already."""

import os
import shutil
import subprocess
import unittest

from programs import BEGIN, DRIVERS, LIBRARY, NVRTL, ProgramsCase, compiler_of

PROGRAM = BEGIN + """
int main(int count, char **arguments) {
    long *base = begin(arguments[1]);
    base[0] = 1; /* blamed */
    if (count < 3)
        RtlFlushNonVolatileMemory(map.token, base, 8, 0);
    return NvRtlUnmapFile(&map) != 0;
}
"""

# The program has no hooks. What it loads by itself has, and nobody else sees that one's runtime.
HOST = "#define _GNU_SOURCE" + BEGIN + "#include <string.h>" + """
int main(int count, char **arguments) {
    int space = strcmp(arguments[3], "space") == 0, late = strcmp(arguments[3], "late") == 0;
    long *base = late ? begin(arguments[1]) : NULL;
    void *plugin = space ? dlmopen(LM_ID_NEWLM, arguments[2], RTLD_NOW)
                         : dlopen(arguments[2], RTLD_NOW | RTLD_LOCAL);
    void (*store)(long *, long) = plugin ? (void (*)(long *, long))dlsym(plugin, "store") : NULL;
    base = late ? base : begin(arguments[1]);
    if (store == NULL)
        return 8;
    store(base, 7);
    if (count < 5)
        RtlFlushNonVolatileMemory(map.token, base, 8, 0);
    return NvRtlUnmapFile(&map) != 0;
}
"""

PLUGIN = """
void store(long *at, long value) {
    *at = value; /* blamed */
}
"""


class InstallationsTest(ProgramsCase):
    def setUp(self):
        super().setUp()
        other = self.path("other")
        shutil.copytree(DRIVERS, os.path.join(other, "bin"), symlinks=True)
        shutil.copytree(os.path.dirname(LIBRARY), os.path.join(other, "lib"), symlinks=True)
        self.other = os.path.join(other, "bin", os.path.basename(NVRTL))

    def check_finding(self, source, *program, command=None):
        command = command or self.other
        report, result = self.run_nvrtl(*program, command=command)
        self.assertEqual((report["findings"], result.returncode), ([], 0), result.stdout)
        report, result = self.run_nvrtl(*program, "wrong", command=command)
        self.assertEqual([finding["kind"] for finding in report["findings"]], ["unflushed-write"],
                         result.stdout)
        self.assertEqual(result.returncode, 1)
        with open(self.path(source), encoding="ascii") as text:
            line = next(number for number, code in enumerate(text, 1) if "blamed" in code)
        self.assertEqual(report["findings"][0]["at"]["line"], line)

    def plugin(self):
        source = self.path("plugin.c")
        with open(source, "w", encoding="ascii") as file:
            file.write(PLUGIN)
        command, environment = compiler_of("gcc")
        subprocess.run([*command, "-g", "-O2", "-fPIC", "-shared", source, "-o",
                        self.path("plugin.so"),
                        f"-Wl,-rpath,{os.path.join(os.path.dirname(LIBRARY), 'nvrtl')}"],
                       env=environment, check=True)
        return self.path("plugin.so")

    def test_program(self):
        program = self.build("program", PROGRAM, *compiler_of("gcc"))
        self.check_finding("program.c", program, self.path("file"))

    def test_plugin(self):
        program = self.build("host", HOST, ["gcc"])
        plugin = self.plugin()
        for when in ("early", "late"):
            for command in (self.other, NVRTL):
                self.check_finding("plugin.c", program, self.path("file"), plugin, when,
                                   command=command)

    def test_two_runtimes_are_not_clean(self):
        program = self.build("host", HOST, ["gcc"])
        report, result = self.run_nvrtl(program, self.path("file"), self.plugin(), "space", "wrong",
                                        command=self.other)
        self.assertTrue(report["incomplete"], result.stdout)
        self.assertEqual(report["findings"], [])
        self.assertIn("1 process has two libnvrtl-rt.so", " ".join(report["remarks"]))
        self.assertEqual(result.returncode, 125)

    def test_other_versions_are_not_clean(self):
        """A run's memory begins with the name of its form: here as if the other one had another."""
        for folder, _, names in os.walk(self.path("other")):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    content = file.read()
                with open(path, "wb") as file:
                    file.write(content.replace(b"nvrtl-a", b"nvrtl-z"))
        program = self.build("program", PROGRAM, *compiler_of("gcc"))
        report, result = self.run_nvrtl(program, self.path("file"), "wrong", command=self.other)
        self.assertTrue(report["incomplete"], report["remarks"])
        self.assertIn("1 process has two libnvrtl-rt.so", " ".join(report["remarks"]))
        self.assertEqual(result.returncode, 125)


if __name__ == "__main__":
    unittest.main()
