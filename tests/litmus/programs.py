#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Litmus programs: what the papers' axioms allow after a power cut, against what the command allows
for the traces of all runs.

A program has threads of instructions on locations `x0`, `x1`, `y0`: a letter for a line, a digit
for a word of it. Every thread has a store buffer.

- The axioms: of each order in which the buffers can empty (as x86 and Arm may reorder them: Raad
  et al. 2020, figure of ordering constraints; 2022 for streaming stores; 2019 for Arm), all sets of
  stores that are closed under the order of persists: a line's own order, what a write-back and a
  fence put before what is later.
- The traces: of each order in which first-in first-out buffers can empty, the text trace that a
  recorder would have written, and its images. On Arm stores become visible out of order, and what
  others have seen is in the trace: there the buffers empty as Arm may reorder them.

The union over all orders has to be the same.

  programs.py [COUNT [SEED]]   the named programs, and so many random ones"""

import itertools
import os
import random
import subprocess
import sys
import tempfile

# Of the constraints between two entries of a buffer, the earlier one named first: "all", "line": if
# they are of one line, "word": of one location, or "none". What is not here is "all".
X86 = {("store", "flush"): "line", ("flush", "store"): "line", ("flush", "flush"): "none",
       ("flush", "clflush"): "line", ("clflush", "flush"): "line",
       ("stream", "store"): "line", ("store", "stream"): "line", ("stream", "stream"): "line",
       ("stream", "flush"): "line", ("flush", "stream"): "line",
       ("stream", "clflush"): "line", ("clflush", "stream"): "line"}
ARM = {("store", "store"): "word", ("store", "flush"): "line", ("flush", "store"): "line",
       ("flush", "flush"): "none"}

NAMED = {
    # Two lines; a write-back that waits for a fence, or does not; clflush; a locked operation.
    "two-lines": (["store x0 1", "store y0 1"],),
    "clflush": (["store x0 1", "clflush x0", "store y0 1"],),
    "clwb": (["store x0 1", "flush x0", "store y0 1"],),
    "clwb-sfence": (["store x0 1", "flush x0", "drain", "store y0 1"],),
    "clwb-mfence": (["store x0 1", "flush x0", "fence", "store y0 1"],),
    "clwb-locked": (["store x0 1", "flush x0", "atomic z0 1", "store y0 1"],),
    "sfence-without-clwb": (["store x0 1", "drain", "store y0 1"],),
    "one-line": (["store x0 1", "store x1 1", "store y0 1"],),
    "clwb-of-the-other-word": (["store x0 1", "store x1 1", "flush x0", "drain", "store y0 1"],),
    "two-clwbs-one-sfence": (["store x0 1", "store y0 1", "flush x0", "flush y0", "drain",
                              "store z0 1"],),
    # What is read need not be durable; who reads it may write it back.
    "message-passing": (["store x0 1"], ["wait x0 1", "store y0 1"]),
    "message-passing-clwb": (["store x0 1"], ["wait x0 1", "flush x0", "drain", "store y0 1"]),
    "message-passing-clflush": (["store x0 1"], ["wait x0 1", "clflush x0", "store y0 1"]),
    "message-passing-writer": (["store x0 1", "flush x0", "drain", "store y0 1"],
                               ["wait y0 1", "store z0 1"]),
    "message-passing-late": (["store x0 1", "store y0 1", "flush x0", "drain"],
                             ["wait y0 1", "store z0 1"]),
    "fence-of-another-thread": (["store x0 1", "flush x0", "store y0 1"],
                                ["wait y0 1", "drain", "store z0 1"]),
    "store-buffering": (["store x0 1", "wait y0 0", "store z0 1"],
                        ["store y0 1", "wait x0 0", "store z1 1"]),
    "store-buffering-mfence": (["store x0 1", "fence", "wait y0 0", "store z0 1"],
                               ["store y0 1", "fence", "wait x0 0", "store z1 1"]),
    "racing-clwb": (["store x0 1"], ["flush x0", "drain", "store y0 1"]),
    "coherence": (["store x0 1", "store x0 2"], ["store x0 3", "flush x0", "drain", "store y0 1"]),
    "three-threads": (["store x0 1"], ["wait x0 1", "store y0 1"],
                      ["wait y0 1", "flush x0", "drain", "store z0 1"]),
    # Streaming stores.
    "stream": (["stream x0 1", "store y0 1"],),
    "stream-sfence": (["stream x0 1", "drain", "store y0 1"],),
    "stream-locked": (["stream x0 1", "atomic y0 1"],),
    "stream-pair": (["stream x0 1", "stream x1 1"],),
    "stream-then-store": (["stream x0 1", "store x1 1"],),
    "stream-message": (["stream x0 1", "drain", "store y0 1"], ["wait y0 1", "store z0 1"]),
    # Arm: DC CVAP, DMB and DSB. Threads that share a line share a word of it: what else they do
    # there the model orders, and the papers do not.
    "arm-one-line": (["store x0 1", "store x1 1"],),
    "arm-one-line-dmb": (["store x0 1", "barrier", "store x1 1"],),
    "arm-one-word": (["store x0 1", "store x0 2", "store x1 1"],),
    "arm-two-lines-dmb": (["store x0 1", "barrier", "store y0 1"],),
    "arm-cvap": (["store x0 1", "flush x0", "store y0 1"],),
    "arm-cvap-dmb": (["store x0 1", "flush x0", "barrier", "store y0 1"],),
    "arm-cvap-dsb": (["store x0 1", "flush x0", "drain", "store y0 1"],),
    "arm-cvap-of-another-word": (["store x0 1", "store x1 1", "flush x0", "drain", "store y0 1"],),
    "arm-dsb-of-another-thread": (["store x0 1", "flush x0", "barrier", "store y0 1"],
                                  ["wait y0 1", "drain", "store z0 1"]),
    "arm-message-passing": (["store x0 1", "barrier", "store y0 1"],
                            ["wait y0 1", "flush x0", "drain", "store z0 1"]),
    "arm-message-passing-without-dmb": (["store x0 1", "store y0 1"],
                                        ["wait y0 1", "flush x0", "drain", "store z0 1"]),
    "arm-coherence": (["store x0 1"], ["store x0 2", "flush x0", "drain", "store y0 1"]),
}


def parse(instruction):
    words = instruction.split()
    return (words[0], words[1] if len(words) > 1 else "", int(words[2]) if len(words) > 2 else 0)


class Runs:
    """All orders in which what is in the buffers of a program can become visible. An order is a
    tuple of (thread, kind, location, value)."""

    def __init__(self, program, weak, in_order):
        self.weak = weak
        self.threads = [[parse(instruction) for instruction in thread] for thread in program]
        self.in_order = in_order
        self.orders, self.seen = set(), set()
        empty = tuple(() for _ in self.threads)
        self.go(tuple(0 for _ in self.threads), empty, (), ())

    def may_leave(self, buffer, place):
        """May the entry leave before those that came earlier?"""
        _, kind, location, _ = buffer[place]
        for _, earlier, other, _ in buffer[:place]:
            weak = self.weak.get((earlier, kind), "all") if not self.in_order else "all"
            if (weak == "all" or (weak == "line" and other[:1] == location[:1]) or
                    (weak == "word" and other == location)):
                return False
        return True

    def go(self, counters, buffers, memory, order):
        if (counters, buffers, memory, order) in self.seen:
            return
        self.seen.add((counters, buffers, memory, order))
        stuck = True
        for thread, buffer in enumerate(buffers):
            for place, entry in enumerate(buffer):
                if self.may_leave(buffer, place):
                    stuck = False
                    left = buffer[:place] + buffer[place + 1:]
                    self.go(counters, buffers[:thread] + (left,) + buffers[thread + 1:],
                            self.apply(memory, entry), order + (entry,))
            stuck = not self.issue(thread, counters, buffers, memory, order) and stuck
        if stuck:
            self.orders.add(order)

    @staticmethod
    def apply(memory, entry):
        _, kind, location, value = entry
        if kind not in ("store", "stream", "atomic"):
            return memory
        return tuple(sorted({**dict(memory), location: value}.items()))

    def issue(self, thread, counters, buffers, memory, order):
        """Executes the thread's next instruction; false: there is none, or it cannot."""
        if counters[thread] == len(self.threads[thread]):
            return False
        kind, location, value = self.threads[thread][counters[thread]]
        entry, buffer = (thread, kind, location, value), buffers[thread]
        after = counters[:thread] + (counters[thread] + 1,) + counters[thread + 1:]
        if kind == "wait":
            own = [e[3] for e in buffer if e[1] in ("store", "stream") and e[2] == location]
            found = own[-1] if own else dict(memory).get(location, 0)
            if found != value:
                return False
            self.go(after, buffers, memory, order)
        elif kind in ("fence", "atomic"):
            if buffer:
                return False
            self.go(after, buffers, self.apply(memory, entry), order + (entry,))
        else:
            self.go(after, buffers[:thread] + (buffer + (entry,),) + buffers[thread + 1:], memory,
                    order)
        return True


