# SPDX-License-Identifier: BSD-2-Clause
"""What came out, as tables; and docs/recall.md, which tools/recall.sh writes."""

from collections import Counter

INTRODUCTION = """<!-- SPDX-License-Identifier: BSD-2-Clause -->
# Recall and silence

Which bugs does the verifier find, and is it silent about correct programs? This page is written by

    tools/recall.sh

or by several runs of its parts, so that the column "ways" may differ: it says in how many ways each
program was built. `tests/recall/bugs.txt` has one line for each bug: what is
wrong, which kind of finding has to be told, by which source of stores, and where the bug comes
from. The marks in `tests/recall/programs` say at which lines. Each program is built once for each
of its bugs and once without any (its correct twin), by each compiler at each level.

A bug counts as found only if the finding of the right kind is at the right line *and nothing else
is told*: no other error, warning or performance finding, but for those that are marked as its
consequences. Under `--stores=pages`, which knows no lines, the kind has to be there and no error of
another kind. Any error, warning or performance finding in a twin counts as a false alarm (of the
api's and the pages' runs of a twin: any error).

Programs of others are Debian's source packages with some lines put between theirs; a bug with "+"
in `bugs.txt` loses the stores of many lines, of which one is marked.
"""

NOTES = """
## What the twins taught

- A commit word and its neighbour, stored one after the other, become one store of 16 bytes with
  clang from -O2 on: the order that the source has is lost, and `torn-commit` is right to say so.
  The word that commits is to be stored atomically (a release is enough).
- A range that does not begin at a line's start has one line more than its size says. A loop that
  steps by 64 from its first byte misses the last line; it happened in a program that was meant to
  be correct, and was found.
- LMDB's meta page commits by several lines, in order. That holds in the page cache, not on
  persistent memory: its commit word publishes the data pages, not the rest of its own page.
- What is flushed by the CPU's own instructions is not seen by `--stores=pages`: where a program has
  some, what no routine flushed is a note, and the run is not clean. Such programs are for `hooks`.
"""


def row(cells):
    return f"| {' | '.join(map(str, cells))} |\n"


def header(cells):
    return row(cells) + row(["---"] * len(cells))


def table(programs, results):
    """results: by (program, bug, way): (runs, what was wrong)"""
    text = header(["program", "bugs", "ways", "runs with a bug", "missed", "runs of the twin",
                   "false alarms"])  # fmt: skip
    totals = [0] * 5
    for program in programs:
        mine = [(bug, *result) for (owner, bug, _), result in results.items() if owner is program]
        counts = [len(program.bugs),
                  sum(runs for bug, runs, _ in mine if bug),
                  sum(1 for bug, _, wrong in mine if bug and wrong),
                  sum(runs for bug, runs, _ in mine if not bug),
                  sum(1 for bug, _, wrong in mine if not bug and wrong)]  # fmt: skip
        totals = [sum(pair) for pair in zip(totals, counts)]
        ways = {way for owner, _, way in results if owner is program}
        text += row([program.name, counts[0], len(ways), *counts[1:]])
    return text + row(["all", totals[0], "", *totals[1:]])


def counted(title, counts):
    return header([title, "bugs"]) + "".join(row(item) for item in sorted(counts.items()))


def document(programs, results):
    bugs = [bug for program in programs for bug in program.bugs.values()]
    ways = sorted({"-".join(way) for _, _, way in results})
    parts = [INTRODUCTION, f"\n## By program\n\nWays of building: {', '.join(ways)}.\n\n",
             table(programs, results), "\n## By kind\n\n",
             counted("kind", Counter(bug.kind for bug in bugs)),
             "\n## By origin\n\nWritten after the published lists of PMDebugger, Witcher, "
             "Chipmunk and PMRace, and what is known of\npmemcheck; the others are our own.\n\n",
             counted("origin", Counter(bug.origin for bug in bugs)), NOTES]  # fmt: skip
    return "".join(parts)
