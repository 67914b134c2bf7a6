#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The manual pages: every routine, status, constant, command, option, kind of finding and setting
is there, what is gone is gone from them too, and mandoc has nothing to say."""

import re
import subprocess
import unittest

import documents

LINK = re.compile(r"\A\.\\\"[^\n]*\n\.so man3/(\w+)\.3\n\Z")


def section(page, title):
    """The part of a page below a heading, up to the next of its kind or a higher one."""
    match = re.search(rf"^\.S[sh] {re.escape(title)}\n(.*?)(?=^\.Sh|^\.Ss|\Z)", page,
                      re.MULTILINE | re.DOTALL)
    return match.group(1) if match else ""


def flags(text):
    """The options that a piece of a page names: `-f` as f, `--force` as force."""
    names = re.findall(r"\bFl (-?)(\w[\w-]*)", text)
    return {name for dash, name in names if not dash}, {name for dash, name in names if dash}


class PagesTest(unittest.TestCase):
    def setUp(self):
        self.pages = {path.name: path.read_text() for path in documents.files("man/*.[1-9]")}
        self.links = {name: LINK.match(page).group(1) + ".3"
                      for name, page in self.pages.items() if LINK.match(page)}

    def page_of(self, routine):
        name = f"{routine}.3"
        self.assertIn(name, self.pages, f"{routine} has no page")
        return self.pages[self.links.get(name, name)]

    def test_mandoc_is_content(self):
        for name in sorted(set(self.pages) - set(self.links)):
            result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", f"man/{name}"],
                                    cwd=documents.ROOT, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, text=True, check=False)
            self.assertEqual((result.returncode, result.stdout), (0, ""), name)

    def test_links_lead_to_pages(self):
        self.assertTrue(self.links)
        for name, target in self.links.items():
            self.assertIn(target, set(self.pages) - set(self.links))
            self.assertRegex(section(self.pages[target], "NAME"), rf"\.Nm {name[:-2]}\b")

    def test_references_to_our_pages(self):
        for name, page in self.pages.items():
            for title, number in re.findall(r"\.Xr (\S+) (\d)", page):
                if re.match(r"(Nv)?Rtl|nvrtl", title):
                    self.assertIn(f"{title}.{number}", self.pages, name)

    def test_every_routine_has_its_page(self):
        routines = documents.routines()
        self.assertGreater(len(routines), 7)
        wanted = {f"{name}.3" for name in routines} | {"nvrtl.1", "nvrtl-cc.1", "nvrtl.3"}
        self.assertEqual(set(self.pages), wanted)
        for name, (parameters, _) in routines.items():
            synopsis = section(self.page_of(name), "SYNOPSIS")
            one_line = re.search(rf"^\.Fn {name} (.*)", synopsis, re.MULTILINE)
            lines = re.search(rf"^\.Fo {name}\n(.*?)^\.Fc", synopsis, re.MULTILINE | re.DOTALL)
            self.assertTrue(one_line or lines, f"{name} is in no synopsis")
            told = re.findall(r'"([^"]*)"', (one_line or lines).group(1))
            self.assertEqual(told, parameters, name)
            self.assertRegex(self.pages["nvrtl.3"], rf"(?m)^\.It .*\bXr {name} 3\b")

    def test_every_status_is_on_its_page(self):
        for name, (_, comment) in documents.routines().items():
            for status in re.findall(r"\bSTATUS_\w+", comment):
                self.assertRegex(self.page_of(name), rf"\b{status}\b", name)

    def test_every_constant_is_on_a_page(self):
        defined = re.findall(r"^#define ((?:NVRTL|FLUSH|WRITE)_[A-Z_]+) ",
                             documents.read("include/nvrtl.h"), re.MULTILINE)
        self.assertGreater(len(defined), 15)
        everything = "\n".join(self.pages.values())
        for constant in set(defined) - {"NVRTL_API"}:
            self.assertRegex(everything, rf"\b{constant}\b")

    def test_every_command_and_option(self):
        page, names = self.pages["nvrtl.1"], documents.commands()
        self.assertGreater(len(names), 3)
        told = re.findall(r"^\.Ss nvrtl (\w+)", page, re.MULTILINE)
        self.assertEqual(told, [*names, "help"])
        synopsis = re.split(r"^\.Nm nvrtl\n", section(page, "SYNOPSIS"), flags=re.MULTILINE)
        for name in names:
            options = documents.Options(name)
            items = "\n".join(re.findall(r"^\.It (.*Fl .*)", section(page, f"nvrtl {name}"),
                                         re.MULTILINE))
            self.assertEqual(flags(items), (options.short, options.long), name)
            short, long = flags([part for part in synopsis if part.startswith(f".Cm {name}\n")][0])
            self.assertLessEqual(short, options.short, name)
            self.assertEqual(len(short | long), len(options.long), name)
            self.assertLessEqual(long, options.long, name)

    def test_every_kind_of_finding(self):
        text = section(self.pages["nvrtl.1"], "nvrtl run")
        told = {name: (severity, not off) for name, severity, off in
                re.findall(r"^\.It Cm ([a-z-]+) Pq (\w+)(, off by default)?$", text, re.MULTILINE)}
        self.assertEqual(told, documents.kinds())

    def test_every_setting(self):
        sources = "\n".join(path.read_text() for path in documents.files("src/**/*.[ch]"))
        asked = set(re.findall(r'(?:getenv|os_setting)\("(\w+)"\)', sources)) - {"PATH"}
        self.assertGreater(len(asked), 5)
        told = "".join(section(self.pages[page], "ENVIRONMENT")
                       for page in ("nvrtl.1", "nvrtl-cc.1"))
        for name in asked:
            self.assertRegex(told, rf"(?m)\bEv (\w+ , )*{name}\b")


if __name__ == "__main__":
    unittest.main()
