#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nvrtl trace: both forms of a trace hold the same events, nothing that is read is trusted, and the
logs of pmemcheck can be read."""

import os
import unittest

from command import FolderTest, run

EVERYTHING = r"""nvrtl-trace-text/1
model arm streams=inplace direct64=atomic stable-pages
cpu GenuineIntel 6 143
order hb
region 1 size 4096 line 64 domain memory at 0x7f0000000000 path /a path/with \x23 and \\x41\x20
region 7 size 100 line 64 domain page-cache
base 1 0x0 4 01020304
stack 3 append ledger.c:38; main ledger.c:74
1 store 1 0x40 8 1122334455667788 @3
1 copy 1 0x100 24 0102030405060708090a0b0c0d0e0f101112131415161718
65535 stream 1 0x80 8 0100000000000000
1 direct 7 0x20 8 0200000000000000
1 flush 1 0x40 8 @3
1 clflush 1 0x40 64
1 drain
1 atomic 1 0x0 8 0100000000000000
1 barrier
1 msync-begin 1 0x0 4096
1 msync-end
1 pwrite 1 0x200 4 01020304
2 read-into 1 0xffc 4 01020304
2 unseen 7 0x63 1 ff
2 found 7 0x60 2 ffee
2 release 0xffffffffffffffff
1 acquire 0x1
mark begin 17
mark ack 18446744073709551615 @3
mark note 2 \x40home, a note
"""

HEAD = "nvrtl-trace-text/1\nregion 1 size 64\n"


class TraceTest(FolderTest):
    def trace(self, text):
        return self.write("trace", text if isinstance(text, bytes) else text.encode())

    def pack(self, text):
        result = run("trace", "pack", "-o", self.path("packed"), self.trace(text))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return self.read("packed")

    def dump(self, path, *options):
        result = run("trace", "dump", path, *options)
        return result.returncode, result.stdout, result.stderr

    def test_every_event_survives_both_forms(self):
        self.assertEqual(self.dump(self.trace(EVERYTHING)), (0, EVERYTHING, ""))
        self.pack(EVERYTHING)
        self.assertEqual(self.dump(self.path("packed")), (0, EVERYTHING, ""))

    def test_a_person_may_write_it(self):
        text = ("nvrtl-trace-text/1  # what it is\r\n\n# a comment\n"
                "region 0x1 size 0x40\tdomain  memory # no line\n"
                "model page\n  1 store 1 0X8 2 AbcD\n1 drain")
        self.assertEqual(self.dump(self.trace(text))[1],
                         "nvrtl-trace-text/1\nmodel page\nregion 1 size 64 line 64 domain memory\n"
                         "1 store 1 0x8 2 abcd\n1 drain\n")

    def test_errors_name_the_line(self):
        for line, words in (
                ("1 store 1 0 8 1122", "there are 4 digits for 8 bytes"),
                ("1 store 1 0 2 11223", "there are 5 digits for 2 bytes"),
                ("1 store 1 0 2 11xx", "'xx' is no byte"),
                ("1 store 1 0 2", "the bytes are missing"),
                ("1 store 1 63 2 1122", "it leaves region 1"),
                ("1 store 1 18446744073709551615 2 1122", "it leaves region 1"),
                ("1 store 2 0 2 1122", "there is no region 2"),
                ("1 store 1 0 0 ", "the bytes are missing"),
                ("1 flush 1 0 0", "a size is 1 at least"),
                ("1 flush 1 0 8 9", "'9' is too much"),
                ("1 drain 1", "'1' is too much"),
                ("1 jump 1 0 8", "'jump' is nothing that a thread does"),
                ("65536 drain", "is no thread"),
                ("-1 drain", "is no thread"),
                ("0x 1 drain", "is no thread"),
                ("18446744073709551616 drain", "is no thread"),
                ("region 1 size 8", "was told of before"),
                ("region 2 size 0", "a region has 1 to"),
                ("region 2 size 8 line 32", "a line has 64"),
                ("region 2 size 8 line 128", "lines of one size"),
                ("region 2 colour red", "nothing that a region has"),
                ("region 2 size 8 domain red", "there is no such domain"),
                ("mark done 3", "a mark is begin, ack or note"),
                ("mark ack", "the mark's number is missing"),
                ("mark note 1 \\y", "a \\ stands before"),
                ("model y86", "there is no such model"),
                ("model x86 streams=no", "nothing that a model has"),
                ("stack 0 main", "a stack's number is 1 at least"),
                ("1 release", "the object is missing"),
                ("1 drain\nmodel x86", "has to stand before the first event"),
                ("1 drain\0", "it is no text")):
            status, _, stderr = self.dump(self.trace(HEAD + line + "\n"))
            self.assertEqual(status, 2, line)
            self.assertIn(words, stderr)
            self.assertIn(f": line {3 + line.count(chr(10))}: ", stderr)

    def test_names_of_cpus(self):
        for name in ("a\tb", "a\x7fb", "x" * 64):
            status, _, stderr = self.dump(self.trace("nvrtl-trace-text/1\ncpu " + name + "\n"))
            self.assertEqual((status, "line 2: this is no CPU's name" in stderr), (2, True))

    def test_what_is_no_trace(self):
        for text in ("", "\n", "nvrtl-trace-text/2\n", "region 1 size 8\n", "\x7fELF"):
            status, stdout, stderr = self.dump(self.trace(text))
            self.assertEqual((status, "line 1: " in stderr), (2, True), (stdout, stderr))
        result = run("trace", "dump", self.path("missing"))
        self.assertEqual((result.returncode, result.stdout), (2, ""))

    def test_nothing_is_written_over(self):
        """By what is no trace, nor by the trace itself."""
        trace = self.write("trace", HEAD.encode())
        os.symlink("trace", self.path("link"))
        for source in self.write("none", b"no trace\n"), trace:
            for action in "dump", "pack":
                result = run("trace", action, "-o", self.path("link"), source)
                self.assert_fails(result, 2)
                self.assertEqual(self.read("trace"), HEAD.encode())
        self.assert_fails(run("trace", "dump", self.path("none")), 2, "this is no trace")

    def test_another_version(self):
        for magic in b"nvrtl-trace-text/2\n", b"nvrtl-trace-2\n\r\0":
            trace = self.write("trace", magic)
            result = run("trace", "stat", trace)
            self.assert_fails(result, 2, "a trace of another version")

    def test_a_trace_that_is_cut_short_is_read_up_to_there(self):
        many = HEAD + "".join(f"1 store 1 {i % 8 * 8} 8 {i:016x}\n" for i in range(60000))
        whole = self.pack(many)
        blocks = [at for at in range(len(whole)) if whole.startswith(b"TnBk", at)]
        self.assertGreater(len(blocks), 2)
        for size in (len(whole) - 1, blocks[2], blocks[2] + 5, blocks[2] + 100):
            status, stdout, stderr = self.dump(self.trace(whole[:size]))
            lines = stdout.splitlines()
            self.assertEqual(lines, self.dump(self.path("packed"))[1].splitlines()[:len(lines)])
            self.assertGreater(len(lines), 20000)
            self.assertEqual(status, 0)
            self.assertEqual("read up to the damage" in stderr, size != blocks[2], stderr)

    def test_a_damaged_trace_is_read_up_to_the_damage(self):
        many = HEAD + "".join(f"1 store 1 {i % 8 * 8} 8 {i:016x}\n" for i in range(60000))
        whole = bytearray(self.pack(many))
        damaged = whole[:]
        damaged[len(whole) * 3 // 4] ^= 1
        status, stdout, stderr = self.dump(self.trace(bytes(damaged)))
        self.assertEqual(status, 0)
        self.assertIn("damaged", stderr)
        self.assertGreater(len(stdout.splitlines()), 10000)
        self.assertLess(len(stdout.splitlines()), 60000)

    def test_stat(self):
        self.pack(EVERYTHING)
        result = run("trace", "stat", self.path("packed"))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for line in ("model        arm, streams=inplace, direct64=atomic, stable-pages",
                     "order        what happened before what", "threads      3", "store        1",
                     "mark ack     1", "region 7     100 bytes, page-cache, lines of 64"):
            self.assertIn(line, result.stdout.splitlines())

    def test_pmemcheck(self):
        log = ("==7== pmemcheck-1.0, a simple persistent store checker\n==7== Command: ./a |b\n"
               "==7== START|FENCE|REGISTER_FILE;/a;b|c 0x1;d;0x5200000;0x1000;0x0|STEP.BEGIN|"
               "STORE;0x5200010;0x1234;0x2;0x109482: main (tiny.c:24);0x1: f (a.c:1)|"
               "STORE;0x5200012;0x1;0x1;0x109482: main (tiny.c:24);0x1: f (a.c:1)|"
               "STORE;0x7;0x1;0x1|FLUSH;0x5200000;0x40|FLUSH;0x5200fc0;0x80|FENCE\n==7== |STOP\n"
               "==7== Number of stores not made persistent: 0\n")
        result = run("trace", "--import-pmemcheck", self.trace(log))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(result.stdout, """nvrtl-trace-text/1
