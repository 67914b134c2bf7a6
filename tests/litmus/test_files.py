#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each litmus file shows one rule, and has all images that it allows at its end, as `# image ...`:
the command and the machine find exactly these. A file is read in both forms."""

import itertools
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import machine

NVRTL = os.environ.get("NVRTL_BIN", "nvrtl")
FILES = sorted(Path(__file__).resolve().parent.glob("*.trace"))


def nvrtl(*arguments):
    result = subprocess.run([NVRTL, *map(str, arguments)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, check=False)
    return result.stdout, result.returncode, result.stderr


class LitmusTest(unittest.TestCase):
    def test_files(self):
        self.assertGreater(len(FILES), 80)
        with tempfile.TemporaryDirectory() as folder:
            packed = os.path.join(folder, "packed")
            for path in FILES:
                text = path.read_text(encoding="ascii")
                images = re.findall(r"^# image (.*)$", text, re.MULTILINE)
                self.assertEqual(images, sorted(set(images)), path.name)
                answer = ("".join(image + "\n" for image in images), 0, "")
                self.assertEqual(nvrtl("crash", "--enumerate", path), answer, path.name)
                self.assertEqual(machine.enumerate_images(text), images, path.name)
                self.assertEqual(nvrtl("trace", "pack", "-o", packed, path), ("", 0, ""))
                self.assertEqual(nvrtl("crash", "--enumerate", packed), answer, path.name)

    def test_explanations(self):
        """A cut can leave what is in the list, and nothing else; and that is said with a reason."""
        reasons = set()
        for path in FILES:
            images = re.findall(r"^# image (.*)$", path.read_text(encoding="ascii"), re.MULTILINE)
            parts = [sorted(set(part)) for part in zip(*(image.split(" ") for image in images))]
            for image in map(" ".join, itertools.islice(itertools.product(*parts), 40)):
                stdout, status, stderr = nvrtl("crash", "--explain", image, path)
                self.assertEqual((status, stderr), (int(image not in images), ""), path.name)
                self.assertRegex(stdout, "^impossible: " if status else "^possible: ")
                reasons.add(stdout.splitlines()[0].split(": ")[-1] if status else "")
            wrong = images[0].replace("0", "7")
            self.assertEqual(nvrtl("crash", "--explain", wrong, path)[1], 1, path.name)
        self.assertIn("what is missing was durable", reasons)

    def test_an_explanation_names_the_events(self):
        trace = FILES[0].parent / "x86-clwb-sfence.trace"
        stdout = nvrtl("crash", "--explain", "0" * 16 + " " + "02" * 8, trace)[0]
        self.assertEqual(stdout, """\
impossible: region 1, the line at 0x0: what is missing was durable
missing 6: 1 store 1 0x0 8 0101010101010101
flushed 7: 1 flush 1 0x0 8
durable 8: 1 drain
later   9: 1 store 2 0x0 8 0202020202020202
""")
        trace = FILES[0].parent / "x86-copy-before-store.trace"
        stdout = nvrtl("crash", "--explain", "11" * 8 + "0" * 32, trace)[0]
        words = [line.split()[0] for line in stdout.splitlines()]
        self.assertEqual(words, ["possible:", "torn", "out"])

    def test_options_go_before_the_trace(self):
        """An option for the model says what a header would."""
        for path in FILES:
            text = path.read_text(encoding="ascii")
            model = re.search(r"^model (\w+)(.*)$", text, re.MULTILINE)
            if model is None:
                continue
            options = [f"--model={model.group(1)}"]
            for word in model.group(2).split():
                options.append("--" + word)
            with tempfile.NamedTemporaryFile("w", suffix=".trace") as bare:
                bare.write(text.replace(model.group(0), "model eadr"))
                bare.flush()
                self.assertEqual(nvrtl("crash", "--enumerate", *options, bare.name),
                                 nvrtl("crash", "--enumerate", path), path.name)

    def test_an_image_to_start_from(self):
        text = "nvrtl-trace-text/1\nregion 4 size 3\nregion 2 size 2\n1 store 2 1 1 ff\n"
        with tempfile.TemporaryDirectory() as folder:
            trace, image = (os.path.join(folder, name) for name in ("trace", "image"))
            Path(trace).write_text(text, encoding="ascii")
            for content, answer in ((b"\1\2\3\4\5", ("010203 0405\n010203 04ff\n", 0, "")),
                                    (b"\1\2\3\4", 2), (b"\1\2\3\4\5\6", 2)):
                Path(image).write_bytes(content)
                found = nvrtl("crash", "--enumerate", "--image", image, trace)
                self.assertEqual(found if isinstance(answer, tuple) else found[1], answer)

    def test_limits(self):
        """What is too much is said, and nothing is printed."""
        many = "".join(f"1 store 1 {64 * i} 1 01\n" for i in range(40))
        long = "".join(f"1 store 1 0 8 {i:016x}\n" for i in range(5000))
        for size, events, words in ((4097, "", "more than 4096 bytes"), (4096, many, "--memory"),
                                    (64, long, "too many stores in flight")):
            with tempfile.NamedTemporaryFile("w", suffix=".trace") as trace:
                trace.write(f"nvrtl-trace-text/1\nregion 1 size {size}\n{events}")
                trace.flush()
                stdout, status, stderr = nvrtl("crash", "--enumerate", "--memory=64M", trace.name)
                self.assertEqual(stdout, "")
                self.assertIn(status, (2, 125))
                self.assertIn(words, stderr)


if __name__ == "__main__":
    unittest.main()
