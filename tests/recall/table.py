# SPDX-License-Identifier: BSD-2-Clause
"""The table of seeded bugs, and the marks in the sources that say where each is to be found."""

import re
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"
SOURCES = ("hooks", "api", "pages")
ORIGINS = ("own", "PMDebugger", "Witcher", "Chipmunk", "PMRace", "pmemcheck")
MARK = re.compile(r"/\* bug ([^*]*) \*/")
ONE_MARK = re.compile(r"(\d+)(?:: ([a-z-]+))?")
SETTINGS = re.compile(r"/\* recall: (.*?) \*/")
ONLY_MARKS = re.compile(r"^\s*(/\* bug [^*]*\*/\s*)+$")


@dataclass
class Bug:
    program: str
    number: int
    kind: str
    widely: bool  # the same is told of other lines too
    sources: tuple
    origin: str
    words: str


@dataclass
class Marks:
    """What is to be reported of one bug: (kind, file, line) each, and how the program is run."""

    places: dict = field(default_factory=dict)
    settings: list = field(default_factory=list)


def read_bugs(path=HERE / "bugs.txt"):
    bugs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        program, bug, kind, sources, origin, words = line.split(None, 5)
        made = Bug(program, int(bug), kind.rstrip("+"), kind.endswith("+"),
                   tuple(sources.split(",")), origin, words)
        assert set(made.sources) <= set(SOURCES), f"bugs.txt:{number}: who?"
        assert made.origin in ORIGINS, f"bugs.txt:{number}: from where?"
        assert not any((one.program, one.number) == (program, made.number) for one in bugs), number
        bugs.append(made)
    return bugs


def read_marks(paths, kinds):
    """kinds: of each bug's number, where the mark "bug 1, 2: kind" says no other. A mark on a line
    of its own is about the next line."""
    marks = Marks()
    for path in paths:
        waiting = []
        for number, line in enumerate(path.read_text(encoding="latin-1").splitlines(), 1):
            for marks_here in MARK.findall(line):
                waiting += [ONE_MARK.fullmatch(one).groups() for one in marks_here.split(", ")]
            marks.settings += [word for text in SETTINGS.findall(line) for word in text.split()]
            if ONLY_MARKS.match(line):
                continue
            for bug, kind in waiting:
                place = (kind or kinds[int(bug)], path.name, number)
                marks.places.setdefault(int(bug), set()).add(place)
            waiting = []
    return marks
