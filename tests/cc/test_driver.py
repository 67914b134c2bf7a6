#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nvrtl-cc in the place of a compiler: what build systems ask of it, and what it refuses."""

import os
import shutil
import subprocess
import unittest

import driver

HELLO = """#include <stdio.h>
int global;
int main(int argc, char **argv) {
    global = argc;
#ifdef __SANITIZE_THREAD__
    puts("changed");
#endif
    printf("hello %s\\n", argc > 1 ? argv[1] : GREETING);
    return 0;
}
"""
THROWING = """#include <cstdio>
#include <stdexcept>
#include <string>
struct Base { virtual ~Base() {} virtual int value() { return 1; } };
struct Derived : Base { int number; Derived() : number(3) {} int value() { return number; } };
__attribute__((noinline)) void at(int step) {
    asm volatile("sfence" ::: "memory");
    if (step > 2) throw std::runtime_error("thrown " + std::to_string(step));
}
int main() {
    try { for (int i = 0;; i++) at(i); } catch (const std::exception &error) { puts(error.what()); }
    Derived derived; Base *base = &derived; printf("%d\\n", base->value());
    return 0;
}
"""


class BuildTest(driver.Case):
    def setUp(self):
        super().setUp()
        self.write("hello.c", HELLO)

    def test_ways_to_compile(self):
        for compiler in driver.COMPILERS:
            def build(*arguments, compiler=compiler, **options):
                self.cc(*arguments, compiler=compiler, **options)
                self.assertEqual(self.output("hello", "you"), "hello you\n", arguments)
                self.assertIn("__tsan_func_entry", self.symbols("hello"), arguments)
                (self.folder / "hello").unlink()

            define = "-DGREETING=\"x\""
            build(define, "hello.c", "-o", "hello")
            build("-O2", "-pipe", define, "hello.c", "-o", "hello")
            build("-O2", "-flto", define, "hello.c", "-o", "hello")
            build("-g0", "-fomit-frame-pointer", "-O3", define, "hello.c", "-o", "hello")
            build("-fsanitize=undefined", define, "hello.c", "-o", "hello")
            self.cc(define, "-S", "hello.c", compiler=compiler)
            self.cc("-c", "hello.s", compiler=compiler)
            build("hello.o", "-o", "hello")
            self.write("options", f"-O1 '{define}' \"hello.c\" -o hel\\lo\n")
            build("@options")
            self.cc(define, "-E", "hello.c", "-o", "hello.i", compiler=compiler)
            build("hello.i", "-o", "hello")
            with open(self.folder / "hello.c") as source:
                build("-x", "c", define, "-", "-o", "hello", stdin=source)
            self.cc("-r", define, "hello.c", "-o", "part.o", compiler=compiler)
            build("part.o", "-o", "hello")
            self.write("one.c", "int one(int *p) { return *p = 1; }\n")
            self.cc("-c", define, "hello.c", "one.c", compiler=compiler)
            build("hello.o", "one.o", "-o", "hello")

    def test_lines_are_known(self):
        """Builds that ask for no debug information are told of by line all the same."""
        for compiler in driver.COMPILERS:
            for options in ((), ("-g0",), ("-g", "-g0"), ("-ggdb0", "-O2"), ("-g0", "-g1")):
                self.cc(*options, "-DGREETING=\"x\"", "-c", "hello.c", compiler=compiler)
                sections = subprocess.run(["readelf", "-S", "-W", self.folder / "hello.o"],
                                          check=True, capture_output=True, text=True).stdout
                self.assertIn(".debug_line", sections, (compiler, options))

    def test_link_time_optimisation_is_off(self):
        """Or the objects would hold no call-out, and the link would not add them."""
        for compiler in driver.COMPILERS:
            for option in ("-flto", "-flto=auto" if compiler == "gcc" else "-flto=thin"):
                self.cc("-O2", option, "-DGREETING=1", "-c", "hello.c", compiler=compiler)
                self.assertIn("__tsan_write4", self.symbols("hello.o"))

    def test_preprocessor(self):
        for compiler in driver.COMPILERS:
            text = self.cc("-E", "-DGREETING=1", "hello.c", compiler=compiler).stdout
            self.assertNotIn("changed", text)
            self.assertRegex(self.cc("-M", "-DGREETING=1", "hello.c", compiler=compiler).stdout,
                             r"^hello\.o: hello\.c")
            self.cc("-MMD", "-MF", "deps", "-DGREETING=1", "-c", "hello.c", compiler=compiler)
            self.assertRegex((self.folder / "deps").read_text(), r"^hello\.o: hello\.c")

    def test_headers(self):
        """Are precompiled, by their name or by -x, and not linked."""
        self.write("greeting.h", '#define GREETING "you"\n')
        self.write("greeting", '#define GREETING "all"\n')
        for compiler, ending in (("gcc", "gch"), ("clang", "pch")):
            for header, options in (("greeting.h", []), ("greeting", ["-x", "c-header"]),
                                    ("greeting", ["-xc-header"])):
                made = f"{header}.{ending}"
                self.cc(*options, header, "-o", made, compiler=compiler)
                self.assertGreater((self.folder / made).stat().st_size, 1000)
                self.cc("-include", header, "hello.c", "-o", "hello", compiler=compiler)
                self.assertIn("__tsan_func_entry", self.symbols("hello"))
                (self.folder / made).unlink()
            self.cc("-x", "c-header", "-x", "none", "-include", "greeting.h", "hello.c", "-o",
                    "hello", compiler=compiler)
            self.assertEqual(self.output("hello"), "hello you\n")

    def test_questions(self):
        """Are the compiler's to answer, in its own words."""
        for compiler in driver.COMPILERS:
            for question in ("--version", "-dumpversion", "-dumpmachine", "-print-search-dirs",
                             "-print-prog-name=ld", "-v"):
                # -I of the others is no input either.
                ours = driver.run([driver.CC, question], compiler).stdout
                self.assertEqual(ours, driver.run([compiler, question]).stdout)
        self.assertIn("--audit", driver.run([driver.CC, "--help"]).stdout)

    def test_exceptions(self):
        self.write("throw.cc", THROWING)
        for compiler in driver.COMPILERS:
            for option in ("-O0", "-O2"):
                self.cxx(option, "throw.cc", "-o", "throw", compiler=compiler)
                self.assertEqual(self.output("throw"), "thrown 3\n3\n")

    def test_libraries(self):
        """Are linked with the runtime, and work in a program that was built without."""
        self.write("lib.c", "int answer(int *p) { return *p = 42; }\n")
        self.write("use.c", "int answer(int *p);\n"
                   "int main(void) { int a; return answer(&a) - 42; }\n")
        for compiler in driver.COMPILERS:
            self.cc("-shared", "-fPIC", "lib.c", "-o", "libanswer.so", compiler=compiler)
            needed = driver.run(["readelf", "-d", self.folder / "libanswer.so"]).stdout
            self.assertIn("[libnvrtl-rt.so]", needed)
            driver.run(["gcc", "use.c", "-L.", "-lanswer", "-Wl,-rpath,.", "-o", "use"],
                       cwd=self.folder)
            self.output("use")

    def refused(self, *arguments, **options):
        result = self.cc(*arguments, check=False, **options)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertRegex(result.stdout, r"^nvrtl-cc: .*\n$")
        return result.stdout

    def test_refusals(self):
        for compiler in driver.COMPILERS:
            for option, word in (("-static", "static"), ("-static-pie", "static"),
                                 ("-fsanitize=address", "sanitizers"),
                                 ("-fsanitize=undefined,leak", "sanitizers"),
                                 ("-fsanitize=thread", "sanitizers"), ("-m32", "64-bit"),
                                 ("-fno-sanitize=all", "plain compiler"),
                                 ("--target=aarch64-linux-gnu", "64-bit")):
                self.assertIn(word, self.refused(option, "hello.c", compiler=compiler))
            self.write("options", "-static")
            self.refused("hello.c", "@options", compiler=compiler)
            self.cc("-static", "-DGREETING=1", "-c", "hello.c", compiler=compiler)  # nothing linked
        self.assertIn("no such compiler", self.refused("hello.c", compiler="no-such-compiler"))
        self.assertIn("or it is this one", self.refused("hello.c", compiler=driver.CC))
        copy = self.folder / "copy"
        shutil.copy(driver.CC, copy)
        self.assertIn("itself", self.cc("hello.c", compiler=str(copy), check=False).stdout)

    def test_incomplete_installation(self):
        """Another assembler in place of the step would leave things out without a word."""
        shutil.copytree(driver.BIN.parent, self.folder / "prefix", symlinks=True)
        for path in (self.folder / "prefix").glob("**/cc/as"):
            path.unlink()
        program = self.folder / "prefix" / driver.BIN.name / "nvrtl-cc"
        result = driver.run([program, "-c", "hello.c"], check=False, cwd=self.folder)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, "^nvrtl-cc: .*not installed completely\n$")

    def test_errors_are_the_compilers(self):
        for compiler in driver.COMPILERS:
            result = self.cc("-nonsense", "hello.c", compiler=compiler, check=False)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn("-nonsense", result.stdout)

    def test_compiler_with_a_wrapper(self):
        wrapper = self.write("wrapper", '#!/bin/sh\necho wrapped\nexec "$@"\n')
        wrapper.chmod(0o755)
        result = self.cc("-DGREETING=\"x\"", "-c", "hello.c", compiler=f"{wrapper} gcc")
        self.assertEqual(result.stdout, "wrapped\n")