class Axioms:
    """The images that one order allows."""

    def __init__(self, order, locations, arm):
        self.order, self.locations, self.arm = order, locations, arm
        self.stores = [at for at, entry in enumerate(order)
                       if entry[1] in ("store", "stream", "atomic")]
        self.before = {at: self.persist_before(at) for at in self.stores}

    def joined(self, first, second):
        """Streaming stores of a thread to different words of a line that nothing parts."""
        thread, kind, location, _ = self.order[first]
        if kind != "stream" or self.order[second][:2] != (thread, "stream"):
            return False
        words = {location}
        for at in range(first + 1, second + 1):
            other, what, where, _ = self.order[at]
            if other == thread and what in ("drain", "fence", "atomic"):
                return False
            if what in ("store", "stream", "atomic") and where[:1] == location[:1]:
                if (other, what) != (thread, "stream") or where in words:
                    return False
                words.add(where)
        return True

    def apart(self, first, second):
        """On Arm: stores of a thread to different words of a line that no barrier orders."""
        thread, _, location, _ = self.order[first]
        return (self.arm and self.order[second][0] == thread and
                self.order[second][2] != location and
                not any(self.order[at][:2] in ((thread, "barrier"), (thread, "drain"))
                        for at in range(first + 1, second)))

    def forced(self, first, second):
        """Is the store at first durable before anything that becomes visible at second?"""
        line = self.order[first][2][:1]
        for at in range(first + 1, second):
            thread, kind, where, _ = self.order[at]
            if kind == "clflush" and where[:1] == line:
                return True
            noted = kind == "flush" and where[:1] == line
            if noted and any(self.order[later][0] == thread and
                             self.order[later][1] in ("drain", "fence", "atomic")
                             for later in range(at + 1, second)):
                return True
        thread, kind = self.order[first][:2]
        return kind == "stream" and any(
            self.order[later][0] == thread and self.order[later][1] in ("drain", "fence", "atomic")
            for later in range(first + 1, second))

    def persist_before(self, second):
        """The stores that are durable if the one at second is."""
        line = self.order[second][2][:1]
        own_drain = self.order[second][1] == "atomic"
        found = set()
        for first in self.stores:
            if first >= second:
                break
            same = (self.order[first][2][:1] == line and not self.joined(first, second) and
                    not self.apart(first, second))
            # A locked operation drains before it stores.
            late = self.forced(first, second + 1) if own_drain else self.forced(first, second)
            if same or late:
                found.add(first)
        return found

    def images(self):
        for count in range(len(self.stores) + 1):
            for kept in itertools.combinations(self.stores, count):
                if all(self.before[at] <= set(kept) for at in kept):
                    image = dict.fromkeys(self.locations, 0)
                    for at in kept:
                        image[self.order[at][2]] = self.order[at][3]
                    yield tuple(image[location] for location in self.locations)


