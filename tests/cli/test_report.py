#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nvrtl report: every format of a run, made by the run and of its JSON; several reports as one; an
old report against a new one; and what is said of files that are no reports."""

import copy
import json
import os
import re
import unittest
import xml.etree.ElementTree as tree

import reports
from command import FolderTest, run

ODD = os.environ.get("ODD_BIN", "odd")
EVIL = "a<b>&\"'\x1b[31m\x85\ufffe\u202e]]>\t\n</script><!--\U0001f600"


class ReportTest(FolderTest):
    parent = os.environ.get("NVRTL_TEST_DIR",
                            "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None)

    def save(self, report, name="report.json"):
        return self.write(name, json.dumps(report).encode())

    def nvrtl(self, *arguments, status=0, **options):
        result = run("report", *arguments, **options)
        self.assertEqual(result.returncode, status, result.stderr)
        return result.stdout

    def json(self, *arguments, **options):
        report = json.loads(self.nvrtl(*arguments, **options))
        reports.REPORT.validate(report)
        return report

    def sarif(self, *arguments, **options):
        log = json.loads(self.nvrtl("sarif", *arguments, **options))
        reports.SARIF.validate(log)
        return log["runs"][0]

    def junit(self, report, **options):
        path = self.write("report.xml", self.nvrtl("junit", self.save(report), **options).encode())
        self.assertEqual(reports.check_junit(path), "")
        return tree.parse(path).getroot()

    def html(self, report):
        return reports.Page(self.nvrtl("html", self.save(report)))


class FormatsTest(ReportTest):
    """All formats of one run."""

    def run_odd(self, *options):
        return run("run", *options, "--output", self.path("out"), "--", ODD, "dirty",
                   self.path("file"))

    def test_a_run_writes_what_was_asked_for(self):
        for formats in (["json"], ["sarif", "html"], list(reports.FORMATS)):
            with self.subTest(formats):
                self.run_odd("--report=" + ",".join(formats))
                self.assertEqual(sorted(os.listdir(self.path("out"))),
                                 sorted(reports.FORMATS[name] for name in formats))
                for name in os.listdir(self.path("out")):
                    os.remove(self.path(f"out/{name}"))

    def test_made_of_the_json_they_are_the_same(self):
        """But for colours, all that a format shows is in the JSON."""
        self.run_odd("--report=" + ",".join(reports.FORMATS))
        for name, file in reports.FORMATS.items():
            with self.subTest(name):
                self.assertEqual(self.nvrtl(name, self.path("out/report.json")).encode(),
                                 self.read(f"out/{file}"))

    def test_on_standard_error(self):
        result = run("run", "--report=junit", "--", ODD, "dirty", self.path("file"))
        self.assertEqual(tree.fromstring(result.stderr).tag, "testsuites")

    def test_every_format_is_valid(self):
        self.run_odd("--report=" + ",".join(reports.FORMATS))
        reports.SARIF.validate(json.loads(self.read("out/report.sarif")))
        reports.REPORT.validate(json.loads(self.read("out/report.json")))
        self.assertEqual(reports.check_junit(self.path("out/report.xml")), "")
        page = reports.Page(self.read("out/report.html").decode())
        self.assertIn("odd_forget", page.text)
        source, = {re.search(r"odd\.c:(\d+): error", line).group(1)
                   for line in self.read("out/report.txt").decode().splitlines()
                   if "odd.c" in line and "error:" in line}
        self.assertIn(source, page.text)

    def test_strings_that_mean_no_good(self):
        """They stand in every place where a string can stand."""
        one = reports.finding(function=EVIL, file=f"/src/{EVIL}.c", callers=(EVIL,), message=EVIL,
                              mend=EVIL, rescued_by=EVIL, source={"first": 38, "lines": [EVIL]})
        one["related"] = [{"role": "freed", "stack": one["stack"],
                           "source": {"first": 38, "lines": [EVIL]}, **one["at"]}]
        other = reports.finding(severity="warning")
        other["at"] = {"function": EVIL, "module": EVIL, "offset": 1}
        other["stack"] = [other["at"]]
        report = reports.report(one, other, program=[EVIL, EVIL], remarks=[EVIL], regions=[
            {"id": 1, "path": EVIL, "size": 1, "domain": "memory", "reason": EVIL}])
        path = self.save(report)
        self.assertEqual(self.json("json", path)["findings"][0]["message"], EVIL)
        text = self.nvrtl("text", path)
        self.assertTrue(all(char.isprintable() or char == "\n" for char in text))
        result = self.sarif(path)["results"][0]
        self.assertTrue(result["message"]["text"].startswith(EVIL))
        root = self.junit(report)
        self.assertIn("<b>&\"'", root.find(".//failure").get("message"))
        page = self.html(report)
        self.assertIn("<b>&\"'", page.text)
        self.assertIn("</script><!--", page.text)
        self.assertNotRegex(page.text + "".join(root.itertext()), "[\x1b\x85\ufffe\u202e]")
        self.assertEqual({name for name, _ in page.elements} & {"script", "img", "link"}, set())


class SarifTest(ReportTest):
    def test_rules_are_the_kinds(self):
        rules = self.sarif(self.save(reports.report()))["tool"]["driver"]["rules"]
        kinds = reports.REPORT.schema["$defs"]["finding"]["properties"]["kind"]["enum"]
        self.assertEqual([rule["name"] for rule in rules], kinds)
        self.assertEqual([rule["id"] for rule in rules],
                         [f"0x{0x0B00 + i:04X}" for i in range(len(kinds))])
        levels = {rule["name"]: rule["defaultConfiguration"] for rule in rules}
        self.assertEqual(levels["unflushed-write"], {"level": "error", "enabled": True})
        self.assertEqual(levels["redundant-flush"], {"level": "note", "enabled": True})
        self.assertEqual(levels["unpersisted-read"], {"level": "warning", "enabled": False})

    def test_a_result(self):
        one = reports.finding("undrained-flush", file="/src/with space/ü.c", count=51,
                              source={"first": 37, "lines": ["a();", "  b();", "c();"]})
        one["related"] = [
            {"role": "freed", "function": "main", "file": "/elsewhere/x.c", "line": 80,
             "stack": []},
            {"role": "store", "function": "put", "module": "/lib/p.so", "offset": 16,
             "stack": [{"function": "put", "module": "/lib/p.so", "offset": 16}]}]
        run_of = self.sarif("--base", self.path("."), self.save(reports.report(one)))
        result, = run_of["results"]
        self.assertEqual((result["ruleId"], result["ruleIndex"], result["level"]),
                         ("0x0B01", 1, "error"))
        self.assertEqual(result["occurrenceCount"], 51)
        place = result["locations"][0]["physicalLocation"]
        self.assertEqual(place["artifactLocation"], {"uri": "file:///src/with%20space/%C3%BC.c"})
        self.assertEqual(place["region"], {"startLine": 38, "snippet": {"text": "  b();"}})
        self.assertEqual(place["contextRegion"], {"startLine": 37, "endLine": 39, "snippet": {
            "text": "a();\n  b();\nc();"}})
        freed, stored = result["relatedLocations"]
        self.assertEqual([one["properties"]["role"] for one in (freed, stored)],
                         ["freed", "store"])
        self.assertEqual(freed["physicalLocation"]["region"]["startLine"], 80)
        self.assertEqual(stored["physicalLocation"], {
            "artifactLocation": {"uri": "file:///lib/p.so"}, "address": {"relativeAddress": 16}})
        self.assertEqual([len(stack["frames"]) for stack in result["stacks"]], [2, 1, 1])
        steps = result["codeFlows"][0]["threadFlows"][0]["locations"]
        self.assertEqual([step["location"]["message"]["text"] for step in steps],
                         ["stored here", "flushed here", "token freed here"])

    def test_paths_below_the_base(self):
        one = reports.finding(file=self.path("src/a.c"))
        run_of = self.sarif("--base", self.folder, self.save(reports.report(one)))
        base = run_of["originalUriBaseIds"]["SRCROOT"]["uri"]
        place = run_of["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
        self.assertEqual((place, base), ({"uri": "src/a.c", "uriBaseId": "SRCROOT"},
                                         f"file://{self.folder}/"))

    def prints(self, *findings, **members):
        results = self.sarif(self.save(reports.report(*findings, **members)))["results"]
        return [result["partialFingerprints"]["nvrtl/v1"] for result in results]

    def test_fingerprints(self):
        """Stable where lines move or the tree lies elsewhere; different for all else."""
        before = self.prints(reports.finding(), reports.finding(line=50))
        self.assertEqual(before[0].rpartition(":")[0], before[1].rpartition(":")[0])
        self.assertEqual(len(set(before)), 2)
        moved = [reports.finding(line=40, file="/other/ledger.c"),
                 reports.finding(line=60, file="/other/ledger.c")]
        self.assertEqual(before, self.prints(*moved, directory="/other"))
        for other in (reports.finding(kind="undrained-flush"), reports.finding(function="put"),
                      reports.finding(callers=("load", "main")),
                      reports.finding(file="/src/other.c")):
            self.assertNotEqual(before[0], self.prints(other)[0])

    def test_what_was_not_seen(self):
        self.assertTrue(self.sarif(self.save(reports.report()))["invocations"][0][
            "executionSuccessful"])
        log = self.sarif(self.save(reports.report(incomplete=True, remarks=["something"])))
        self.assertFalse(log["invocations"][0]["executionSuccessful"])
        self.assertEqual(log["invocations"][0]["toolExecutionNotifications"][0]["message"],
                         {"text": "something"})


class JunitTest(ReportTest):
    def test_a_case_for_each_finding(self):
        root = self.junit(reports.report(
            reports.finding(), reports.finding(line=60),
            reports.finding(severity="warning", function="put"),
            reports.finding("redundant-flush", severity="performance"),
            reports.finding(severity="note", function=None) | {"at": {}, "stack": []}))
        self.assertEqual((root.get("tests"), root.get("failures"), root.get("errors")),
                         ("5", "2", "0"))
        cases = root.findall("testsuite/testcase")
        self.assertEqual([case.get("name") for case in cases],
                         ["unflushed-write in append", "unflushed-write in append (2)",
                          "unflushed-write in put", "redundant-flush in append",
                          "unflushed-write at an unknown place"])
        self.assertEqual([case.find("failure") is not None for case in cases],
                         [True, True, False, False, False])
        self.assertEqual({case.get("classname") for case in cases}, {"ledger"})
        failure = cases[0].find("failure")
        self.assertEqual(failure.get("type"), "unflushed-write")
        self.assertIn("ledger.c:38: error: 8 bytes", failure.text)

    def test_clean_programs(self):
        for members, skipped in (({}, "0"), ({"regions": []}, "1"), ({"incomplete": True}, "1")):
            with self.subTest(members):
                root = self.junit(reports.report(**members))
                self.assertEqual((root.get("tests"), root.get("failures")), ("1", "0"))
                self.assertEqual(root.find("testsuite").get("skipped"), skipped)
                self.assertEqual(len(root.findall(".//skipped")), int(skipped))

    def test_names_have_no_dots_that_separate(self):
        root = self.junit(reports.report(program=["./a.b.out"]))
        self.assertEqual(root.find(".//testcase").get("classname"), "a_b_out")


class HtmlTest(ReportTest):
    def test_it_loads_nothing(self):
        page = self.html(reports.report(reports.finding(), reports.finding("bad-token", line=9)))
        self.assertEqual([name for name, attributes in page.elements
                          if {"src", "srcset", "action", "data"} & set(attributes)], [])
        self.assertTrue(all(link["href"].startswith("#") for link in page.named("a")))
        targets = {one.get("id") for one in page.named("article")}
        self.assertEqual({link["href"][1:] for link in page.named("a")}, targets)
        style = self.nvrtl("html", self.save(reports.report()))
        self.assertNotRegex(style, r"url\(|@import|https?:")
        for part in ("prefers-color-scheme:dark", "@media print", "default-src 'none'"):
            self.assertIn(part, style)

    def test_the_caret_stands_below_the_text(self):
        one = reports.finding(source={"first": 37, "lines": ["", "\t  x = 1;"]})
        page = self.nvrtl("html", self.save(reports.report(one)))
        self.assertIn('<span class="blamed"><i>38</i><b>\t  x = 1;</b></span>'
                      '<span class="caret"><i></i><b>\t  ^</b></span>', page)


class MergeTest(ReportTest):
    def test_equal_findings_become_one(self):
        first = self.save(reports.report(reports.finding(), exit=0, remarks=["one", "both"]), "1")
        second = reports.report(reports.finding(count=2), reports.finding(line=39), exit=3,
                                remarks=["both"])
        second["regions"].insert(0, {"id": 7, "path": "other", "size": 1, "domain": "memory"})
        second["findings"][1]["region"] = 7
        merged = self.json("merge", first, self.save(second, "2"))
        self.assertEqual([(one["at"]["line"], one["count"]) for one in merged["findings"]],
                         [(38, 3), (39, 1)])
        self.assertEqual(merged["summary"]["error"], 2)
        self.assertEqual([region["path"] for region in merged["regions"]], ["file", "other"])
        self.assertEqual([one["region"] for one in merged["findings"]], [1, 2])
        self.assertEqual(merged["findings"][0]["ranges"], 2 * [{"offset": 64, "length": 8}])
        self.assertEqual(merged["exit"], 3)
        self.assertEqual(merged["remarks"][:2], ["one", "both"])
        self.assertIn("2 reports", merged["remarks"][2])
        # Of one there is nothing to merge, but to write it again.
        self.assertEqual(self.json("merge", first), self.json("json", first))

    def test_what_is_not_equal_stays_apart(self):
        findings = [reports.finding(), reports.finding(function="put"),
                    reports.finding(severity="warning"), reports.finding("bad-token"),
                    reports.finding(callers=("load", "main")), reports.finding(file="/src/o.c")]
        merged = self.json("merge", self.save(reports.report(*findings), "1"),
                           self.save(reports.report(*findings), "2"))
        self.assertEqual([one["count"] for one in merged["findings"]], len(findings) * [2])

    def test_least_that_was_seen(self):
        merged = self.json("merge", self.save(reports.report(stores="hooks"), "1"),
                           self.save(reports.report(stores="api", incomplete=True), "2"))
        self.assertEqual((merged["stores"], merged["incomplete"]), ("api", True))
        result = run("report", "merge", self.save(reports.report(), "1"),
                     self.save(reports.report(judge="memory"), "2"))
        self.assert_fails(result, 2, "'strict'", "'memory'")

    def test_every_format_takes_several(self):
        first = self.save(reports.report(reports.finding()), "1")
        second = self.save(reports.report(reports.finding("bad-token")), "2")
        self.assertEqual(len(self.sarif(first, second)["results"]), 2)
        text = self.nvrtl("text", first, second)
        self.assertIn("[unflushed-write]", text)
        self.assertIn("[bad-token]", text)


class DiffTest(ReportTest):
    def diff(self, before, now, *options, status=0):
        before = self.save(reports.report(*before), "before")
        now = self.save(reports.report(*now), "now")
        diff = json.loads(self.nvrtl("diff", "--json", *options, before, now, status=status))
        reports.DIFF.validate(diff)
        for name, count in diff["summary"].items():
            self.assertEqual(count, len(diff[name]))
        text = self.nvrtl("diff", *options, before, now, status=status)
        return diff["summary"], diff, text

    def test_same(self):
        summary, _, text = self.diff([reports.finding()], [reports.finding()])
        self.assertEqual(summary, {"new": 0, "worse": 0, "gone": 0, "same": 1})
        self.assertEqual(text, "nvrtl: 0 new, 0 gone, 1 same\n")
        self.assertEqual(self.diff([], [])[0]["same"], 0)

    def test_new_and_gone(self):
        for other in (reports.finding("bad-token"), reports.finding(function="put"),
                      reports.finding(file="/src/other.c"),
                      reports.finding(callers=("load", "main"))):
            summary, diff, text = self.diff([reports.finding()], [other], status=1)
            self.assertEqual(summary, {"new": 1, "worse": 0, "gone": 1, "same": 0})
            self.assertEqual(diff["new"][0]["at"], other["at"])
            self.assertEqual(diff["gone"][0]["kind"], "unflushed-write")
            self.assertRegex(text, rf"(?s)^nvrtl: 1 new, 1 gone, 0 same\n\nnew:\n.*"
                                   rf"\.c:38: error: .*{other['kind']}.*\n\ngone:\n"
                                   r".*ledger\.c:38: error:")
        self.assertEqual(self.diff([reports.finding()], [])[0]["gone"], 1)
        self.assertEqual(self.diff([], [reports.finding()], status=1)[0]["new"], 1)

    def test_moved_lines_are_not_new(self):
        before = [reports.finding(), reports.finding(line=50)]
        now = [reports.finding(line=44), reports.finding(line=90)]
        self.assertEqual(self.diff(before, now)[0]["same"], 2)
        # One more in the same function is.
        self.assertEqual(self.diff(before, [*now, reports.finding(line=95)], status=1)[0],
                         {"new": 1, "worse": 0, "gone": 0, "same": 2})

    def test_another_checkout_is_not_new(self):
        before = self.save(reports.report(reports.finding()), "before")
        elsewhere = reports.report(reports.finding(file="/home/u/ledger.c"), directory="/home/u")
        self.assertIn("1 same", self.nvrtl("diff", before, self.save(elsewhere, "now")))

    def test_counts(self):
        summary, diff, text = self.diff([reports.finding(count=51)], [reports.finding(count=7)])
        self.assertEqual((summary["same"], diff["same"][0]["before"]),
                         (1, {"severity": "error", "count": 51}))
        self.assertIn("51 before, 7 now", text)
        # Of many files with the same mistake there are more or less in each run.
        several = [reports.finding(), reports.finding()]
        summary, diff, _ = self.diff([reports.finding()], several)
        self.assertEqual((summary["same"], diff["same"][0]["count"]), (1, 2))

    def test_severities(self):
        warning, error = reports.finding(severity="warning"), reports.finding()
        summary, diff, text = self.diff([warning], [error], status=1)
        self.assertEqual((summary["worse"], diff["worse"][0]["before"]["severity"]),
                         (1, "warning"))
        self.assertIn("1 worse", text)
        self.assertEqual(self.diff([error], [warning])[0]["same"], 1)

    def test_what_counts_for_the_status(self):
        for severity in ("error", "warning", "performance", "note"):
            new = [reports.finding(severity=severity)]
            self.diff([], new, status=int(severity != "note"))
            self.diff([], new, "--severity=note", status=1)
            self.diff([], new, "--severity=error", status=int(severity == "error"))


class InputTest(ReportTest):
    def test_usage(self):
        good = self.save(reports.report())
        for arguments, words in (([], "what is to be done?"), (["prose", good], "'prose'"),
                                 (["text"], "needs 1 report"), (["diff", good], "needs 2 reports"),
                                 (["diff", good, good, good], "takes 2 reports"),
                                 (["diff", "--severity=bad", good, good], "'bad'"),
                                 (["text", "--base=/nowhere", good], "/nowhere")):
            with self.subTest(arguments):
                self.assert_fails(run("report", *arguments), 2, words)

    def test_standard_input(self):
        text = json.dumps(reports.report(reports.finding()))
        self.assertIn("[unflushed-write]", self.nvrtl("text", "-", input=text))

    def test_what_cannot_be_read(self):
        for arguments, words in (
                (["text", "/nowhere.json"], "cannot read /nowhere.json: No such file"),
                (["text", self.folder], "Is a directory"),
                (["diff", self.save(reports.report()), "/nowhere.json"], "/nowhere.json")):
            self.assert_fails(run("report", *arguments), 2, words)

    def test_what_is_no_report(self):
        for content, words in (
                (b"", "no JSON"), (b"{", "line 1"), (b"[1]\n", "file: this is no nvrtl-report/1"),
                (b"{}", "schema: is missing"), (b"\xff", "no JSON"), (b"[" * 100000, "no JSON"),
                (b'{"schema": "nvrtl-report/1", "schema": "nvrtl-report/1"}', "no JSON"),
                (b'{"schema": "nvrtl-report/9\\u001b[31m"}', "schema: 'nvrtl-report/9?[31m'")):
            with self.subTest(content[:60]):
                result = run("report", "text", self.write("file", content))
                self.assert_fails(result, 2, "file: ", words)
                self.assertNotIn("\x1b", result.stderr)

    def test_members_that_are_wrong(self):
        """Each is told with its place."""
        base = reports.report(reports.finding(source={"first": 1, "lines": ["x"]}))
        base["findings"][0]["related"] = [{"role": "freed", "stack": []}]
        for path, value in (
                ("program", []), ("program", [1]), ("exit", -1), ("exit", 256), ("exit", "0"),
                ("stores", "magic"), ("judge", None), ("regions", None), ("findings", None),
                ("findings", {}), ("remarks", [1]), ("directory", 7),
                ("regions[0].id", 0), ("regions[0].domain", "x"), ("regions[0].size", 1.5),
                ("findings[0].kind", "x"), ("findings[0].severity", "x"),
                ("findings[0].count", 0), ("findings[0].count", 1e300),
                ("findings[0].message", None), ("findings[0].at", []),
                ("findings[0].ranges[0].offset", -1), ("findings[0].ranges", [1]),
                ("findings[0].stack[0].line", 0), ("findings[0].stack[0].line", 2**31),
                ("findings[0].stack[1].file", 1), ("findings[0].source.first", 0),
                ("findings[0].source.lines", []), ("findings[0].related[0].role", "x")):
            with self.subTest(path=path, value=value):
                report = copy.deepcopy(base)
                place = report
                *steps, last = re.findall(r"\w+", path)
                for step in steps:
                    place = place[int(step) if step.isdigit() else step]
                if value is None:
                    del place[last]
                else:
                    place[last] = value
                result = run("report", "text", self.save(report))
                self.assert_fails(result, 2, f": {path}")

    def test_what_may_be_missing(self):
        """The shortest report; and members that a later version may add."""
        one = {"kind": "bad-token", "severity": "error", "count": 1, "message": "m",
               "at": {"function": "f", "file": "f.c", "line": 3}, "later": {}}
        report = reports.report(later=[1])
        report["findings"] = [one]
        del report["summary"]
        again = self.json("json", self.save(report))
        self.assertEqual(again["findings"][0]["stack"], [one["at"]])
        self.assertEqual(again["summary"]["error"], 1)


if __name__ == "__main__":
    unittest.main()