class SystemsTest(driver.Case):
    """Build systems find out that it is gcc or clang."""

    def test_make(self):
        self.write("hello.c", HELLO)
        self.write("Makefile", "CFLAGS = -O1 '-DGREETING=\"x\"'\nhello: hello.o\n")
        for compiler in driver.COMPILERS:
            driver.run(["make", "-s", f"CC={driver.CC}"], compiler, cwd=self.folder)
            self.assertEqual(self.output("hello"), "hello x\n")
            driver.run(["rm", "hello", "hello.o"], cwd=self.folder)

    def test_probes_of_configure(self):
        """What autoconf's scripts compile to find things out."""
        self.write("conftest.c", "int main(void) { return 0; }\n")
        self.write("fails.c", "char no_such_function(void);\n"
                   "int main(void) { return no_such_function(); }\n")
        self.write("size.c", "int main(void) { static int a[1 - 2 * !(sizeof(long) == 8)];\n"
                   "  a[0] = 0; return a[0]; }\n")
        self.write("gnu.c", "#ifndef __GNUC__\n#error no\n#endif\n")
        self.write("warns.c", "#warning one\nint a;\n")
        for compiler in driver.COMPILERS:
            self.assertEqual(self.cc("conftest.c", compiler=compiler).stdout, "")
            driver.run([self.folder / "a.out"])
            self.assertNotEqual(self.cc("fails.c", compiler=compiler, check=False).returncode, 0)
            self.cc("-c", "size.c", "gnu.c", compiler=compiler)
            self.assertNotEqual(self.cc("-Werror", "-c", "warns.c", compiler=compiler,
                                        check=False).returncode, 0)
            self.assertEqual(self.cc("-Werror", "-Wall", "conftest.c", "-lm", compiler=compiler)
                             .stdout, "")

    def test_cmake(self):
        self.write("hello.c", HELLO)
        self.write("throw.cc", THROWING)
        self.write("code.S", "f: sfence\n ret\n .section .note.GNU-stack, \"\", @progbits\n")
        self.write("CMakeLists.txt",
                   "cmake_minimum_required(VERSION 3.22)\nproject(hello C CXX ASM)\n"
                   "include(CheckCCompilerFlag)\ncheck_c_compiler_flag(-fnonsense NONSENSE)\n"
                   "check_c_compiler_flag(-fno-math-errno KNOWN)\n"
                   "if(NONSENSE OR NOT KNOWN)\n message(FATAL_ERROR flags)\nendif()\n"
                   "add_executable(hello hello.c code.S)\nadd_executable(throw throw.cc)\n"
                   "target_compile_definitions(hello PRIVATE GREETING=\"x\")\n")
        for compiler, identity in zip(driver.COMPILERS, ("GNU", "Clang")):
            environment = {"CC": driver.CC, "CXX": driver.CXX}
            text = driver.run(["cmake", "-S", ".", "-B", compiler, "-G", "Ninja"], compiler,
                              env=environment, cwd=self.folder).stdout
            self.assertIn(f"The C compiler identification is {identity}", text)
            self.assertIn(f"The CXX compiler identification is {identity}", text)
            driver.run(["cmake", "--build", compiler, "-j2"], compiler, cwd=self.folder)
            self.assertEqual(self.output(f"{compiler}/hello"), "hello x\n")
            self.assertEqual(self.output(f"{compiler}/throw"), "thrown 3\n3\n")


if __name__ == "__main__":
    os.environ.pop("NVRTL_AS", None)
    unittest.main()
