#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the documents name is there: links, files, commands, kinds of findings. The README's program
does what it says, and decisions have their form."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import documents

# A piece of code that is the path of a file or folder of ours, or the name of a source file.
FOLDERS = r"(?:\.ci|bench|cmake|docs|examples|include|man|src|tests|tools)"
PATH = re.compile(rf"`({FOLDERS}/[\w./-]*)[^`]*`")
SOURCE = re.compile(r"`([\w-]+\.(?:c|h|S|def|map|py|sh|cmake))`")
# The same in a block of commands.
COMMAND = re.compile(rf"^(?:    )?(?:\$ )?({FOLDERS}/[\w./-]+)", re.MULTILINE)


def heading_ids(text):
    """The names by which GitHub's headings are linked to."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


class LinksTest(unittest.TestCase):
    def setUp(self):
        self.texts = {path: path.read_text(encoding="utf-8")
                      for path in documents.files("*.md", "*/**/*.md")}
        self.assertGreater(len(self.texts), 3)

    def test_links(self):
        for path, text in self.texts.items():
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                with self.subTest(file=path.name, target=target):
                    if re.match(r"https?:|mailto:", target):
                        continue
                    name, _, heading = target.partition("#")
                    other = path.parent / name if name else path
                    self.assertTrue(other.exists(), "leads nowhere")
                    if heading:
                        self.assertIn(heading, heading_ids(other.read_text(encoding="utf-8")))

    def test_paths(self):
        for path, text in self.texts.items():
            for name in PATH.findall(text) + COMMAND.findall(text):
                with self.subTest(file=path.name, name=name):
                    self.assertTrue((documents.ROOT / name).exists(), "is not there")

    def test_sources(self):
        known = {path.name for path in documents.files("*/**/*")}
        for path, text in self.texts.items():
            for name in SOURCE.findall(text):
                with self.subTest(file=path.name, name=name):
                    self.assertTrue(name in known, "there is no such file")

    def test_documents_that_sources_name(self):
        for path in documents.files("src/**/*", "include/*", "tools/*", "bench/*", "cmake/*"):
            for name in re.findall(rf"\b{FOLDERS}/[\w./-]+\.(?:md|sh|txt)\b", path.read_text()):
                with self.subTest(file=path.name, name=name):
                    self.assertTrue((documents.ROOT / name).exists(), "is not there")


class ReadmeTest(unittest.TestCase):
    def setUp(self):
        self.text = documents.read("README.md")

    def test_table_of_commands(self):
        told = re.findall(r"^\| `nvrtl ([a-z]+)[^`]*` \|", self.text, re.MULTILINE)
        self.assertEqual(sorted(told), sorted(documents.commands()))

    def test_kinds(self):
        chapter = self.text.partition("## What the verifier finds")[2]
        told = re.findall(r"`([a-z]+-[a-z]+)`", chapter)
        self.assertGreater(len(told), 5)
        self.assertLessEqual(set(told), set(documents.kinds()))

    def test_program(self):
        """It compiles, runs, is clean under the verifier, and is not without its flush."""
        source = re.search(r"^```c\n(.*?)^```", self.text, re.MULTILINE | re.DOTALL).group(1)
        flush = "status = RtlFlushNonVolatileMemory(log.token, line + 64, 128, 0);"
        self.assertEqual(source.count(flush), 1)
        self.assertEqual(self.run_program(source, "./program"), (0, "success\n"))
        status, text = self.run_program(source, documents.NVRTL, "run", "--", "./program")
        self.assertEqual(status, 0, text)
        self.assertIn("nvrtl: clean: ", text)
        status, text = self.run_program(source.replace(flush, "status = 0;"), documents.NVRTL,
                                        "run", "--", "./program")
        self.assertEqual(status, 1, text)
        self.assertRegex(text, r"program\.c:12: error: 3 bytes stored at program\.c:12 were never")

    def run_program(self, source, *command):
        library = Path(os.environ["NVRTL_BUILD"]) / "lib"
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "program.c").write_text(source)
            build = ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-g", "program.c", "-o",
                     "program", f"-I{documents.ROOT / 'include'}", f"-L{library}", "-lnvrtl",
                     f"-Wl,-rpath,{library}"]
            result = subprocess.run(build, cwd=folder, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, text=True, check=False)
            self.assertEqual(result.stdout, "")
            result = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, text=True, check=False)
            return result.returncode, result.stdout


class OthersTest(unittest.TestCase):
    def test_changelog_names_every_routine(self):
        text = documents.read("CHANGELOG.md")
        for name in documents.routines():
            self.assertTrue(f"`{name}`" in text, name)

    def test_decisions_have_their_four_lines(self):
        entries = re.split(r"^### ", documents.read("docs/decisions.md"), flags=re.MULTILINE)[1:]
        self.assertGreater(len(entries), 20)
        for entry in entries:
            with self.subTest(entry=entry.partition("\n")[0]):
                lines = re.findall(r"^- \*\*(\w+):\*\* \S", entry, re.MULTILINE)
                self.assertEqual(lines, ["Decision", "Reason", "Alternatives", "Date"])
                self.assertRegex(entry, r"\*\*Date:\*\* \d{4}-\d\d-\d\d\n")


if __name__ == "__main__":
    unittest.main()
