# SPDX-License-Identifier: BSD-2-Clause
"""Reads what the programs of this folder expect of the verifier: the comments that program.h
describes."""

import re

MARK = re.compile(r"/\* (expect|always|twin|role|status): (.*?) \*/")
ONLY_MARKS = re.compile(r"^\s*(/\*.*\*/\s*)+$")
DEFINITION = re.compile(r"^(?:CASE\((\w+)\)|[^\s#/].*?\b(\w+)\([^;]*\) \{)")
KIND = re.compile(r'^KIND\(\w+, "([a-z-]+)", SEVERITY_([A-Z]+), (?:true|false)\)$', re.M)
# The related places that findings of a kind have, where there is such a place at all.
ROLES = {"unflushed-write": ("freed",), "undrained-flush": ("freed", "store"),
         "bad-token": ("freed",), "unordered-commit": ("data",), "unflushed-stream": ("freed",),
         "overwritten-unflushed": ("store",), "unpersisted-read": ("store", "dependent")}


def read_kinds(path):
    """Each kind of finding with its severity, as the published table has them."""
    with open(path, encoding="utf-8") as file:
        return {name: severity.lower() for name, severity in KIND.findall(file.read())}


class Expectation:
    """One finding that is expected: where, of what kind, and when."""

    def __init__(self, words, place, kinds):
        self.line, self.function, self.case = place
        self.wrong, self.right, self.count, self.situations = True, False, 1, []
        words = words.split()
        self.kind = words.pop(0)
        self.severity = kinds[self.kind]
        while words:
            word = words.pop(0)
            if word == "as":
                self.severity = words.pop(0)
            elif word == "of":
                self.case = words.pop(0)
            elif word == "if":
                self.situations, words = words, []
            elif re.fullmatch(r"\d+x", word):
                self.count = int(word[:-1])
            else:
                raise ValueError(f"line {self.line}: what is '{word}'?")

    def holds(self, judge, domain):
        here = (judge, f"{judge}/{domain}", f"any/{domain}")
        return not self.situations or any(name in here for name in self.situations)


class Topic:
    """A source file: its cases, and all that is expected of them."""

    def __init__(self, path, kinds):
        self.cases, self.expected, self.roles, self.status = [], [], {}, {}
        self.kinds = kinds
        waiting, case, function = [], None, None
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                definition = DEFINITION.match(line)
                if definition:
                    case, function = definition.group(1), definition.group(1) or definition.group(2)
                    if case:
                        self.cases.append(case)
                waiting += MARK.findall(line)
                if waiting and ONLY_MARKS.match(line):
                    continue
                for mark in waiting:
                    self._add(*mark, (number, function, case))
                waiting = []

    def _add(self, mark, words, place):
        line, _, case = place
        if mark == "role":
            role, *of = words.split()
            self.roles.setdefault(of[1] if of else case, {})[role] = line
        elif mark == "status":
            number, *wrong = words.split()
            self.status[case] = (int(number), bool(wrong))
        else:
            expectation = Expectation(words, place, self.kinds)
            expectation.wrong, expectation.right = mark != "twin", mark != "expect"
            assert expectation.case in self.cases or "of" in words, f"line {line}: of which case?"
            self.expected.append(expectation)

    def findings(self, case, wrong, situation):
        """What the report of this run has to say, of one case or all ("all")."""
        found = []
        for one in self.expected:
            if case in ("all", one.case) and one.holds(*situation) and (
                    one.wrong if wrong else one.right):
                roles = self.roles.get(one.case, {})
                wanted = {role: roles[role] for role in ROLES.get(one.kind, ()) if role in roles}
                found.append((one.line, one.kind, one.severity, one.count, one.function,
                              tuple(sorted(wanted.items()))))
        return sorted(found)

    def exit_status(self, case, wrong):
        """How the program itself ends."""
        status, only_wrong = self.status.get(case, (0, False))
        return status if wrong or not only_wrong else 0
