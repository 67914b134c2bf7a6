#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Suppressions: what they match, what becomes of what they match in each format, entries that find
nothing, entries that are printed, and files that are wrong."""

import json
import os
import unittest
import xml.etree.ElementTree as tree

import reports
from command import FolderTest, run

ODD = os.environ.get("ODD_BIN", "odd")


def entry(kind="unflushed-write", reason="it is made anew", **keys):
    return "\n".join([f"[{kind}]", *(f"{key} = {value}" for key, value in keys.items()),
                      f"reason = {reason}", ""])


class SuppressionsTest(FolderTest):
    parent = os.environ.get("NVRTL_TEST_DIR",
                            "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None)

    def apply(self, entries, *findings, **members):
        """The report with these entries applied."""
        path = self.write("entries", entries.encode())
        report = self.write("report.json", json.dumps(reports.report(*findings,
                                                                     **members)).encode())
        result = run("report", "json", "--suppressions", path, report)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        applied = json.loads(result.stdout)
        reports.REPORT.validate(applied)
        return applied

    def test_what_matches(self):
        one = reports.finding(file="/home/u/src/index.c", callers=("load", "main"))
        library = reports.finding()
        library["at"] = {"function": "put", "module": "/opt/lib/libbook.so.2", "offset": 16}
        library["stack"] = [library["at"]]
        odd = reports.finding(function="operator[]")
        for finding, keys, matches in (
                (one, {"function": "append"}, True), (one, {"function": "app*"}, True),
                (one, {"function": "appen"}, False), (one, {"function": "?ppend"}, True),
                (one, {"function": "main"}, False), (one, {"caller": "main"}, True),
                (one, {"caller": "append"}, False), (one, {"caller": "l*d"}, True),
                (one, {"file": "index.c"}, True), (one, {"file": "src/index.c"}, True),
                (one, {"file": "src/*"}, True), (one, {"file": "/home/u/src/index.c"}, True),
                (one, {"file": "*.c"}, True), (one, {"file": "x.c"}, False),
                (one, {"file": "ndex.c"}, False), (one, {"file": "src"}, False),
                (one, {"function": "append", "file": "index.c", "caller": "main"}, True),
                (one, {"function": "append", "file": "other.c"}, False),
                (one, {"kind": "all", "function": "append"}, True),
                (one, {"kind": "bad-token", "function": "append"}, False),
                (library, {"file": "libbook.so*"}, True), (library, {"file": "*.c"}, False),
                (odd, {"function": r"operator\[\]"}, True),
                (odd, {"function": "operator[a-z]"}, False)):
            with self.subTest(keys):
                applied = self.apply(entry(**keys), finding)
                self.assertEqual(len(applied.get("suppressed", [])), int(matches))
                self.assertEqual(len(applied["findings"]), int(not matches))
                unused = [remark for remark in applied.get("remarks", [])
                          if "found nothing" in remark]
                self.assertEqual(len(unused), int(not matches))

    def test_the_first_that_matches_counts(self):
        text = "# two of them\n\n" + entry(function="append") + entry(function="a*", reason="b")
        applied = self.apply(text, reports.finding(), reports.finding("bad-token"))
        self.assertEqual(applied["summary"]["error"], 1)
        self.assertEqual(applied["suppressed"][0]["suppression"],
                         {"reason": "it is made anew", "place": f"{self.path('entries')}:3"})
        self.assertEqual(applied["remarks"], [
            f"{self.path('entries')}:6: the suppression of unflushed-write found nothing"])

    def test_every_format(self):
        suppressed = self.apply(entry(function="append"), reports.finding(),
                                reports.finding("bad-token", severity="warning", line=9))
        path = self.write("report.json", json.dumps(suppressed).encode())

        def make(name):
            return run("report", name, path, cwd=self.folder).stdout

        text = make("text")
        self.assertTrue(text.startswith("nvrtl: 0 errors, 1 warning, 1 suppressed in ledger\n"))
        self.assertRegex(text, r"(?s)\nsuppressed:\n.*ledger\.c:38: error: .*"
                               r"= why: +it is made anew\n +=\ said: .*entries:1\n")
        log = json.loads(make("sarif"))
        reports.SARIF.validate(log)
        by_rule = {one["ruleId"]: one for one in log["runs"][0]["results"]}
        self.assertEqual(by_rule["0x0B00"]["suppressions"],
                         [{"kind": "external", "justification": "it is made anew"}])
        self.assertNotIn("suppressions", by_rule["0x0B05"])
        root = tree.fromstring(make("junit"))
        self.assertEqual((root.get("tests"), root.get("failures")), ("2", "0"))
        self.assertEqual(root.find(".//skipped").get("message"), "it is made anew")
        self.assertEqual(reports.check_junit(self.write("x.xml", make("junit").encode())), "")
        page = reports.Page(make("html"))
        self.assertIn("it is made anew", page.text)
        self.assertEqual(len(page.named("article")), 1)
        # Written again and merged they stay.
        self.assertEqual(json.loads(make("json")), suppressed)
        merged = json.loads(run("report", "merge", path, path).stdout)
        self.assertEqual([one["count"] for one in merged["suppressed"]], [2])
        self.assertEqual(merged["summary"]["error"], 0)

    def test_nothing_but_suppressed_is_not_called_clean(self):
        suppressed = self.apply(entry(function="append"), reports.finding())
        path = self.write("report.json", json.dumps(suppressed).encode())
        text = run("report", "text", path).stdout
        self.assertTrue(text.startswith("nvrtl: 0 errors, 0 warnings, 1 suppressed in ledger\n"))

    def test_a_gate(self):
        """What is suppressed is not new; in an old report it is not there."""
        report = self.write("report.json", json.dumps(reports.report(reports.finding())).encode())
        none = self.write("none.json", json.dumps(reports.report()).encode())
        entries = self.write("entries", entry(function="append").encode())
        self.assertEqual(run("report", "diff", none, report).returncode, 1)
        self.assertEqual(run("report", "diff", "--suppressions", entries, none,
                             report).returncode, 0)

    def run_odd(self, *options):
        return run("run", "--disable=leaked-token", *options, "--report=text,json", "--output",
                   self.path("out"), "--", ODD, "dirty", self.path("file"))

    def test_a_run(self):
        self.assertEqual(self.run_odd().returncode, 1)
        entries = self.write("entries", entry(function="odd_forget").encode())
        other = self.write("other", entry(kind="bad-token", function="f").encode())
        result = self.run_odd("--suppressions", entries, "--suppressions", other)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("1 suppressed", result.stderr)
        self.assertIn(f"{other}:1: the suppression of bad-token found nothing", result.stderr)
        report = json.loads(self.read("out/report.json"))
        reports.REPORT.validate(report)
        self.assertEqual((report["findings"], len(report["suppressed"])), ([], 1))

    def test_entries_that_are_printed(self):
        """They suppress what they were made of, and nothing else."""
        result = self.run_odd("--gen-suppressions")
        self.assertEqual(result.returncode, 1)
        printed = result.stderr[result.stderr.index("\n[unflushed-write]\n") + 1:]
        self.assertRegex(printed, r"\A\[unflushed-write\]\nfunction = odd_forget\n"
                                  r"file = \S*odd\.c\nreason = .*\n\n\Z")
        path = self.path("out/report.json")
        self.assertEqual(run("report", "suppressions", path).stdout, printed)
        entries = self.write("entries", printed.encode())
        self.assertEqual(self.run_odd("--suppressions", entries).returncode, 0)
        self.assertEqual(run("report", "suppressions", "--suppressions", entries, path).stdout, "")

    def test_entries_for_odd_names(self):
        findings = [reports.finding(function=name) for name in
                    ("operator[]", "a*b", "what?", "back\\slash", "[x]", "# no comment", "a = b",
                     " x ", "tab\t")]
        bare = reports.finding("bad-token")
        bare["at"] = {"module": "/lib/x.so", "offset": 1}
        bare["stack"] = [bare["at"]]
        findings += [bare, reports.finding(), reports.finding(line=90)]
        report = self.write("report.json", json.dumps(reports.report(*findings)).encode())
        printed = run("report", "suppressions", report).stdout
        self.assertEqual(printed.count("reason = "), len(findings) - 1) # two are alike
        applied = self.apply(printed, *findings)
        self.assertEqual(applied["findings"], [])
        self.assertNotIn("remarks", applied)
        nowhere = reports.finding() | {"at": {}, "stack": []}
        self.write("report.json", json.dumps(reports.report(nowhere)).encode())
        self.assertEqual(run("report", "suppressions", report).stdout,
                         "# unflushed-write at an unknown place cannot be named\n\n")

    def test_files_that_are_wrong(self):
        good = entry(function="f")
        for text, line, words in (
                ("[unflushed]\n", 1, "no kind of finding called unflushed"),
                ("[unflushed-write\n", 1, "no kind of finding: [unflushed-write"),
                (good + "[x" + 100 * "y" + "]", 4, "no kind"),
                ("function = f\n", 1, "no [kind] before function = f"),
                (good + "nonsense\n", 4, "no key = value"),
                (good + "[bad-token]\n\nfunction = f\n", 4, "no reason"),
                ("[bad-token]\nreason = r\n" + good, 1, "no function, file or caller"),
                ("[bad-token]\nfunctions = f\n", 2, "no such key"),
                ("[bad-token]\nfunction =\n", 2, "nothing behind function ="),
                ("[bad-token]\nfunction = f\n\nfunction = g\n", 4, "already: function"),
                ("[bad-token]\n\x1b[31m\n", 2, "?[31m"), ("a\0b\n", 1, "no text")):
            with self.subTest(text):
                path = self.write("entries", text.encode())
                result = run("run", "--suppressions", path, "--", "touch", self.path("ran"))
                self.assert_fails(result, 125, f"nvrtl: {path}:{line}: ", words)
                self.assertNotIn("\x1b", result.stderr)
                self.assertFalse(os.path.exists(self.path("ran")))
        report = self.write("report.json", json.dumps(reports.report()).encode())
        self.assert_fails(run("report", "text", "--suppressions", path, report), 2, f"{path}:1: ")
        self.assert_fails(run("run", "--suppressions=/nowhere", "--", "true"), 125, "/nowhere")

    def test_how_it_may_be_written(self):
        for text in ("  [unflushed-write]  \r\n\tfunction=append\r\n#x\r\nreason\t=  a = b # c\r\n",
                     "\n\n[all]\nreason = a = b # c\nfunction = append"):
            applied = self.apply(text, reports.finding())
            self.assertEqual(applied["suppressed"][0]["suppression"]["reason"], "a = b # c")
        self.assertEqual(self.apply("", reports.finding())["summary"]["error"], 1)


if __name__ == "__main__":
    unittest.main()
