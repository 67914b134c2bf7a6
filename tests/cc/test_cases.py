#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each class of stores, flushes and fences reaches the runtime once, with its bytes: by call-outs
of the compiler or of the assembler step, whatever the compiler and the optimisation."""

import re
import unittest
from concurrent.futures import ThreadPoolExecutor

import driver

BASE = 1024  # cases.c hands this place of what is watched to each case

# What is told, in order: bytes that one kind tells one after the other stand together.
EXPECTED = {
    "integers": "store 0+1 2+18", "structure": "store 0+48", "cleared": "store 0+48",
    "bits": "store 0+4", "bit_run": "store 8+4|store 8+8|store 0+24",
    "floats": "store 0+4 8+8", "branches": "store 12+4 64+28",
    "atomics": "atomic 0+4; atomic fence", "long_double": "store 0+16|store 0+10",
    "vector_16": "store 1+16", "vector_32": "store 0+32", "vector_64": "store 0+64",
    "halves": "store 0+16", "stream_4": "stream 0+4", "stream_8": "stream 0+8",
    "stream_16": "stream 0+16", "stream_ps": "stream 0+16", "mask_bytes": "stream 0+2 5+1 15+1",
    "flushes": "flush/1 5+0; fence/1; fence/2", "flush_opt": "flush/2 64+0",
    "flush_clwb": "flush/3 128+0", "avx_store": "store 4+32", "avx_stream": "stream 0+32",
    "avx_mask": "store 4+8 16+4 28+4 64+8 88+8", "avx_half": "store 0+16",
    "wide_store": "store 3+64", "wide_stream": "stream 0+64",
    "wide_mask": "store 0+12 32+4 60+5 72+3 124+12 144+8 200+8",
    "wide_compress": "store 4+12",
    "wide_scatter": "store 4+8 16+4 24+4 512+8 528+8 544+8 560+8 576+8 592+8 608+8 624+8",
    "wide_narrow": "store 0+4 8+8 32+32", "direct": "direct 0+4 8+8 64+64",
    "clear_line": "clzero 0+64",
    "locked": "locked 0+16; locked/1 16+8",
    "spelled": "flush/2 64+0; flush/3 128+0; flush/3 192+0; fence/1",
    "by_hand": "store 0+9; stream 16+8 28+4",
    "strings": "store 0+28 64+7 112+24 192+2",
    "intel": "store 4+4; stream 32+4; locked 16+8; flush/1 0+0",
}  # fmt: skip


def together(events):
    """The ranges of one kind, merged; a byte that is told twice stands out as "twice"."""
    merged = []
    for start, length in sorted(events):
        if merged and length and merged[-1][0] + merged[-1][1] > start:
            return f"twice {start}"
        if merged and length and merged[-1][0] + merged[-1][1] == start:
            merged[-1][1] += length
        else:
            merged.append([start, length])
    return " ".join(f"{start}+{length}" for start, length in merged)


def summarise(lines):
    parts, ranges, kind = [], [], None

    def close():
        if ranges:
            parts.append(f"{kind} {together(ranges)}")
        ranges.clear()

    for line in lines:
        match = re.fullmatch(r"(\S+) (-?\d+)\+(\d+)", line)
        if match is None or match.group(1) != kind or match.group(3) == "0":
            close()
        if match is None:
            parts.append(line)
            kind = None
        else:
            kind = match.group(1)
            ranges.append((int(match.group(2)) - BASE, int(match.group(3))))
    close()
    return "; ".join(parts)


def read(output):
    """What was told of each case; and the cases that this CPU cannot run."""
    cases, skipped = {}, []
    for line in output.strip().split("\n"):
        match = re.fullmatch(r"(\w+):( not run)?", line)
        if match:
            lines = cases.setdefault(match.group(1), [])
            if match.group(2):
                skipped.append(match.group(1))
        else:
            lines.append(line)
    return {name: summarise(lines) for name, lines in cases.items()}, skipped


class CasesTest(driver.Case):
    def check(self, compiler, *options):
        name = "-".join(["cases", compiler, *options])
        source = driver.HERE / "cases.c"
        self.cc("-Werror", *options, source, "-o", name, compiler=compiler)
        told, skipped = read(self.output(name))
        self.assertEqual(set(told), set(EXPECTED))
        for case, expected in EXPECTED.items():
            if case not in skipped:
                self.assertIn(told[case], expected.split("|"), f"{name}: {case}")
        return skipped

    def check_all(self, *variants):
        """Of each compiler and variant; what is not run is told as a skip at the end."""
        with ThreadPoolExecutor(2) as pool:
            skipped = list(pool.map(lambda variant: self.check(*variant), variants))
        if skipped[0]:
            self.skipTest(f"not run, the CPU lacks it: {', '.join(skipped[0])}")

    def test_optimisations(self):
        self.check_all(*((compiler, option) for compiler in driver.COMPILERS
                         for option in ("-O0", "-O2", "-O3")))

    def test_wide_code(self):
        """With vectors of 64 bytes for everything."""
        probe = self.write("probe.c", "int main(void) { return !__builtin_cpu_supports("
                           '"avx512vl"); }\n')
        self.cc(probe, "-o", "probe")
        if driver.run([self.folder / "probe"], check=False).returncode != 0:
            self.skipTest("the CPU has no AVX-512")
        self.check_all(*((compiler, "-O3", "-march=x86-64-v4", "-mprefer-vector-width=512")
                         for compiler in driver.COMPILERS))

    def test_direct_stores_are_seen(self):
        """Whether or not this CPU can run them."""
        source = self.write("direct.c", "#include <immintrin.h>\n"
                            "void f(void *to, void *from) { _movdir64b(to, from); }\n"
                            "void g(void *to) { _directstoreu_u64(to, 1); }\n")
        for compiler in driver.COMPILERS:
            self.cc("-O2", "-mmovdiri", "-mmovdir64b", "-c", source, compiler=compiler)
            code = driver.run(["objdump", "-d", self.folder / "direct.o"]).stdout
            # Kind 5, the whole of 64 and of 8 bytes.
            self.assertIn("$0x400105,(%rsp)", code)
            self.assertIn("$0x80105,(%rsp)", code)
            self.assertRegex(code, r"movdir64b \(%r..\),%r..")


class RegistersTest(driver.Case):
    def test_nothing_changes(self):
        sources = [driver.HERE / "registers.c", driver.HERE / "registers.S"]
        for compiler in driver.COMPILERS:
            self.cc("-O1", *sources, "-o", compiler, compiler=compiler)
            output = self.output(compiler)
            self.assertTrue(output.endswith("kept\n"), output)
            self.assertEqual(output.count("stream 0+8\n"), 4)
            self.assertEqual(self.opaque(compiler), [])
        if "not run" in output:
            self.skipTest("the CPU has no AVX-512: its registers were not compared")


if __name__ == "__main__":
    unittest.main()
