#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nvrtl-cc --audit: functions without call-outs, and what is opaque, in all that can be linked."""

import unittest

import driver

STORES = "void stores(int *p) { *p = 1; }\n"
SILENT = "int silent(int a) { return a + 1; }\n"
PLAIN = "void plain(int *p) { *p = 2; }\n"
MAIN = ("void stores(int *p); void plain(int *p);\n"
        "int main(void) { int a; stores(&a); plain(&a); return a - 2; }\n")  # fmt: skip


class AuditTest(driver.Case):
    def audit(self, *names):
        result = driver.run([driver.CC, "--audit", *names], check=False, cwd=self.folder)
        return result.returncode, result.stdout

    def build(self, compiler):
        self.write("stores.c", STORES + SILENT)
        self.write("plain.c", PLAIN)
        self.write("main.c", MAIN)
        self.cc("-O1", "-c", "stores.c", "main.c", compiler=compiler)
        driver.run(["gcc", "-O1", "-fPIC", "-c", "plain.c"], cwd=self.folder)

    def test_objects_and_programs(self):
        for compiler in driver.COMPILERS:
            self.build(compiler)
            self.assertEqual(
                self.audit("stores.o"),
                (0, "stores.o: 2 functions: 1 with call-outs, 1 with nothing to tell, 0 without\n"))
            self.assertEqual(
                self.audit("plain.o"),
                (1, "plain.o: 1 functions: 0 with call-outs, 0 with nothing to tell, 1 without\n"
                 "  without  plain\n"))
            self.cc("main.o", "stores.o", "plain.o", "-o", "program", compiler=compiler)
            self.assertEqual(
                self.audit("program"),
                (1, "program: 4 functions: 2 with call-outs, 1 with nothing to tell, 1 without\n"
                 "  without  plain\n"))

    def test_ways_of_linking(self):
        """Calls lead to the runtime by several ways."""
        for compiler in driver.COMPILERS:
            self.build(compiler)
            for options in (["-Wl,-z,lazy"], ["-Wl,-z,now"], ["-no-pie"],
                            ["-fcf-protection=full", "-Wl,-z,ibtplt"], ["-fno-plt"]):
                self.cc("-O1", *options, "main.c", "stores.c", "plain.o", "-o", "program",
                        compiler=compiler)
                self.assertIn(" 2 with call-outs, 1 with nothing to tell, 1 without\n",
                              self.audit("program")[1], f"{compiler} {options}")

    def test_archives_and_libraries(self):
        self.build("gcc")
        driver.run(["ar", "rc", "both.a", "stores.o", "plain.o"], cwd=self.folder)
        status, text = self.audit("both.a")
        self.assertEqual(status, 1)
        self.assertIn("both.a(stores.o): 2 functions: 1 with", text)
        self.assertIn("both.a(plain.o): 1 functions: 0 with", text)
        self.cc("-shared", "-fPIC", "-O1", "stores.c", "-o", "lib.so")
        self.assertIn(": 2 functions: 1 with call-outs, 1 with nothing to tell, 0 without\n",
                      self.audit("lib.so")[1])

    def test_opaque(self):
        self.write("save.c", 'void f(char *p) { __asm__ volatile("xsave %0" : "+m"(*p)'
                   ' : "a"(0), "d"(0)); }\n')
        self.cc("-c", "save.c")
        status, text = self.audit("save.o")
        self.assertEqual(status, 1)
        self.assertRegex(text, r"\n  opaque   save\.c:1: a store of what only the CPU knows: xsave")

    def test_stripped(self):
        self.build("gcc")
        self.cc("main.o", "stores.o", "plain.o", "-s", "-o", "program")
        self.assertRegex(self.audit("program")[1],
                         r"^program: names no functions; [1-9]\d* calls of call-outs\n$")

    def test_what_it_cannot_read(self):
        self.write("text", "no object\n")
        self.assertEqual(self.audit("text")[0], 2)
        self.assertEqual(self.audit("missing")[0], 2)
        self.assertEqual(self.audit()[0], 2)


if __name__ == "__main__":
    unittest.main()
