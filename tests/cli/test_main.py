#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nvrtl itself: help, version, unknown commands, statuses of wrong usage."""

import unittest

from command import FolderTest, run

COMMANDS = ["info", "run", "cut", "copy", "flush"]


class MainTest(FolderTest):
    def test_help_names_every_command(self):
        for arguments in (["--help"], ["help"]):
            result = run(*arguments)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            for command in COMMANDS:
                self.assertRegex(result.stdout, rf"(?m)^  {command}  +\w")

    def test_every_help_fits_a_screen(self):
        for command in [None, *COMMANDS]:
            with self.subTest(command=command):
                result = run(*filter(None, [command]), "--help")
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                lines = result.stdout.splitlines()
                self.assertLessEqual(len(lines), 24)
                self.assertLessEqual(max(map(len, lines)), 80)

    def test_help_of_a_command_is_its_own_help(self):
        for command in COMMANDS:
            with self.subTest(command=command):
                help_command = run("help", command)
                self.assertEqual(help_command.returncode, 0)
                self.assertEqual(help_command.stdout, run(command, "--help").stdout)
                self.assertIn(f"Usage: nvrtl {command} ", help_command.stdout)

    def test_version(self):
        result = run("--version")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"\Anvrtl \d+\.\d+\.\d+\n\Z")

    def test_unknown_command_lists_the_known(self):
        for arguments in (["cpy"], ["help", "cpy"], ["--no-such-option"]):
            self.assert_fails(run(*arguments), 2, arguments[-1], *COMMANDS)

    def test_no_command_is_wrong_usage(self):
        self.assert_fails(run(), 2, "Usage: nvrtl COMMAND")

    def test_wrong_usage_of_a_command(self):
        for command, status in (("copy", 2), ("flush", 2), ("info", 2), ("cut", 2),
                                ("run", 125)):
            with self.subTest(command=command):
                self.assert_fails(run(command, "--no-such-option"), status, f"nvrtl {command}")

    def test_full_output_is_told(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            for arguments in (["--help"], ["copy", "--help"]):
                result = run(*arguments, stdout=full)
                self.assertEqual(result.returncode, 1)
                self.assertIn("No space left on device", result.stderr)


if __name__ == "__main__":
    unittest.main()
