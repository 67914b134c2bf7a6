#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nvrtl bench: that it measures all it asks, says who took part, and what its answers look like. No
figure is judged."""

import csv
import io
import json
import re
import unittest
import xml.etree.ElementTree as ElementTree

from command import FolderTest, is_memory, run

HEAD = ("question", "set", "alignment", "length", "lane", "documented", "nanos", "nanos_q1",
        "nanos_q3", "ratio", "ratio_q1", "ratio_q3", "goal")
STREAMING = "no vendor documents them"


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def streams_are_documented():
    """Does this CPU's vendor say that a streaming store evicts its line?"""
    features = json.loads(run("info", "--json").stdout)["features"]
    return next(feature["present"] for feature in features if feature["name"] == "evicts")


class BenchTest(FolderTest):
    def bench(self, *arguments):
        return run("bench", "--quick", f"--directory={self.folder}", *arguments)

    def questions(self):
        text = run("bench", "--help").stdout
        return re.findall(r"^ +([a-z-]+) {2,}\S", text[text.index("The questions:"):],
                          re.MULTILINE)

    def test_every_question_has_rows(self):
        questions = self.questions()
        self.assertIn("write-persist", questions)
        result = self.bench("--csv")
        rows = rows_of(result.stdout)
        self.assertEqual(tuple(rows[0]), HEAD)
        found = {row["question"] for row in rows}
        if is_memory(self.folder):
            self.assertEqual(result.returncode, 1)
            self.assertIn("not of the page cache", result.stderr)
            found |= {"pages", "commits"}
        else:
            self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(found, set(questions))
        self.assertNotIn("libpmem", {row["lane"] for row in rows})
        for row in rows:
            low, middle, high = (float(row[name]) for name in ("nanos_q1", "nanos", "nanos_q3"))
            self.assertTrue(0 < low <= middle <= high, row)
            # Ours comes first in each row, and is what the others are divided by.
            if row["lane"] in ("nvrtl", "8 threads"):
                self.assertEqual(float(row["ratio"]), 1, row)

    def test_libpmem_is_loaded_or_missed(self):
        result = self.bench("--vs=libpmem", "--csv", "flush", "write-persist")
        self.assertEqual(result.returncode, 0, result.stderr)
        lanes = {row["lane"] for row in rows_of(result.stdout)}
        self.assertEqual("libpmem" in lanes, result.stderr == "", result.stderr)
        if result.stderr:
            self.assertIn("libpmem takes no part", result.stderr)

    def test_text_says_what_is_not_documented(self):
        """A fence after streaming stores alone is the promise of one vendor and nobody else."""
        promised = streams_are_documented()
        undocumented = set() if promised else {"streaming"}
        result = self.bench("write-persist")
        self.assertEqual("streaming*" in result.stdout, not promised)
        self.assertEqual(STREAMING in result.stdout, not promised)
        result = self.bench("flush")
        self.assertNotIn("*", result.stdout)
        self.assertNotIn(STREAMING, result.stdout)
        for row in rows_of(self.bench("--csv", "write-persist").stdout):
            self.assertEqual(row["documented"], "no" if row["lane"] in undocumented else "yes")

    def test_picture(self):
        picture = self.path("picture.svg")
        result = self.bench(f"--svg={picture}", "write", "threads")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        root = ElementTree.parse(picture).getroot()
        svg = "{http://www.w3.org/2000/svg}"
        panels = root.findall(f"{svg}g")
        self.assertEqual(len(panels), 2)  # aligned and skewed; two threads have one size
        for panel in panels:
            lines = [path for path in panel.findall(f"{svg}path") if path.get("class") == "l"]
            self.assertEqual(len(lines), 2)

    def test_picture_that_cannot_be_written(self):
        """A wrong path is told before anything is measured."""
        for path, measures in ((self.path("none/picture.svg"), False), ("/dev/full", True)):
            result = self.bench(f"--svg={path}", "tokens")
            self.assertEqual((result.returncode, result.stdout != ""), (1, measures))
            self.assertIn("cannot write", result.stderr)

    def test_wrong_usage(self):
        self.assert_fails(run("bench", "speed"), 2, "'speed' is no question")
        self.assert_fails(run("bench", "--vs=memcpy"), 2, "libpmem")
        for other in ("--csv", "--quick", "write"):
            self.assert_fails(run("bench", "--calibrate", other), 2, "nothing else")

    def test_nothing_is_left(self):
        self.bench("pages", "commits")
        self.assert_fails(run("bench", "--quick", f"--directory={self.path('none')}", "commits"), 1,
                          "No such file")

    def assert_fails(self, result, status, *words):
        self.assertEqual(result.returncode, status, result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)


if __name__ == "__main__":
    unittest.main()
