#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The model of crash exploration as a machine that runs, written from its description and sharing
nothing with the explorer.

Each line of memory has a queue of generations of pieces that are visible and have not reached the
medium. At any time the machine may take a piece whose turn it is and write it to the medium. A
guarantee makes it wait: it goes on only in those runs in which the pieces in question have been
written. The machine keeps, for each line, all states (medium, queue) that it can be in; a power cut
at any moment leaves the media of some combination of them.

  machine.py TRACE      prints the images as `nvrtl crash --enumerate` does
"""

import itertools
import sys

STORES = ("store", "copy", "stream", "direct", "atomic", "pwrite", "read-into", "unseen",
          "found")
RANGES = STORES + ("flush", "clflush", "msync-begin")


class Event:
    """A line of the trace."""

    def __init__(self, thread, kind, words):
        self.thread, self.kind = thread, kind
        self.region = self.offset = self.size = self.object = None
        self.data = b""
        if kind in RANGES:
            self.region, self.offset, self.size = (int(word, 0) for word in words[:3])
        if kind in STORES:
            self.data = bytes.fromhex(words[3])
        if kind in ("release", "acquire"):
            self.object = int(words[0], 0)


class Trace:
    """A text trace, read with no mercy: it is one of ours."""

    def __init__(self, text):
        self.model, self.streams, self.atomic64, self.stable = "x86", None, False, False
        self.ordered, self.cpu = False, ""
        self.regions, self.bases, self.events = {}, [], []
        lines = [line.split("#")[0].split() for line in text.splitlines()]
        assert lines[0] == ["nvrtl-trace-text/1"]
        for words in filter(None, lines[1:]):
            self.take(words)

    def take(self, words):
        if words[0] == "model":
            self.model = words[1]
            for word in words[2:]:
                if word.startswith("streams="):
                    self.streams = word[8:]
                self.atomic64 = self.atomic64 or word == "direct64=atomic"
                self.stable = self.stable or word == "stable-pages"
        elif words[0] == "order":
            self.ordered = words[1] == "hb"
        elif words[0] == "cpu":
            self.cpu = " ".join(words[1:])
        elif words[0] == "region":
            self.regions[int(words[1])] = int(words[words.index("size") + 1])
        elif words[0] == "base":
            self.bases.append((int(words[1]), int(words[2], 0), bytes.fromhex(words[4])))
        elif words[0] not in ("mark", "stack"):
            self.events.append(Event(int(words[0]), words[1], words[2:]))


class Piece:
    """What is written to the medium at once."""

    def __init__(self, number, event_number, thread, writes):
        self.number, self.event_number, self.thread = number, event_number, thread
        self.writes = writes  # {offset in the line: byte}


class Generation:
    def __init__(self, number, thread, kind, epoch, barriers):
        self.number, self.thread, self.kind, self.epoch = number, thread, kind, epoch
        self.first_barriers = self.last_barriers = barriers
        self.pieces, self.bytes, self.words = [], set(), set()


class Line:
    """generations: all that there ever were; states: {(medium, numbers of the pieces that wait)}"""

    def __init__(self, medium):
        self.generations, self.pieces = [], {}
        self.states = {(medium, frozenset())}


class Machine:
    def __init__(self, trace, image=None):
        self.trace, self.model = trace, trace.model
        self.unit = 512 if self.model == "page" and trace.stable else 64
        streams = trace.streams
        if streams is None:
            in_place = self.model == "arm" or trace.cpu.startswith(("AuthenticAMD", "HygonGenuine"))
            streams = "inplace" if in_place else "drain"
        self.noted_kinds = {"direct"} | ({"stream"} if streams == "drain" else set())
        self.lines, at = {}, 0
        for region, size in trace.regions.items():
            content = bytearray(size) if image is None else bytearray(image[at:at + size])
            for number, offset, data in trace.bases:
                if number == region and image is None:
                    content[offset:offset + len(data)] = data
            for start in range(0, size, self.unit):
                medium = bytes(content[start:start + self.unit])
                self.lines[region, start // self.unit] = Line(medium)
            at += size
        self.epoch, self.barriers = {}, {}  # of each thread
        self.notes, self.syncs = {}, {}     # thread: set of (line key, piece number)
        self.pages = set()                  # flushed, not drained
        self.past = {}      # thread: numbers of the events that happened before what it does next
        self.released = {}  # object: the same
        self.count = 0
        self.images = set()

    # How pieces reach the medium.

    def ordered(self, earlier, later):
        """Within a line: has all of the earlier generation to be written first?"""
        if self.model != "arm":
            return True
        return (earlier.thread != later.thread or bool(earlier.bytes & later.bytes) or
                earlier.last_barriers < later.first_barriers)

    def ready(self, line, waiting):
        """The pieces whose turn it is."""
        blocked = [g for g in line.generations if any(p.number in waiting for p in g.pieces)]
        for generation in blocked:
            if not any(self.ordered(other, generation) for other in blocked
                       if other.number < generation.number):
                yield from (p for p in generation.pieces if p.number in waiting)

    def run_on(self, line):
        """Adds the states that the line can get into by itself."""
        todo = list(line.states)
        while todo:
            medium, waiting = todo.pop()
            for piece in self.ready(line, waiting):
                written = bytearray(medium)
                for offset, byte in piece.writes.items():
                    written[offset] = byte
                state = (bytes(written), waiting - {piece.number})
                if state not in line.states:
                    line.states.add(state)
                    todo.append(state)

    def wait(self, pieces):
        """Goes on only where these have been written."""
        for key, number in pieces:
            line = self.lines[key]
            line.states = {state for state in line.states if number not in state[1]}

    def cut(self):
        """The power may fail here."""
        media = [sorted({medium for medium, _ in line.states}) for line in self.lines.values()]
        keys = list(self.lines)
        for combination in itertools.product(*media):
            regions = {}
            for (region, _), medium in zip(keys, combination):
                regions[region] = regions.get(region, b"") + medium
            self.images.add(tuple(regions.values()))

    # What may be counted on.

    def counted(self, thread, keys):
        """The pieces of the lines that the thread may count on."""
        past = self.past.setdefault(thread, set())
        return {(key, piece.number) for key in keys for piece in self.lines[key].pieces.values()
                if not self.trace.ordered or piece.thread == thread or piece.event_number in past}

    def reached(self, event):
        """The lines that a flush of the event's range acts on."""
        unit = 4096 if self.model == "page" else self.unit
        first, last = event.offset // unit, (event.offset + event.size - 1) // unit
        return [(region, index) for region, index in self.lines if region == event.region and
                first <= index * self.unit // unit <= last]

    def page_of(self, key):
        return key[0], key[1] * self.unit // 4096

    def note(self, thread, pieces):
        everybody = self.model == "page"
        self.notes.setdefault(None if everybody else thread, set()).update(pieces)

    def complete(self, thread):
        self.wait(self.notes.pop(None if self.model == "page" else thread, set()))

    # Events.

    def split(self, event, start, end):
        """The bytes [start, end) of a region, in one line, as what is written at once."""
        whole = (self.trace.atomic64 and event.kind == "direct" and event.size == 64 and
                 event.offset % 64 == 0)
        width = self.unit if event.kind == "found" else 64 if whole else 8
        for word, group in itertools.groupby(range(start, end), lambda at: at // width):
            yield {at % self.unit: event.data[at - event.offset] for at in group}

    def joins(self, line, event, words):
        if not line.generations or event.kind not in ("stream", "direct"):
            return False
        last = line.generations[-1]
        return (last.kind == event.kind and last.thread == event.thread and
                last.epoch == self.epoch.get(event.thread, 0) and not last.words & words)

    def store_to_line(self, event, key, start, end):
        line, thread = self.lines[key], event.thread
        words = {at // 8 for at in range(start, end)}
        barriers = self.barriers.get(thread, 0)
        if self.joins(line, event, words):
            generation = line.generations[-1]
        else:
            generation = Generation(len(line.generations), thread, event.kind,
                                    self.epoch.get(thread, 0), barriers)
            line.generations.append(generation)
        generation.last_barriers = barriers
        generation.words |= words
        generation.bytes |= set(range(start, end))
        fresh = []
        for writes in self.split(event, start, end):
            piece = Piece(len(line.pieces), self.count, thread, writes)
            line.pieces[piece.number] = piece
            generation.pieces.append(piece)
            fresh.append(piece.number)
        line.states = {(medium, waiting | set(fresh)) for medium, waiting in line.states}
        return {(key, number) for number in fresh}

    def store(self, event):
        fresh, at, end = set(), event.offset, event.offset + event.size
        while at < end:
            index = at // self.unit
            stop = min(end, (index + 1) * self.unit)
            fresh |= self.store_to_line(event, (event.region, index), at, stop)
            at = stop
        if event.kind in self.noted_kinds:
            self.note(event.thread, fresh)
        elif self.model == "eadr":
            for key, _ in fresh:
                self.run_on(self.lines[key])
            self.cut()
            self.wait(fresh)

    def step(self, event):
        thread, kind = event.thread, event.kind
        if kind == "drain" or kind == "atomic":
            self.epoch[thread] = self.epoch.get(thread, 0) + 1
        if kind in ("drain", "barrier", "release"):
            self.barriers[thread] = self.barriers.get(thread, 0) + 1
        if kind == "drain":
            # What was flushed is written as it is when the drain begins.
            written = [key for key in self.lines if self.page_of(key) in self.pages]
            self.note(thread, self.counted(thread, written))
            self.pages = set()
            self.complete(thread)
        if kind == "atomic" and self.model != "arm":
            self.complete(thread)
        if kind in STORES:
            self.store(event)
        if kind == "flush":
            self.note(thread, self.counted(thread, self.reached(event)))
            if self.model == "page":
                self.pages |= {self.page_of(key) for key in self.reached(event)}
        if kind == "clflush":
            self.wait(self.counted(thread, self.reached(event)))
        if kind == "msync-begin":
            self.syncs[thread] = self.counted(thread, self.reached(event))
        if kind == "msync-end":
            self.wait(self.syncs.pop(thread, set()))
        if kind == "release":
            self.released.setdefault(event.object, set()).update(
                self.past.setdefault(thread, set()))
        if kind == "acquire":
            self.past.setdefault(thread, set()).update(self.released.get(event.object, set()))

    def run(self):
        self.cut()
        for event in self.trace.events:
            self.count += 1
            self.step(event)
            self.past.setdefault(event.thread, set()).add(self.count)
            for line in self.lines.values():
                self.run_on(line)
            self.cut()
        return sorted(" ".join(region.hex() for region in image) for image in self.images)


def enumerate_images(text, image=None):
    """What `nvrtl crash --enumerate` has to print, line by line."""
    return Machine(Trace(text), image).run()


if __name__ == "__main__":
    with open(sys.argv[1], encoding="ascii") as stream:
        print("\n".join(enumerate_images(stream.read())))
