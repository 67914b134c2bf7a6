#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nvrtl report fix: what it makes of each form that a call can have in a program, that the result
compiles, and what it does not touch. tests/verify/test_fixes.py runs what comes of it."""

import json
import os
import subprocess
import unittest

import reports
from command import FolderTest, run

HEAD = """#include <nvrtl.h>
#include <string.h>
struct node { long value; struct node *next; char name[16]; };
struct state { NTSTATUS status; int n; };
int ok(NTSTATUS status), named(NTSTATUS status, const char *name), next(void);
NTSTATUS f(PVOID token, char *p, char *d, struct node *node, SIZE_T n, struct state *s);
NTSTATUS f(PVOID token, char *p, char *d, struct node *node, SIZE_T n, struct state *s) {
    NTSTATUS status = 0; (void)token; (void)p; (void)d; (void)node; (void)n; (void)s;
"""
TAIL = "    return status;\n}\n"

WRITE = "RtlWriteNonVolatileMemory(token, p, d, n, 0)"
FLUSH = "RtlFlushNonVolatileMemory(token, p, n, 0)"
LATER = "RtlFlushNonVolatileMemory(token, p, n, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN)"
DRAIN = "RtlDrainNonVolatileFlush(token)"
OURS = "(PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN"

# Lines of a function, with @ at the end of the line that is blamed; what becomes of them.
UNFLUSHED = [
    (f"    {WRITE};@", f"    {WRITE};\n    {FLUSH};"),
    (f"    (void){WRITE};@", f"    (void){WRITE};\n    (void){FLUSH};"),
    (f"    ok({WRITE});@", f"    ok({WRITE});\n    ok({FLUSH});"),
    (f"    named({WRITE}, \"w\");@", f"    named({WRITE}, \"w\");\n    named({FLUSH}, \"w\");"),
    (f"    ok({WRITE} == STATUS_SUCCESS);@",
     f"    ok({WRITE} == STATUS_SUCCESS);\n    ok({FLUSH} == STATUS_SUCCESS);"),
    ("    RtlFillNonVolatileMemory(token, p, n, 7, 0);@",
     f"    RtlFillNonVolatileMemory(token, p, n, 7, 0);\n    {FLUSH};"),
    # The status is kept, and its first failure too.
    (f"    status = {WRITE};@", f"    status = {WRITE};\n    if (status == STATUS_SUCCESS)\n"
                                f"        status = {FLUSH};"),
    (f"    s->status = {WRITE};@",
     f"    s->status = {WRITE};\n    if (s->status == STATUS_SUCCESS)\n"
     f"        s->status = {FLUSH};"),
    (f"    NTSTATUS one = {WRITE}; (void)one;@",
     f"    NTSTATUS one = {WRITE}; if (one == STATUS_SUCCESS) one = {FLUSH}; (void)one;"),
    # Bodies without braces get them.
    (f"    if (n)\n        {WRITE};@",
     f"    if (n) {{\n        {WRITE};\n        {FLUSH};\n    }}"),
    (f"    if (n) {WRITE};@", f"    if (n) {{ {WRITE}; {FLUSH}; }}"),
    (f"    if (n)\n        {WRITE};@\n    else\n        next();",
     f"    if (n) {{\n        {WRITE};\n        {FLUSH};\n    }}\n    else\n        next();"),
    (f"    if (n)\n        next();\n    else\n        status = {WRITE};@",
     f"    if (n)\n        next();\n    else {{\n        status = {WRITE};\n"
     f"        if (status == STATUS_SUCCESS)\n            status = {FLUSH};\n    }}"),
    (f"    for (int i = 0; i < 3; i++)\n        while (next())\n            {WRITE};@",
     f"    for (int i = 0; i < 3; i++)\n        while (next()) {{\n            {WRITE};\n"
     f"            {FLUSH};\n        }}"),
    (f"    do {WRITE};@ while (next());", f"    do {{ {WRITE}; {FLUSH}; }} while (next());"),
    (f"    if (n) {{ /* {{ */\n        {WRITE};@\n    }}",
     f"    if (n) {{ /* {{ */\n        {WRITE};\n        {FLUSH};\n    }}"),
    (f"    switch (n) {{\n    case 1: {WRITE};@\n    }}",
     f"    switch (n) {{\n    case 1: {WRITE}; {FLUSH};\n    }}"),
    (f"    if (n > 7)\n        goto out;\nout:\n    {WRITE};@",
     f"    if (n > 7)\n        goto out;\nout:\n    {WRITE};\n    {FLUSH};"),
    # Where nothing can be put behind it, the call itself does it.
    (f"    return {WRITE};@", f"    return {WRITE[:-2]}WRITE_NV_MEMORY_FLAG_FLUSH);"),
    (f"    if ({WRITE} != 0)@\n        return 1;",
     f"    if ({WRITE[:-2]}WRITE_NV_MEMORY_FLAG_FLUSH) != 0)\n        return 1;"),
    (f"    while (n && {WRITE} == 0)@\n        n--;",
     f"    while (n && {WRITE[:-2]}WRITE_NV_MEMORY_FLAG_FLUSH) == 0)\n        n--;"),
    (f"    const NTSTATUS one = {WRITE}; (void)one;@",
     f"    const NTSTATUS one = {WRITE[:-2]}WRITE_NV_MEMORY_FLAG_FLUSH); (void)one;"),
    ("    RtlWriteNonVolatileMemory(token, p + next(), d, n, 0);@",
     "    RtlWriteNonVolatileMemory(token, p + next(), d, n, WRITE_NV_MEMORY_FLAG_FLUSH);"),
    ("    RtlFillNonVolatileMemory(token, p++, 1, 7, FILL_NV_MEMORY_FLAG_NO_DRAIN);@",
     "    RtlFillNonVolatileMemory(token, p++, 1, 7, FILL_NV_MEMORY_FLAG_FLUSH);"),
    ("    n = (SIZE_T)RtlWriteNonVolatileMemory(token, p, d, n, 0);@",
     "    n = (SIZE_T)RtlWriteNonVolatileMemory(token, p, d, n, WRITE_NV_MEMORY_FLAG_FLUSH);"),
    ("    status = RtlWriteNonVolatileMemory(token, p, d, (SIZE_T)status, 0);@",
     "    status = RtlWriteNonVolatileMemory(token, p, d, (SIZE_T)status, "
     "WRITE_NV_MEMORY_FLAG_FLUSH);"),
    # How it is set.
    ("\tok(RtlWriteNonVolatileMemory(token, &node->value, d, sizeof node->value, 0));@",
     "\tok(RtlWriteNonVolatileMemory(token, &node->value, d, sizeof node->value, 0));\n"
     "\tok(RtlFlushNonVolatileMemory(token, &node->value, sizeof node->value, 0));"),
    ("    ok(RtlWriteNonVolatileMemory(token, /* to */ p,\n"
     "                                 d, n * sizeof(long), // bytes\n"
     "                                 0));@",
     "    ok(RtlWriteNonVolatileMemory(token, /* to */ p,\n"
     "                                 d, n * sizeof(long), // bytes\n"
     "                                 0));\n"
     "    ok(RtlFlushNonVolatileMemory(token, p, n * sizeof(long), 0));"),
    (f"    {WRITE}; /* stored; */@", f"    {WRITE}; /* stored; */\n    {FLUSH};"),
    (f"    {WRITE}; // stored {{@", f"    {WRITE}; // stored {{\n    {FLUSH};"),
    (f"    {WRITE}; /* stored@\n    and more */",
     f"    {WRITE}; {FLUSH}; /* stored\n    and more */"),
    (f"    {WRITE}; next();@", f"    {WRITE}; {FLUSH}; next();"),
    (f"    next(); {WRITE};@", f"    next(); {WRITE}; {FLUSH};"),
    (f"    named({WRITE}, \"{WRITE};\");@",
     f"    named({WRITE}, \"{WRITE};\");\n    named({FLUSH}, \"{WRITE};\");"),
    # Stores without the routines: which token it is they find themselves.
    ("    node->value = 5;@", f"    node->value = 5;\n    RtlFlushNonVolatileMemory({OURS}, "
                              "(PVOID)&(node->value), sizeof(node->value), 0);"),
    ("    node[n].next->value += 2;@",
     f"    node[n].next->value += 2;\n    RtlFlushNonVolatileMemory({OURS}, "
     "(PVOID)&(node[n].next->value), sizeof(node[n].next->value), 0);"),
    ("    if (n)\n        *p = 'x';@", "    if (n) {\n        *p = 'x';\n        "
     f"RtlFlushNonVolatileMemory({OURS}, (PVOID)&(*p), sizeof(*p), 0);\n    }}"),
    ("    node->value++;@", f"    node->value++;\n    RtlFlushNonVolatileMemory({OURS}, "
                            "(PVOID)&(node->value), sizeof(node->value), 0);"),
    ("    ++node->value;@", f"    ++node->value;\n    RtlFlushNonVolatileMemory({OURS}, "
                            "(PVOID)&(node->value), sizeof(node->value), 0);"),
    ("    memcpy(node->name, d, n);@", "    memcpy(node->name, d, n);\n    "
                                       f"RtlFlushNonVolatileMemory({OURS}, node->name, n, 0);"),
]
UNDRAINED = [
    (f"    {LATER};@", f"    {LATER};\n    {DRAIN};"),
    (f"    if (n)\n        status = {LATER};@",
     f"    if (n) {{\n        status = {LATER};\n        if (status == STATUS_SUCCESS)\n"
     f"            status = {DRAIN};\n    }}"),
    ("    RtlFlushNonVolatileMemoryRanges(token, (PNV_MEMORY_RANGE)d, next(), 1);@",
     f"    RtlFlushNonVolatileMemoryRanges(token, (PNV_MEMORY_RANGE)d, next(), 1);\n    {DRAIN};"),
    ("    ok(RtlWriteNonVolatileMemory(token, p++, d, n, WRITE_NV_MEMORY_FLAG_NON_TEMPORAL));@",
     "    ok(RtlWriteNonVolatileMemory(token, p++, d, n, WRITE_NV_MEMORY_FLAG_NON_TEMPORAL));\n"
     f"    ok({DRAIN});"),
    (f"    return {LATER};@", f"    return {FLUSH};"),
    ("    return RtlFillNonVolatileMemory(token, p, n, 1, FILL_NV_MEMORY_FLAG_FLUSH | "
     "FILL_NV_MEMORY_FLAG_NO_DRAIN);@",
     "    return RtlFillNonVolatileMemory(token, p, n, 1, FILL_NV_MEMORY_FLAG_FLUSH);"),
    ("    return RtlWriteNonVolatileMemory(token, p, d, n, WRITE_NV_MEMORY_FLAG_NON_TEMPORAL);@",
     "    return RtlWriteNonVolatileMemory(token, p, d, n, WRITE_NV_MEMORY_FLAG_PERSIST);"),
]
# What is left alone, and why.
REFUSED = [
    (f"    {WRITE}; {WRITE};@", "several calls"),
    (f"    /* {WRITE}; */@", "no call"),
    (f"    named(0, \"{WRITE}\");@", "no call"),
    (f"#define STORE {WRITE}@\n    STORE;", "no call"),
    ("    next();@", "no call"),
    ("    return RtlWriteNonVolatileMemory(token, p, d, n, (ULONG)next());@", "cannot be repeated"),
    ("    RtlWriteNonVolatileMemory(token, p + next(), d, n, (ULONG)n);@", "cannot be repeated"),
    ("    memcpy(p + next(), d, n);@", "cannot be repeated"),
    ("    *p++ = 1;@", "several assignments"),
    ("    node->value = n ? 1 : 2, p[0] = 1;@", "several assignments"),
    ("    p[next()] = 1;@", "none that can be added to"),
    ("    n = 1;@", "none that can be added to"),
    ("    struct node *other = node; (void)other;@", "none that can be added to"),
    ("    if ((node->value = 3))@\n        next();", "none that can be added to"),
]


class FixTest(FolderTest):
    def fix(self, code, kind="unflushed-write", head=HEAD, name="code.c", **members):
        """The fix of one program, and the file."""
        text = (head + code + "\n" + TAIL).split("\n")
        line = next(number for number, one in enumerate(text, 1) if "@" in one)
        source = "\n".join(text).replace("@", "", 1)
        path = self.write(name, source.encode())
        finding = reports.finding(kind, line=line, file=path, **members)
        report = self.write("report.json", json.dumps(reports.report(finding)).encode())
        return run("report", "fix", report, cwd=self.folder), path, source

    def patched(self, result, path):
        patch = subprocess.run(["patch", "-p1", "--fuzz=0"], cwd=self.folder, input=result.stdout,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               check=False)
        self.assertEqual(patch.returncode, 0, patch.stdout + result.stdout)
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()

    def compiles(self, path, compiler="gcc"):
        result = subprocess.run([compiler, "-fsyntax-only", "-Wall", "-Werror",
                                 f"-I{reports.ROOT}/include", path], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stdout)

    def check(self, code, wanted, **options):
        result, path, source = self.fix(code, **options)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        plain = code.replace("@", "", 1)
        self.assertEqual(source.count(plain), 1)
        self.assertEqual(self.patched(result, path), source.replace(plain, wanted))
        self.compiles(path)

    def test_forms(self):
        for kind, forms in (("unflushed-write", UNFLUSHED), ("undrained-flush", UNDRAINED)):
            for code, wanted in forms:
                with self.subTest(code):
                    self.check(code, wanted, kind=kind)

    def test_forms_in_cplusplus(self):
        for code, wanted in UNFLUSHED[:10]:
            with self.subTest(code):
                result, path, _ = self.fix(code, name="code.cc")
                self.assertIn(wanted, self.patched(result, path))
                self.compiles(path, "g++")
        raw = f'    named({WRITE}, R"x(;{{)" ;)x");@'
        result, path, _ = self.fix(raw, name="code.cc")
        self.assertIn(f'\n    named({FLUSH}, R"x(;{{)" ;)x");', self.patched(result, path))
        self.compiles(path, "g++")

    def test_what_is_left_alone(self):
        for code, why in REFUSED:
            with self.subTest(code):
                result, path, _ = self.fix(code)
                self.assert_fails(result, 1, "code.c:", "no fix for unflushed-write", why)
        result, *_ = self.fix("    node->value = 5;@", head=HEAD.replace("#include <nvrtl.h>", ""))
        self.assert_fails(result, 1, "does not include <nvrtl.h>")
        # What has no missing call has no fix, and needs none.
        for members in ({"kind": "bad-token"}, {"severity": "note"}):
            result, *_ = self.fix("    next();@", **members)
            self.assert_silent(result)

    def test_a_file_that_is_another_now(self):
        code = f"    {WRITE};@"
        line = HEAD.count("\n") + 1
        seen = {"first": line, "lines": [f"    {WRITE};"]}
        self.check(code, f"    {WRITE};\n    {FLUSH};", source=seen)
        seen = {"first": line, "lines": [f"    ok({WRITE});"]}
        self.assert_fails(self.fix(code, source=seen)[0], 1, "the line has changed since")
        self.assert_fails(self.fix(code, source={"changed": True})[0], 1, "has changed since")
        finding = reports.finding(file=self.path("gone.c"))
        report = self.write("report.json", json.dumps(reports.report(finding)).encode())
        self.assert_fails(run("report", "fix", report, cwd=self.folder), 1, "cannot be read")

    def test_where_the_file_lies(self):
        result, *_ = self.fix(f"    {WRITE};@", name="with space.c")
        self.assertIn("--- a/with space.c\t\n+++ b/with space.c\t\n", result.stdout)
        report = self.path("report.json")
        os.mkdir(self.path("below"))
        self.assert_fails(run("report", "fix", report, cwd=self.path("below")), 1,
                          "outside of the base directory")
        result = run("report", "fix", "--base", self.folder, report, cwd=self.path("below"))
        self.assertIn("--- a/with space.c", result.stdout)
        # A report that names it as seen from where the program was started.
        finding = reports.finding(file="with space.c", line=HEAD.count("\n") + 1)
        self.write("report.json", json.dumps(reports.report(finding,
                                                            directory=self.folder)).encode())
        result = run("report", "fix", report, cwd=self.folder)
        self.assertIn("--- a/with space.c", result.stdout)

    def test_ends_of_lines(self):
        for code, ending in ((f"    {WRITE};", "\r\n"), (f"    {WRITE};", "")):
            path = self.write("code.c", (HEAD.replace("\n", ending or "\n") + code +
                                         ending).encode())
            finding = reports.finding(file=path, line=HEAD.count("\n") + 1)
            report = self.write("report.json", json.dumps(reports.report(finding)).encode())
            result = run("report", "fix", report, cwd=self.folder)
            with open(path, "rb") as file:
                before = file.read()
            subprocess.run(["patch", "--binary", "-s", "-p1"], cwd=self.folder,
                           input=result.stdout.encode() if not ending else
                           subprocess.run([run.__globals__["NVRTL"], "report", "fix", report],
                                          cwd=self.folder, stdout=subprocess.PIPE,
                                          check=False).stdout, check=True)
            with open(path, "rb") as file:
                self.assertEqual(file.read(), before.rstrip() + (ending or "\n").encode() +
                                 f"    {FLUSH};{ending}".encode())

    def test_many_in_one_file(self):
        """Hunks that lie apart and together; two findings of one call; in any order."""
        lines = HEAD.split("\n")[:-1]
        wanted, findings = list(lines), []
        for number in range(60):
            if number % 12 in (0, 1):
                lines.append(f"    {WRITE};")
                wanted += [f"    {WRITE};", f"    {FLUSH};"]
                for kind in ("undrained-flush", "unflushed-write"):
                    findings.insert(0, reports.finding(kind, file=self.path("code.c"),
                                                       line=len(lines)))
            else:
                lines.append(f"    n += {number};")
                wanted.append(lines[-1])
        source, wanted = ("\n".join(text) + "\n" + TAIL for text in (lines, wanted))
        path = self.write("code.c", source.encode())
        report = self.write("report.json", json.dumps(reports.report(*findings)).encode())
        result = run("report", "fix", report, cwd=self.folder)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertGreater(result.stdout.count("\n@@ "), 3)
        self.assertEqual(self.patched(result, path), wanted)

    def test_in_the_reports_of_a_run(self):
        """What SARIF's readers apply is what the patch does."""
        source = f"""#include <nvrtl.h>
int main(int count, char **arguments) {{
    NvRtlMapping map;
    if (count < 2 || NvRtlMapFile(arguments[1], 0, 4096, NVRTL_MAP_CREATE, 0600, &map) != 0)
        return 1;
    if (count == 2)
        /* \u00fc\U0001f600 */ RtlFillNonVolatileMemory(map.token, map.base, 8, 1, 0);
    return NvRtlUnmapFile(&map);
}}
"""
        path = self.write("main.c", source.encode())
        library = os.path.join(os.path.dirname(os.path.dirname(os.environ["NVRTL_RT"])),
                               "libnvrtl.a")
        subprocess.run(["gcc", "-g", f"-I{reports.ROOT}/include", path, library, "-o",
                        self.path("main")], check=True)
        run("run", "--report=json,sarif", "--output", self.path("out"), "--", self.path("main"),
            self.path("file"), cwd=self.folder)
        log = json.loads(self.read("out/report.sarif"))
        reports.SARIF.validate(log)
        report = json.loads(self.read("out/report.json"))
        reports.REPORT.validate(report)
        result, = [one for one in log["runs"][0]["results"] if one["ruleId"] == "0x0B00"]
        change, = result["fixes"][0]["artifactChanges"]
        self.assertEqual(change["artifactLocation"], {"uri": "main.c", "uriBaseId": "SRCROOT"})
        lines = source.encode("utf-16-le").decode("utf-16-le").split("\n")
        for one in reversed(change["replacements"]):
            region = one["deletedRegion"]
            self.assertEqual(region["startLine"], region["endLine"])
            line = lines[region["startLine"] - 1].encode("utf-16-le")
            start, end = 2 * (region["startColumn"] - 1), 2 * (region["endColumn"] - 1)
            text = one["insertedContent"]["text"].encode("utf-16-le")
            lines[region["startLine"] - 1] = (line[:start] + text + line[end:]).decode("utf-16-le")
        fix = run("report", "fix", self.path("out/report.json"), cwd=self.folder)
        self.assertEqual(self.patched(fix, path), "\n".join(lines))
        self.compiles(path)


if __name__ == "__main__":
    unittest.main()
