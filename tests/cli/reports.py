# SPDX-License-Identifier: BSD-2-Clause
"""Reports for the tests of what is made of them, and what holds formats against their schemas."""

import copy
import html.parser
import json
import os
import subprocess

import jsonschema

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCHEMAS = os.path.join(ROOT, "tests/fixtures/schemas")
FORMATS = {"text": "report.txt", "json": "report.json", "sarif": "report.sarif",
           "junit": "report.xml", "html": "report.html"}


def load(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return json.load(file)


REPORT = jsonschema.Draft202012Validator(load("docs/nvrtl-report-1.schema.json"))
DIFF = jsonschema.Draft202012Validator(load("docs/nvrtl-diff-1.schema.json"))
SARIF = jsonschema.Draft4Validator(load("tests/fixtures/schemas/sarif-schema-2.1.0.json"))


def finding(kind="unflushed-write", function="append", line=38, **members):
    """One finding; callers: the lines of main, outermost last."""
    severity = members.pop("severity", "error")
    file = members.pop("file", "/src/ledger.c")
    callers = members.pop("callers", ("main",))
    at = {"function": function, "file": file, "line": line}
    stack = [at] + [{"function": name, "file": file, "line": line + 100 + i}
                    for i, name in enumerate(callers)]
    return {"kind": kind, "code": "0x0B00", "severity": severity, "count": 1, "region": 1,
            "ranges": [{"offset": 64, "length": 8}],
            "message": f"8 bytes stored at ledger.c:{line} were never flushed",
            "at": at, "stack": stack, "related": [], **members}


def report(*findings, **members):
    """A report of these findings."""
    findings = copy.deepcopy(list(findings))
    summary = {name: sum(one["severity"] == name for one in findings)
               for name in ("error", "warning", "performance", "note")}
    return {"schema": "nvrtl-report/1", "program": ["./ledger", "file"], "directory": "/src",
            "exit": 0, "stores": "api", "judge": "strict", "summary": summary,
            "regions": [{"id": 1, "path": "file", "size": 24576, "domain": "page-cache"}],
            "findings": findings, **members}


def check_junit(path):
    """What is wrong with a JUnit file, by our schema; an empty string when nothing is."""
    result = subprocess.run(["xmllint", "--noout", "--relaxng", f"{SCHEMAS}/junit.rng", path],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            check=False)
    return result.stdout if result.returncode else ""


class Page(html.parser.HTMLParser):
    """An HTML page: its text, and every element with its attributes. Elements must be closed in the
    order in which they were opened."""

    EMPTY = ("meta", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text, self.ids, self.links = [], [], "", [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data

    def named(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]
