#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nvrtl run --watch: programs that call no routine. Each mistake of views.c is told of at the right
bytes, its twin is not; of databases that wait for their files nothing is said."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

NVRTL = os.environ.get("NVRTL_BIN", "nvrtl")
PROGRAM = os.environ.get("WATCH_PROGRAM", "views")
HERE = os.path.dirname(os.path.abspath(__file__))
# By case, what is to be told of the wrong program: count, and ranges.
EXPECTED = {
    "forgotten": (1, [(8192, 40)]),
    "not_waited": (1, [(4096, 40)]),
    "refused": (2, [(4096, 40), (12288, 40)]),
    "after_the_wait": (1, [(4200, 40)]),
    "by_the_file": (2, [(4096, 40), (12288, 40)]),
    "by_number": (3, [(4096, 40), (8192, 40), (12288, 40)]),
    "after_unmapping": (1, [(4096, 40)]),
    "part_unmapped": (1, [(16384, 40)]),
    "moved": (1, [(69632, 40)]),
    "written": (1, [(4096, 1)]),
    "protected": (1, [(4096, 40)]),
    "by_a_child": (1, [(4096, 40)]),
    "two_views": (1, [(12288, 40)]),
    "cut_off": (1, [(8192, 40)]),
    "unmapped_and_cut_off": (1, [(8192, 40)]),
    "cut_off_and_on": (1, [(8200, 1)]),
    "deleted": (1, [(8192, 40)]),
    "replaced": (1, [(8192, 40)]),
    "made_anew": (1, [(4096, 40)]),
    "far_apart": (1, [(4096, 40)]),
}
LMDB = """
import lmdb, sys
environment = lmdb.open(sys.argv[1], writemap=True, map_size=16 << 20)
for turn in range(4):
    with environment.begin(write=True) as transaction:
        for i in range(300):
            transaction.put(b"%d-%d" % (turn, i), b"v" * (i * 7 % 500))
    with environment.begin(write=True) as transaction:
        for i in range(0, 300, 3):
            transaction.delete(b"%d-%d" % (turn, i))
environment.close()
"""
SQL = ("pragma mmap_size=16777216; pragma journal_mode={}; create table t(a, b);"
       "insert into t select value, hex(randomblob(50)) from generate_series(1, 1000);"
       "update t set b = 'x' where a % 3 = 0; select count(*) from t;")


class WatchTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nvrtl-test-", dir=os.environ.get("NVRTL_TEST_DIR"))
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def nvrtl(self, *arguments, environment=None):
        output = tempfile.mkdtemp(dir=self.folder)
        result = subprocess.run(
            [NVRTL, "run", "--report=text,json", "--output", output, *arguments],
            env=dict(os.environ, **(environment or {})), check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        with open(os.path.join(output, "report.json"), encoding="utf-8") as file:
            return json.load(file), result

    @staticmethod
    def told(report):
        return [(one["kind"], one["severity"], one["count"],
                 [(span["offset"], span["length"]) for span in one["ranges"]])
                for one in report["findings"]]

    def assert_clean(self, report, result):
        self.assertEqual((report["exit"], self.told(report)), (0, []), result.stderr)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_views(self):
        with open(os.path.join(HERE, "views.c"), encoding="utf-8") as file:
            cases = re.findall(r'\{"(\w+)",', file.read())
        self.assertEqual(sorted(cases), sorted(EXPECTED))
        for case in cases:
            for mode in ("wrong", "right"):
                file = self.path(f"{case}-{mode}")
                report, result = self.nvrtl("--watch", file, "--", PROGRAM, mode, file, case)
                with self.subTest(case=case, mode=mode):
                    wanted = [("unflushed-write", "error", *EXPECTED[case])]
                    self.assertEqual(report["exit"], 0, result.stderr)
                    self.assertEqual(self.told(report), wanted if mode == "wrong" else [],
                                     result.stderr)
                    self.assertEqual((report["stores"], report["judge"]), ("pages", "actual"))

    def test_views_with_hooks(self):
        """The same, and the line is known."""
        for compiler in "gcc", "clang":
            program = f"{PROGRAM}-{compiler}"
            if not os.path.exists(program):
                self.skipTest("no hooks here")
            for case, expected in EXPECTED.items():
                for mode in ("wrong", "right"):
                    file = self.path(f"{compiler}-{case}-{mode}")
                    report, result = self.nvrtl("--stores=hooks", "--watch", file, "--", program,
                                                mode, file, case)
                    with self.subTest(case=case, mode=mode, compiler=compiler):
                        wanted = expected if mode == "wrong" else (0, [])
                        told = self.told(report)
                        self.assertEqual(report["exit"], 0, result.stderr)
                        # Where stores come from several calls each has a finding of its own.
                        self.assertEqual((sum(one[2] for one in told),
                                          sorted(span for one in told for span in one[3])),
                                         wanted, result.stderr)
                        self.assertLessEqual({one[:2] for one in told},
                                             {("unflushed-write", "error")})
                        self.assertEqual((report["stores"], report["judge"]),
                                         ("hooks", "actual"))
                        for one in report["findings"]:
                            self.assertIn("line", one["at"], result.stderr)
                            self.assertIn("MS_SYNC", one["mend"], result.stderr)

    def test_which_files(self):
        file = self.path("data.bin")
        for pattern, regions in ((file, 1), (self.folder, 1), (self.path("*.bin"), 1),
                                 (self.path("data"), 0), (self.path("other*"), 0)):
            with self.subTest(pattern=pattern):
                if os.path.exists(file):
                    os.unlink(file)  # what is stored is to change something
                report, _ = self.nvrtl("--watch", pattern, "--", PROGRAM, "wrong", file,
                                       "forgotten")
                self.assertEqual(len(report["regions"]), regions)
                self.assertEqual(len(report["findings"]), regions)

    def test_a_file_that_nobody_waits_for(self):
        file = self.path("lock")
        arguments = ("--", PROGRAM, "wrong", file, "after_unmapping")
        report, result = self.nvrtl("--watch", self.folder, *arguments)
        self.assert_clean(report, result)
        self.assertIn("never waited for", " ".join(report["remarks"]))
        os.unlink(file)
        report, _ = self.nvrtl("--watch", file, *arguments)
        self.assertEqual(len(report["findings"]), 1)

    def test_a_wait_that_fails(self):
        """What it was about is not told of as clean."""
        for mode, status in (("right", 0), ("wrong", 125)):
            file = self.path(mode)
            report, result = self.nvrtl("--watch", file, "--", PROGRAM, mode, file, "too_long")
            self.assertEqual((report["exit"], self.told(report)), (0, []), result.stderr)
            self.assertEqual(result.returncode, status, result.stderr)
            self.assertEqual("1 wait of the program for a file failed" in result.stderr,
                             mode == "wrong", result.stderr)

    def test_no_call_is_made_for_another(self):
        file = self.path("file")
        report, result = self.nvrtl("--watch", file, "--", PROGRAM, "right", file,
                                    "renamed_in_confinement")
        self.assertEqual(report["exit"], 0, result.stderr)

    def test_the_same_with_hooks(self):
        if not os.path.exists(f"{PROGRAM}-gcc"):
            self.skipTest("no hooks here")
        file = self.path("lock")
        report, result = self.nvrtl("--watch", self.folder, "--stores=hooks", "--",
                                    f"{PROGRAM}-gcc", "wrong", file, "after_unmapping")
        self.assert_clean(report, result)
        self.assertIn("never waited for", " ".join(report["remarks"]))

    def test_other_sources(self):
        result = subprocess.run([NVRTL, "run", "--stores=api", "--watch", "x", "true"], check=False,
                                stderr=subprocess.PIPE, text=True)
        self.assertEqual(result.returncode, 125)
        self.assertIn("--stores=pages or --stores=hooks", result.stderr)

    def test_own_preloads(self):
        own = next(line.split()[-1] for line in open("/proc/self/maps", encoding="utf-8")
                   if "/libc.so" in line)
        own = os.path.join(os.path.dirname(own), "libm.so.6")
        _, result = self.nvrtl("--watch", self.folder, "--", "cat", "/proc/self/maps",
                               environment={"LD_PRELOAD": own})
        self.assertIn("/libm.so.6", result.stdout)
        self.assertIn("/libnvrtl-watch.so", result.stdout)

    def python_has_lmdb(self):
        return subprocess.run(["/usr/bin/python3", "-c", "import lmdb"], check=False,
                              stderr=subprocess.DEVNULL).returncode == 0

    def test_lmdb(self):
        if not self.python_has_lmdb():
            self.skipTest("python3-lmdb is not installed")
        folder = self.path("db")
        os.mkdir(folder)
        report, result = self.nvrtl("--watch", folder, "--", "/usr/bin/python3", "-c", LMDB, folder)
        self.assert_clean(report, result)
        self.assertIn("data.mdb", " ".join(region["path"] for region in report["regions"]))
        report, result = self.nvrtl("--watch", folder, "--", "mdb_stat", folder)
        self.assert_clean(report, result)

    def test_lmdb_that_forgets(self):
        if not self.python_has_lmdb():
            self.skipTest("python3-lmdb is not installed")
        folder = self.path("db")
        os.mkdir(folder)
        # Opened without the wait: what it stores is durable at the next sync(), which never comes.
        program = LMDB.replace("writemap=True", "writemap=True, sync=False")
        data = os.path.join(folder, "data.mdb")
        report, _ = self.nvrtl("--watch", data, "--", "/usr/bin/python3", "-c", program, folder)
        self.assertEqual({one["kind"] for one in report["findings"]}, {"unflushed-write"})

    def test_sqlite(self):
        if shutil.which("sqlite3") is None:
            self.skipTest("sqlite3 is not installed")
        for mode in ("delete", "wal"):
            with self.subTest(mode=mode):
                file = self.path(f"{mode}.db")
                report, result = self.nvrtl("--watch", self.folder, "--", "sqlite3", file,
                                            SQL.format(mode))
                self.assert_clean(report, result)
                self.assertTrue(result.stdout.endswith("1000\n"), result.stdout)


if __name__ == "__main__":
    unittest.main()