def locations_of(program):
    return sorted({parse(i)[1] for thread in program for i in thread if parse(i)[1]})


def trace_of(order, lines, arm):
    kinds = {"fence": "drain"}
    text = ["nvrtl-trace-text/1", "model arm" if arm else "model x86 streams=drain"]
    text += [f"region {number} size 16" for number in range(1, len(lines) + 1)]
    for thread, kind, location, value in order:
        words = f"{thread + 1} {kinds.get(kind, kind)}"
        if location:
            words += f" {lines.index(location[0]) + 1} {8 * int(location[1])} 8"
        if kind in ("store", "stream", "atomic"):
            words += " " + value.to_bytes(8, "little").hex()
        text.append(words)
    return "\n".join(text) + "\n"


def images_of_traces(nvrtl, program, arm, folder):
    locations = locations_of(program)
    lines = sorted({location[0] for location in locations})
    images, path = set(), os.path.join(folder, "trace")
    orders = Runs(program, ARM if arm else X86, in_order=not arm).orders
    for order in orders:
        with open(path, "w", encoding="ascii") as stream:
            stream.write(trace_of(order, lines, arm))
        found = subprocess.run([nvrtl, "crash", "--enumerate", path], stdout=subprocess.PIPE,
                               text=True, check=True)
        for line in found.stdout.splitlines():
            regions = [bytes.fromhex(word) for word in line.split()]
            images.add(tuple(int.from_bytes(regions[lines.index(location[0])][8 * int(location[1]):]
                                            [:8], "little") for location in locations))
    return images, len(orders)


