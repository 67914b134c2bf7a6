#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Random traces: `nvrtl crash --enumerate` against the machine.

  random_traces.py COUNT [SEED [FIRST]]   NVRTL_BIN names the command

Trace number N of a seed is always the same; what fails is printed with the words that repeat it."""

import os
import random
import subprocess
import sys
import tempfile

import machine

MODELS = ("x86", "x86", "arm", "arm", "eadr", "page", "page")
KINDS = (("store", 8), ("copy", 3), ("stream", 5), ("direct", 3), ("atomic", 2), ("pwrite", 1),
         ("read-into", 1), ("unseen", 1), ("found", 2), ("flush", 8), ("clflush", 1), ("drain", 6),
         ("barrier", 2), ("msync-begin", 2), ("msync-end", 2), ("release", 2), ("acquire", 2))
IMAGES_MOST = 3000  # of a trace, about: more take long and show nothing new


class Writer:
    """Makes one trace."""

    def __init__(self, seed, number):
        self.random = random.Random(f"{seed} {number}")
        self.model = self.random.choice(MODELS)
        self.stable = self.model == "page" and self.random.random() < 0.5
        self.threads = self.random.randint(1, 4)
        unit = 512 if self.stable else 64
        self.lines = self.random.randint(1, 3 if self.stable else 4)
        split = self.random.randint(1, self.lines)
        counts = [count for count in (split, self.lines - split) if count]
        self.sizes = [count * unit - self.random.choice((0, 0, 0, 24)) for count in counts]

    def head(self):
        options = [self.random.choice(("", "", " streams=drain", " streams=inplace")),
                   self.random.choice(("", "", " direct64=atomic")),
                   " stable-pages" if self.stable else ""]
        yield "nvrtl-trace-text/1"
        yield f"model {self.model}" + "".join(options)
        if self.random.random() < 0.4:
            yield "order hb"
        if self.random.random() < 0.1:
            yield self.random.choice(("cpu AuthenticAMD 26 2", "cpu GenuineIntel 6 143"))
        for number, size in enumerate(self.sizes, 1):
            yield f"region {number} size {size} line 64 domain memory"

    def place(self, size):
        """A region, and an offset in it that is often one of a few."""
        region = self.random.randrange(len(self.sizes))
        most = self.sizes[region] - size
        if most < 0:
            return None
        near = [0, 8, 16, 56, 60, 64, 72, 120, 508, 512]
        offset = self.random.choice(near)
        if self.random.random() < 0.2:
            offset = self.random.randint(0, most)
        return (region + 1, min(offset, most))

    def size(self, kind):
        if kind == "direct" and self.random.random() < 0.3:
            return 64
        if kind in ("store", "atomic", "stream", "direct"):
            return self.random.choice((1, 2, 4, 8, 8, 8, 8, 16))
        if kind in machine.STORES:
            return self.random.choice((3, 8, 12, 16, 24))
        return self.random.choice((1, 8, 64, 100))

    def event(self):
        kind = self.random.choices([k for k, _ in KINDS], [weight for _, weight in KINDS])[0]
        words = [str(self.random.randint(1, self.threads)), kind]
        if kind in machine.RANGES:
            size = self.size(kind)
            place = self.place(size)
            if place is None:
                return None
            words += [str(place[0]), hex(place[1]), str(size)]
            if kind in machine.STORES:
                # Few values: what is stored again may be what was there.
                words.append(bytes(self.random.choice((0, 1, 2, 255)) if self.random.random() < 0.2
                                   else self.random.randrange(256) for _ in range(size)).hex())
        elif kind in ("release", "acquire"):
            words.append(str(self.random.randint(1, 2)))
        return " ".join(words)

    def write(self):
        lines = list(self.head())
        for _ in range(self.random.randint(1, 10)):
            event = self.event()
            if event is not None:
                lines.append(event)
        return "\n".join(lines) + "\n"


class TooMany(Exception):
    pass


class BoundedMachine(machine.Machine):
    """Gives up where the images would take long."""

    def cut(self):
        count = 1
        for line in self.lines.values():
            count *= len({medium for medium, _ in line.states})
            if len(line.states) > 3000:
                raise TooMany
        if count > IMAGES_MOST:
            raise TooMany
        super().cut()


def explore(nvrtl, path):
    result = subprocess.run([nvrtl, "crash", "--enumerate", path], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, check=False)
    return result.stdout.splitlines(), result.returncode, result.stderr


def check(nvrtl, seed, number, path):
    """How many images the trace has; 0: too many to try; None: the two disagree."""
    text = Writer(seed, number).write()
    try:
        expected = BoundedMachine(machine.Trace(text)).run()
    except TooMany:
        return 0
    with open(path, "w", encoding="ascii") as stream:
        stream.write(text)
    found, status, words = explore(nvrtl, path)
    if (found, status, words) == (expected, 0, ""):
        return len(expected)
    print(text + f"status {status}: {words}")
    for name, images in (("missing", set(expected) - set(found)),
                         ("impossible", set(found) - set(expected))):
        for image in sorted(images)[:5]:
            print(f"{name}: {image}")
    print(f"again: random_traces.py 1 {seed} {number}")
    return None


def main():
    count = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    tried = images = skipped = 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, first + count):
            found = check(os.environ["NVRTL_BIN"], seed, number, os.path.join(folder, "trace"))
            if found is None:
                return 1
            tried += found != 0
            skipped += found == 0
            images += found
    print(f"seed {seed}: {tried} traces with {images} images agree; {skipped} are too large")
    return 0


if __name__ == "__main__":
    sys.exit(main())
