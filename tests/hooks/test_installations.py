#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Programs that one installation has built and another one's command runs: their hooks tell a
runtime that is not the command's own, and what it finds is told all the same."""

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
HOST = BEGIN + """
int main(int count, char **arguments) {
    void *plugin = atoi(arguments[3]) ? dlmopen(LM_ID_NEWLM, arguments[2], RTLD_NOW)
                                      : dlopen(arguments[2], RTLD_NOW | RTLD_LOCAL);
    void (*store)(long *, long) = plugin ? (void (*)(long *, long))dlsym(plugin, "store") : NULL;
    long *base = begin(arguments[1]);
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

    def check_finding(self, source, *program):
        report, result = self.run_nvrtl(*program, command=self.other)
        self.assertEqual((report["findings"], result.returncode), ([], 0), result.stdout)
        report, result = self.run_nvrtl(*program, "wrong", command=self.other)
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
        program = self.build("host", "#define _GNU_SOURCE" + HOST, ["gcc"])
        self.check_finding("plugin.c", program, self.path("file"), self.plugin(), "0")

    def test_two_runtimes_are_not_clean(self):
        program = self.build("host", "#define _GNU_SOURCE" + HOST, ["gcc"])
        report, result = self.run_nvrtl(program, self.path("file"), self.plugin(), "1", "wrong",
                                        command=self.other)
        self.assertTrue(report["incomplete"], result.stdout)
        self.assertEqual(report["findings"], [])
        self.assertIn("1 process has two libnvrtl-rt.so", " ".join(report["remarks"]))
        self.assertEqual(result.returncode, 125)


if __name__ == "__main__":
    unittest.main()
