# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of the documents share: the tree, and what the sources and the command say of
themselves."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NVRTL = os.environ.get("NVRTL_BIN", "nvrtl")


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def files(*patterns):
    """The files of the tree that match, sorted; nothing of a build."""
    found = {path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    return sorted(path for path in found if path.relative_to(ROOT).parts[0] != "build")


def nvrtl(*arguments, **options):
    """Runs the command; what it says on both outputs."""
    result = subprocess.run([NVRTL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, check=False, **options)
    return result.returncode, result.stdout


def commands():
    """The names of the commands, but for help."""
    names = re.findall(r"^  ([a-z]+) +\S", nvrtl("--help")[1], re.MULTILINE)
    return [name for name in names if name != "help"]


class Options:
    """The options of a command, as its --help has them: short letters, and long names, which of
    them take a value."""

    LINE = re.compile(r"^  +(?:-(\w|\?), )?(?:    )?--([a-z][\w-]*)(?:\[=\S+|(=\S+))?(?: |$)",
                      re.MULTILINE)

    def __init__(self, command):
        self.short, self.long, self.valued = set(), set(), set()
        for letter, name, value in self.LINE.findall(nvrtl(command, "--help")[1]):
            if name in ("help", "usage"):
                continue
            self.long.add(name)
            if letter:
                self.short.add(letter)
            if value:
                self.valued.add(name)


def kinds():
    """The kinds of findings by name: (severity, reported by default)."""
    rows = re.findall(r'^KIND\(\w+, "([a-z-]+)", SEVERITY_(\w+), (true|false)\)',
                      read("src/arena/kinds.def"), re.MULTILINE)
    return {name: (severity.lower(), on == "true") for name, severity, on in rows}


def routines():
    """The routines of nvrtl.h by name: (parameters, the comment that describes them)."""
    found, comment = {}, ""
    pattern = re.compile(r"/\*(.*?)\*/|^NVRTL_API [^;(]*?(\w+)\((.*?)\);",
                         re.MULTILINE | re.DOTALL)
    for text, name, parameters in pattern.findall(read("include/nvrtl.h")):
        if name:
            found[name] = ([" ".join(part.split()) for part in parameters.split(",")], comment)
        elif "\n * " in text:
            comment = text
    return found
