#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The shell completions know all that the command knows, and nothing else. Bash is asked, as a user
does by the tabulator key; zsh's is read as text."""

import os
import re
import subprocess
import tempfile
import unittest

import documents

FOLDER = documents.ROOT / "src/cli/completion"

# Completes the last word of its arguments, and prints what is offered. Bash itself splits a line at
# `=`, which the caller has to do here.
COMPLETE = """
source "$COMPLETION"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
$(complete -p nvrtl | sed 's/.* -F \\([^ ]*\\) .*/\\1/')
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(*words, **options):
    """What bash offers for the last word, sorted."""
    split = [part for word in words for part in re.findall(r"--[\w-]+|=|[^=]+", word) or [""]]
    if words[-1].endswith("="):
        split.append("")
    environment = {**os.environ, "COMPLETION": str(FOLDER / "nvrtl.bash")}
    result = subprocess.run(["bash", "--norc", "-uc", COMPLETE, "bash", "nvrtl", *split],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                            env=environment, **options)
    # Outside of a completion compopt has nothing to set.
    complaints = [line for line in result.stderr.splitlines() if "compopt" not in line]
    if complaints:
        raise AssertionError(complaints)
    return sorted(filter(None, result.stdout.split("\n")))


class BashTest(unittest.TestCase):
    def test_commands(self):
        self.assertEqual(complete(""), sorted([*documents.commands(), "help"]))
        self.assertEqual(complete("help", ""), sorted(documents.commands()))
        self.assertEqual(complete("-"), ["--help", "--version"])
        self.assertEqual(complete("in"), ["info"])

    def test_options(self):
        for command in documents.commands():
            options = documents.Options(command)
            wanted = {f"--{name}{'=' * (name in options.valued)}" for name in options.long}
            wanted |= {f"-{letter}" for letter in options.short} | {"--help", "--usage"}
            self.assertEqual(complete(command, "-"), sorted(wanted), command)

    def test_kinds(self):
        for words in (["--enable="], ["--disable", ""], ["--output=x", "--enable="]):
            self.assertEqual(complete("run", *words), sorted(["all", *documents.kinds()]))
        self.assertEqual(complete("run", "--enable=redundant-"),
                         ["redundant-drain", "redundant-flush"])

    def test_values_are_accepted(self):
        """What is offered for an option is what the command takes."""
        for option in ("judge", "report", "stacks", "stores"):
            values = complete("run", f"--{option}=")
            self.assertGreater(len(values), 1)
            for value in values:
                status, text = documents.nvrtl("run", f"--{option}={value}", "--", "true")
                self.assertEqual(status, 0, text)
        self.assertEqual(complete("run", "-j", "str"), ["strict"])
        self.assertEqual(complete("run", "--report=text,js"), ["text,json"])

    def test_actions_of_report(self):
        """Each is known to the command: without a report it asks for one."""
        actions = complete("report", "")
        self.assertIn("diff", actions)
        for action in actions:
            status, text = documents.nvrtl("report", action)
            self.assertEqual(status, 2)
            self.assertRegex(text, f"{action} needs \\d report")
        named = re.search(r"what is to be done\? \((.*)\)", documents.nvrtl("report")[1]).group(1)
        self.assertEqual(sorted(named.split(", ")), actions)

    def test_questions_of_bench(self):
        text = documents.nvrtl("bench", "--help")[1]
        questions = re.findall(r"^ +([a-z-]+) {2,}\S", text[text.index("The questions:"):],
                               re.MULTILINE)
        self.assertEqual(complete("bench", ""), sorted(questions))
        self.assertEqual(complete("bench", "--vs="), ["libpmem"])

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "out"))
            for name in ("old", "other"):
                with open(os.path.join(folder, name), "w", encoding="ascii"):
                    pass
            self.assertEqual(complete("info", "o", cwd=folder), ["old", "other", "out"])
            self.assertEqual(complete("copy", "old", "ot", cwd=folder), ["other"])
            self.assertEqual(complete("copy", "old", "other", "o", cwd=folder), [])
            self.assertEqual(complete("flush", "ol", cwd=folder), ["old"])
            self.assertEqual(complete("report", "diff", "old", "ot", cwd=folder), ["other"])
            self.assertEqual(complete("report", "--base=", cwd=folder), ["out"])
            self.assertEqual(complete("run", "--output=", cwd=folder), ["out"])
            self.assertEqual(complete("run", "--output", "o", cwd=folder), ["out"])

    def test_program_of_run(self):
        self.assertIn("true", complete("run", "tru"))
        self.assertIn("true", complete("run", "--judge=strict", "--", "tru"))
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "argument"), "w", encoding="ascii"):
                pass
            self.assertEqual(complete("run", "true", "arg", cwd=folder), ["argument"])


class ZshTest(unittest.TestCase):
    def setUp(self):
        self.text = (FOLDER / "_nvrtl").read_text()

    def function(self, name):
        match = re.search(rf"^{name}\(\) \{{\n(.*?)^\}}", self.text, re.MULTILINE | re.DOTALL)
        self.assertIsNotNone(match, name)
        return match.group(1)

    def test_zsh_can_read_it(self):
        result = subprocess.run(["zsh", "-fn", FOLDER / "_nvrtl"], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual((result.returncode, result.stdout), (0, ""))

    def test_commands_and_options(self):
        commands = documents.commands()
        self.assertEqual(re.findall(r"^        '([a-z]+):", self.function("_nvrtl"), re.MULTILINE),
                         [*commands, "help"])
        self.assertIn(f":command:({' '.join(commands)})", self.function("_nvrtl_help"))
        for command in commands:
            text, options = self.function(f"_nvrtl_{command}"), documents.Options(command)
            # Not in the lists of what excludes each other.
            text = re.sub(r"'\(.*?\)", "'", text)
            long = {name: value for name, value in re.findall(r"--([\w-]+)(=?)", text)}
            self.assertEqual(set(long), options.long, command)
            self.assertEqual({name for name, value in long.items() if value}, options.valued)
            self.assertEqual(set(re.findall(r"(?<![\w-])-(\w)(?=[+,])", text)), options.short)

    def test_kinds(self):
        listed = re.search(r"kinds=\((.*?)\)", self.text, re.DOTALL).group(1).split()
        self.assertEqual(listed, list(documents.kinds()))

    def test_values_as_in_bash(self):
        text = self.function("_nvrtl_run")
        for option in ("judge", "stacks", "stores"):
            values = re.search(rf"--{option}=.*:\(([a-z= -]+)\)'", text).group(1).split()
            self.assertEqual(sorted(values), complete("run", f"--{option}="), option)
        formats = re.search(r"_values -s , format ([a-z ]+)'", text).group(1).split()
        self.assertEqual(sorted(formats), complete("run", "--report="))


if __name__ == "__main__":
    unittest.main()
