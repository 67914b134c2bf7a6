#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nvrtl info."""

import json
import mmap
import os
import shutil
import subprocess
import unittest

from command import NVRTL, FolderTest, is_memory, run

FEATURES = ("clflush", "clflushopt", "clwb", "movdiri", "movdir64b")


def in_namespace(script, *arguments):
    """Runs a shell script as root of name spaces of its own; None: this machine gives out none."""
    probe = subprocess.run(["unshare", "-Urm", "true"], stderr=subprocess.DEVNULL, check=False)
    if probe.returncode != 0:
        return None
    return run("-Urm", "sh", "-euc", script, "sh", *arguments, program="unshare")


def environment(**settings):
    """The environment without this project's settings, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NVRTL_")}
    return {**kept, **settings}


class InfoTest(FolderTest):
    def setUp(self):
        super().setUp()
        self.file = self.write("a file", b"x" * 5000)

    def info(self, *arguments, **options):
        options.setdefault("env", environment())
        result = run("info", *arguments, **options)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def json(self, *arguments, **options):
        return json.loads(self.info("--json", *arguments, **options))

    def domain(self):
        """What files in the folder have, wherever the tests run; not for DAX."""
        return "volatile" if is_memory(self.folder) else "page-cache"


class MachineTest(InfoTest):
    def test_text_names_everything(self):
        text = self.info()
        for word in ("flush ", "line size ", "stores ", "region ", *FEATURES):
            self.assertIn(word, text)
        self.assertNotIn("setting", text)

    def test_json(self):
        answer = self.json()
        self.assertIn(answer["line_size"], (16, 32, 64, 128))
        features = {feature["name"]: feature for feature in answer["features"]}
        for name in FEATURES:
            self.assertIsInstance(features[name]["present"], bool)
            self.assertIn("vol.", features[name]["source"])
        flush = answer["flush"]["instruction"]
        self.assertTrue(flush == "none" or features[flush]["present"])
        self.assertEqual(answer["environment"], {})
        self.assertIs(answer["eatmydata"], False)
        for region in answer["regions"] or []:
            self.assertIn(region["domain"], ("page-cache", "memory", "cpu-cache"))

    def test_settings(self):
        settings = {"NVRTL_DOMAIN": "memory!", "NVRTL_STORES": "cached", "NVRTL_FLUSH": "clflush"}
        answer = self.json(env=environment(**settings))
        self.assertEqual(answer["environment"], settings)
        self.assertFalse(answer["stores"]["direct"] or answer["stores"]["streaming"])
        if answer["features"][0]["present"]:
            self.assertEqual(answer["flush"]["instruction"], "clflush")
            self.assertIn("NVRTL_FLUSH", answer["flush"]["reason"])
        text = self.info(env=environment(**settings))
        for name, value in settings.items():
            self.assertIn(f"{name}={value}", text)

    def test_unknown_flush_setting(self):
        answer = self.json(env=environment(NVRTL_FLUSH="never"))
        self.assertNotEqual(answer["flush"]["instruction"], "never")

    def test_what_a_setting_does(self):
        for name, value, effect in (
                ("NVRTL_DOMAIN", "memory", "where it is weaker"),
                ("NVRTL_DOMAIN", "memory!", "nothing proves that it is true"),
                ("NVRTL_DOMAIN", "memory!!", "changes nothing"),
                ("NVRTL_DOMAIN", "mem", "changes nothing"),
                ("NVRTL_DOMAIN", "", "changes nothing"),
                ("NVRTL_STORES", "never", "changes nothing"),
                ("NVRTL_NO_SIGBUS", "", "is not turned into its status")):
            with self.subTest(name=name, value=value):
                lines = self.info(env=environment(**{name: value})).splitlines()
                self.assertIn(f"{name}={value}: ", lines[-1])
                self.assertIn(effect, lines[-1])

    def test_eatmydata(self):
        source = self.write("eat.c", b"int eaten;\n")
        library = self.path("libeatmydata.so")
        if shutil.which("cc") is None:
            self.skipTest("no compiler")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        self.assertIn("libeatmydata", self.info(env=environment(LD_PRELOAD=library)))
        self.assertIs(self.json(self.file, env=environment(LD_PRELOAD=library))["eatmydata"], True)

    def test_without_sys(self):
        script = """
            mount -t tmpfs none /sys
            "$1" info
            for path in "$2" /sys /proc; do echo; "$1" info "$path"; done
            echo; "$1" info --json
            ! "$1" info "$2.absent"
            """
        result = in_namespace(script, NVRTL, self.file)
        if result is None:
            self.skipTest("no name spaces")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("No such file", result.stderr)
        machine, file, tmpfs, proc, as_json = result.stdout.split("\n\n")
        self.assertIn("\nregion     not known: /sys is not visible here", machine)
        self.assertTrue(file.startswith(f"{self.domain()}: "), file)
        self.assertTrue(tmpfs.startswith("volatile: tmpfs at /sys "), tmpfs)
        self.assertTrue(proc.startswith("not supported: proc "), proc)
        self.assertIsNone(json.loads(as_json)["regions"])


class PathTest(InfoTest):
    def test_file(self):
        answer = self.json(self.file)
        self.assertEqual(answer["path"], os.path.realpath(self.file))
        self.assertEqual(answer["domain"], self.domain())
        self.assertEqual(answer["verdict"], answer["domain"])
        self.assertTrue(10 < len(answer["reason"]) < 160)
        self.assertFalse(answer["reason"].endswith("."))
        first = self.info(self.file).splitlines()[0]
        self.assertEqual(first, f"{answer['domain']}: {answer['reason']}")

    def test_link_leads_to_its_file(self):
        os.symlink(self.file, self.path("link"))
        self.assertEqual(self.json(self.path("link")), self.json(self.file))

    def test_directory_answers_for_its_files(self):
        file, folder = self.json(self.file), self.json(self.folder)
        self.assertEqual(folder.pop("path"), os.path.dirname(file.pop("path")))
        self.assertEqual(folder, file)

    def test_ext4(self):
        with open("/proc/self/mounts", encoding="utf-8") as file:
            mounts = [line.split() for line in file]
        ext4 = [point for _, point, kind, *_ in mounts if kind == "ext4" and os.path.isdir(point)]
        if not ext4:
            self.skipTest("no ext4 is mounted")
        text = self.info(ext4[0])
        self.assertRegex(text, r"\A(page-cache|memory|cpu-cache|volatile): ext4 on \S")

    def test_memory(self):
        text = self.info("/dev/shm/../shm/" + self.shm_file())
        self.assertTrue(text.startswith("volatile: tmpfs"), text)

    def shm_file(self):
        name = f"nvrtl-test-{os.getpid()}"
        with open(f"/dev/shm/{name}", "wb") as file:
            self.addCleanup(os.unlink, file.name)
        return name

    def test_unlinked(self):
        with open(self.path("gone"), "w+b") as file:
            os.unlink(file.name)
            text = self.info(f"/proc/{os.getpid()}/fd/{file.fileno()}")
        if not is_memory(self.folder):
            self.assertIn("unlinked: a power cut loses", text.splitlines()[0])
            self.assertIn("\n  unlinked: ", text)

    def test_missing(self):
        self.assert_fails(run("info", self.path("absent")), 2, "absent", "No such file",
                          "ask about its directory")
        self.assert_fails(run("info", "--json", self.path("absent")), 2, "No such file")
        self.assert_fails(run("info", ""), 2, "No such file")
        self.assert_fails(run("info", self.file + "/x"), 2, "Not a directory\n")

    def test_not_supported(self):
        for path in ("/proc", "/proc/self/status", "/sys", "/dev/null"):
            self.assertTrue(self.info(path).startswith("not supported: "))
            self.assertIsNone(self.json(path)["domain"])

    def test_domain_setting_is_told(self):
        text = self.info(self.file, env=environment(NVRTL_DOMAIN="volatile"))
        self.assertIn("NVRTL_DOMAIN=volatile", text)

    def test_names_that_terminals_and_json_must_not_get(self):
        name = os.fsencode(self.folder) + b"/\xff\x1b[2Jx"
        with open(name, "wb"):
            pass
        self.assertEqual(self.json(os.fsdecode(name))["path"][-6:], "\ufffd\x1b[2Jx")

    def test_overlay(self):
        script = """
            for i in l u w m; do mkdir "$2/$i"; done
            mount -t overlay overlay -o lowerdir="$2/l",upperdir="$2/u",workdir="$2/w$3" "$2/m" ||
                exit 77
            echo x > "$2/m/file"
            "$1" info "$2/m/file"
            umount "$2/m"
            chmod -R u+rwx "$2"
            rm -r "$2/l" "$2/u" "$2/w" "$2/m"
            """
        for options, words in (("", "overlay over"), (",volatile", "ignores every sync")):
            result = in_namespace(script, NVRTL, self.folder, options)
            if result is None or result.returncode == 77:
                self.skipTest("no overlay")
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            if not is_memory(self.folder):
                self.assertIn(words, result.stdout)
            self.assertEqual(result.stdout.startswith("volatile: "),
                             options != "" or is_memory(self.folder))

    def test_usage(self):
        self.assert_fails(run("info", "a", "b"), 2, "one argument too many")
        self.assert_fails(run("info", "--pid=x"), 2, "no process")
        self.assert_fails(run("info", "--pid=1", "a"), 2, "not both")
        self.assert_fails(run("info", "--nonsense"), 2, "nonsense")


class ProcessTest(InfoTest):
    def test_mappings(self):
        with open(self.file, "r+b") as file, mmap.mmap(file.fileno(), 4096) as view:
            view[0] = 65
            answer = self.json("--pid", os.getpid())
            text = self.info("--pid", os.getpid())
        self.assertEqual(answer["pid"], os.getpid())
        mine = [m for m in answer["mappings"] if m["path"] == os.path.realpath(self.file)]
        self.assertEqual(len(mine), 1)
        self.assertEqual(mine[0]["length"], 4096)
        self.assertEqual(mine[0]["domain"], self.domain())
        self.assertIn(f" {os.path.realpath(self.file)}\n  {mine[0]['domain']}: ", text)

    def test_read_only_view(self):
        with open(self.file, "rb") as file:
            with mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ) as view:
                self.assertEqual(view[0], ord("x"))
                answer = self.json("--pid", os.getpid())
        mine = [m for m in answer["mappings"] if m["path"] == os.path.realpath(self.file)]
        self.assertEqual(mine[0]["verdict"], "not writable")
        self.assertIn("reading only", mine[0]["reason"])
        self.assertIsNone(mine[0]["domain"])

    def test_process_without_any(self):
        child = subprocess.Popen(["sleep", "60"], env={"LC_ALL": "C", "PATH": os.environ["PATH"]})
        try:
            self.assertEqual(self.info("--pid", child.pid),
                             f"process {child.pid} has no file mapped shared\n")
            self.assertEqual(self.json("--pid", child.pid)["mappings"], [])
        finally:
            child.kill()
            child.wait()

    def test_settings_of_the_process(self):
        child = subprocess.Popen(["sleep", "60"], env=environment(NVRTL_DOMAIN="volatile"))
        try:
            self.assertEqual(self.json("--pid", child.pid, env=environment(NVRTL_FLUSH="clflush"))
                             ["environment"], {"NVRTL_DOMAIN": "volatile"})
            self.assertIn("NVRTL_DOMAIN=volatile: tokens get that domain where",
                          self.info("--pid", child.pid))
        finally:
            child.kill()
            child.wait()

    def test_absent_process(self):
        child = subprocess.Popen(["true"])
        child.wait()
        self.assert_fails(run("info", "--pid", child.pid), 2, str(child.pid), "No such process")


if __name__ == "__main__":
    unittest.main()