def images_of_axioms(program, arm):
    locations, images = locations_of(program), set()
    for order in Runs(program, ARM if arm else X86, in_order=False).orders:
        images.update(Axioms(order, locations, arm).images())
    return images


def draw_program(draw, arm):
    kinds = ("store", "store", "store", "flush", "flush", "clflush", "drain", "fence", "atomic",
             "stream", "wait")
    if arm:
        kinds = ("store", "store", "store", "flush", "flush", "drain", "barrier", "wait")
    program = []
    threads = draw.choice((1, 2, 2, 2))
    words = ("x0", "x1", "y0", "z0") if not arm or threads == 1 else ("x0", "y0", "z0")
    for _ in range(threads):
        thread = []
        for _ in range(draw.randint(2, 4)):
            kind, location, value = draw.choice(kinds), draw.choice(words), draw.randint(1, 2)
            if kind in ("drain", "fence", "barrier"):
                thread.append(kind)
            else:
                thread.append(f"{kind} {location}" +
                              (f" {value}" if kind not in ("flush", "clflush") else ""))
        program.append(thread)
    return tuple(program)


def random_program(seed, number, arm):
    """One that has a location: without any there is no region to have images of."""
    draw = random.Random(f"{seed} {number}")
    while True:
        program = draw_program(draw, arm)
        if locations_of(program):
            return program


def check(nvrtl, name, program, arm, folder):
    found, traces = images_of_traces(nvrtl, program, arm, folder)
    expected = images_of_axioms(program, arm)
    if found == expected:
        return traces
    print(f"{name}: {program}, {locations_of(program)}")
    print(f"missing: {sorted(expected - found)[:5]}; impossible: {sorted(found - expected)[:5]}")
    return None


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    programs = [(name, program, name.startswith("arm-")) for name, program in NAMED.items()]
    for number in range(count):
        arm = number % 3 == 0
        programs.append((f"seed {seed}, number {number}", random_program(seed, number, arm), arm))
    traces = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, program, arm in programs:
            made = check(os.environ["NVRTL_BIN"], name, program, arm, folder)
            if made is None:
                return 1
            traces += made
    print(f"seed {seed}: {len(programs)} programs agree with {traces} traces")
    return 0


if __name__ == "__main__":
    sys.exit(main())