region 1 size 4096 line 64 domain memory at 0x5200000 path /a;b|c 0x1;d
mark note 1 STEP.BEGIN
stack 1 main tiny.c:24; f a.c:1
1 store 1 0x10 2 3412 @1
1 store 1 0x12 1 01 @1
1 flush 1 0x0 64
1 flush 1 0xfc0 64
1 drain
""")

    def test_pmemcheck_that_hides_missing_fences(self):
        log = ("==7== START|REGISTER_FILE;/a;0x5200000;0x40;0x0|STORE;0x5200000;0x1;0x8|"
               "FLUSH;0x5200000;0x40|FENCE|STORE;0x5200008;0x1;0x8|FLUSH;0x5200000;0x40|FENCE|"
               "STOP\n")
        packed = self.path("packed")
        result = run("trace", "--import-pmemcheck", self.trace(log), "-o", packed)
        self.assertEqual(result.returncode, 0)
        self.assertIn("expect-fence-after-clflush", result.stderr)
        result = run("crash", "--enumerate", packed)
        self.assertEqual((len(result.stdout.splitlines()), result.stderr), (3, ""))

    def test_logs_that_are_none(self):
        for log, status, words in (("", 2, "START is missing"),
                                   ("==7== START|FENCE", 0, "without STOP"),
                                   ("START|STORE;5;6;7|STOP", 2, "is no store"),
                                   ("START|FLUSH;0x5|STOP", 2, "is no flush"),
                                   ("START|REGISTER_FILE;/a;0x1;0x0;0x0|STOP", 2, "is no file")):
            result = run("trace", "--import-pmemcheck", self.trace(log))
            self.assertEqual(result.returncode, status, log)
            self.assertIn(words, result.stderr)


if __name__ == "__main__":
    unittest.main()
