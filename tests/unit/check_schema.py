#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds written reports against docs/nvrtl-report-1.schema.json, and sees the schema refuse reports
that are broken in one place each."""

import argparse
import copy
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema

EXAMPLE = json.loads(
    """
{ "schema": "nvrtl-report/1", "program": ["./ledger", "file"], "exit": 0, "stores": "hooks",
  "judge": "strict", "summary": { "error": 1, "warning": 0, "performance": 0, "note": 0 },
  "regions": [ { "id": 1, "path": "file", "size": 24576, "domain": "page-cache" } ],
  "findings": [ { "kind": "unflushed-write", "code": "0x0B00", "severity": "error", "count": 51,
      "region": 1, "ranges": [ { "offset": 64, "length": 8 } ],
      "message": "8 bytes stored at ledger.c:38 were never flushed",
      "at": { "function": "append", "file": "ledger.c", "line": 38 },
      "stack": [ { "function": "append", "file": "ledger.c", "line": 38 },
                 { "function": "main", "file": "ledger.c", "line": 74 } ],
      "related": [ { "role": "freed", "function": "main", "file": "ledger.c", "line": 80,
                     "stack": [] } ] } ] }
"""
)

REMOVE = object()

# Where in the example, and what is put there.
BREAKS = [
    (["schema"], "nvrtl-report/2"),
    (["schema"], REMOVE),
    (["program"], "./ledger file"),
    (["program"], []),
    (["directory"], ""),
    (["exit"], -1),
    (["exit"], "0"),
    (["stores"], "binary"),
    (["judge"], "lenient"),
    (["verdict"], "clean"),
    (["remarks"], [7]),
    (["summary"], REMOVE),
    (["summary", "note"], REMOVE),
    (["summary", "fatal"], 1),
    (["regions"], {}),
    (["regions", 0, "id"], 0),
    (["regions", 0, "domain"], "persistent"),
    (["regions", 0, "size"], "24576"),
    (["regions", 0, "path"], REMOVE),
    (["findings", 0, "kind"], "unflushed"),
    (["findings", 0, "code"], 0x0B00),
    (["findings", 0, "code"], "0xb00"),
    (["findings", 0, "severity"], "fatal"),
    (["findings", 0, "count"], 0),
    (["findings", 0, "count"], 1.5),
    (["findings", 0, "region"], None),
    (["findings", 0, "ranges"], REMOVE),
    (["findings", 0, "ranges", 0, "length"], -8),
    (["findings", 0, "ranges", 0, "address"], 64),
    (["findings", 0, "more_ranges"], False),
    (["findings", 0, "message"], ""),
    (["findings", 0, "mend"], None),
    (["findings", 0, "fix"], []),
    (["findings", 0, "fix"], [{"line": 38, "column": 1, "endLine": 38, "endColumn": 1}]),
    (["findings", 0, "suppression"], {"reason": "r"}),
    (["suppressed"], []),
    (["suppressed"], [EXAMPLE["findings"][0]]),
    (["findings", 0, "at"], None),
    (["findings", 0, "at"], []),
    (["findings", 0, "at"], "ledger.c:38"),
    (["findings", 0, "at"], REMOVE),
    (["findings", 0, "at", "line"], "38"),
    (["findings", 0, "at", "line"], 0),
    (["findings", 0, "at", "file"], REMOVE),
    (["findings", 0, "at", "column"], 5),
    (["findings", 0, "at", "offset"], 64),
    (["findings", 0, "at", "inlined"], False),
    (["findings", 0, "source"], {}),
    (["findings", 0, "source"], {"first": 37}),
    (["findings", 0, "source"], {"first": 37, "lines": []}),
    (["findings", 0, "source"], {"first": 0, "lines": [""]}),
    (["findings", 0, "source"], {"first": 37, "lines": [""], "changed": True}),
    (["findings", 0, "source"], {"changed": False}),
    (["findings", 0, "stack"], {}),
    (["findings", 0, "stack", 1, "function"], None),
    (["findings", 0, "stack", 1, "role"], "store"),
    (["findings", 0, "related"], {}),
    (["findings", 0, "related", 0, "role"], "cause"),
    (["findings", 0, "related", 0, "role"], REMOVE),
    (["findings", 0, "related", 0, "stack"], REMOVE),
    (["findings", 0, "related", 0, "file"], REMOVE),
]


def broken(path, value):
    report = copy.deepcopy(EXAMPLE)
    place = report
    for step in path[:-1]:
        place = place[step]
    if value is REMOVE:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return report


def check(validator, writer, kinds):
    complaints = []
    for error in validator.iter_errors(EXAMPLE):
        complaints.append(f"the example: {error.json_path}: {error.message}")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("full.json", "bare.json")]
        subprocess.run([writer, *paths], check=True)
        for path in paths:
            for error in validator.iter_errors(json.loads(path.read_text())):
                complaints.append(f"{path.name}: {error.json_path}: {error.message}")
    for path, value in BREAKS:
        if validator.is_valid(broken(path, value)):
            what = "removed" if value is REMOVE else f"= {value!r}"
            complaints.append(f"accepted with {'.'.join(map(str, path))} {what}")
    names = re.findall(r'^KIND\(\w+, "([a-z-]+)"', kinds.read_text(), re.MULTILINE)
    if names != validator.schema["$defs"]["finding"]["properties"]["kind"]["enum"]:
        complaints.append(f"{kinds.name} and the schema list other kinds")
    return complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("schema", type=Path)
    parser.add_argument("writer", type=Path, help="test_report_json")
    parser.add_argument("kinds", type=Path, help="kinds.def")
    options = parser.parse_args()
    schema = json.loads(options.schema.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    complaints = check(validator, options.writer.resolve(), options.kinds)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
