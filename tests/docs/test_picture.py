#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The picture in the README shows what the verifier says today. When this fails, tools/picture.sh
draws it anew."""

import html
import os
import re
import subprocess
import tempfile
import unittest
import xml.dom.minidom

import documents

PICTURE = documents.ROOT / "docs/report.svg"


def lines(picture):
    """The picture's lines of text. What the compiler makes inline is its own business."""
    rows = {}
    for row, text in re.findall(r'<text x="[\d.]+" y="(\d+)"[^>]*>(.*?)</text>', picture):
        rows[int(row)] = rows.get(int(row), "") + html.unescape(text)
    return [rows[row].replace(" (inlined)", "") for row in sorted(rows)]


class PictureTest(unittest.TestCase):
    def test_it_is_well_formed(self):
        document = xml.dom.minidom.parseString(PICTURE.read_text(encoding="utf-8"))
        self.assertEqual(document.documentElement.tagName, "svg")

    def test_it_shows_a_finding_with_its_line(self):
        text = "\n".join(lines(PICTURE.read_text(encoding="utf-8")))
        self.assertRegex(text, r"error: 64 bytes stored at wordstore\.c:\d+ were never flushed")
        self.assertIn("[unflushed-write]", text)
        self.assertIn("mend:", text)

    def test_it_is_what_a_run_says(self):
        with tempfile.TemporaryDirectory() as folder:
            drawn = os.path.join(folder, "drawn.svg")
            build = os.environ["NVRTL_BUILD"]
            result = subprocess.run(
                [documents.ROOT / "tools/picture.sh", build, drawn], stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, check=False, stdin=subprocess.DEVNULL)
            self.assertEqual(result.returncode, 0, result.stdout)
            with open(drawn, encoding="utf-8") as file:
                now = lines(file.read())
        self.assertEqual(lines(PICTURE.read_text(encoding="utf-8")), now)


if __name__ == "__main__":
    unittest.main()
