#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The example store: what it does, what it refuses, and that a power cut takes nothing away."""

import os
import random
import shutil
import struct
import unittest

from command import FolderTest, run

STORE = os.environ.get("WORDSTORE_BIN")
BROKEN = os.environ.get("WORDSTORE_BROKEN_BIN")
POWERCUT = os.environ.get("WORDSTORE_POWERCUT_BIN")
POWERCUT_BROKEN = os.environ.get("WORDSTORE_BROKEN_POWERCUT_BIN")
DICTIONARY = "/usr/share/dict/american-english"

# The layout of the file: a page with the commit word, two logs, the table.
BATCH, SLOTS = 4096, 1 << 18
RECORD = struct.Struct("<QBB54s")
TABLE = 4096 + 2 * BATCH * RECORD.size


class StoreTest(FolderTest):
    program = STORE

    def setUp(self):
        super().setUp()
        self.store = self.path("store")

    def run_store(self, *arguments, **options):
        return run(self.store, *arguments, program=self.program, **options)

    def assert_says(self, answer, *arguments):
        result = self.run_store(*arguments)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, answer, ""))

    def write_list(self, words):
        return self.write("list", "".join(f"{word}\n" for word in words).encode())


@unittest.skipIf(STORE is None, "the example is not built")
class FunctionTest(StoreTest):
    def test_put_and_get(self):
        self.assert_says("", "put", "word", "value")
        self.assert_says("value\n", "get", "word")
        self.assert_says("", "put", "word", "")
        self.assert_says("\n", "get", "word")
        self.assert_says("", "put", "Wörter", "two of them")
        self.assert_says("two of them\n", "get", "Wörter")
        self.assert_says("2\n", "count")
        self.assert_says("sound, words: 2\n", "check")

    def test_load(self):
        self.assert_says("", "load", self.write_list(["one", "two", "", "four", "two"]))
        self.assert_says("3\n", "count")
        for word, line in (("one", 1), ("two", 5), ("four", 4)):
            self.assert_says(f"{line}\n", "get", word)

    def test_lists_around_the_size_of_a_batch(self):
        for size in (BATCH - 1, BATCH, BATCH + 1, 2 * BATCH):
            words = [f"{size}-{number}" for number in range(size)]
            self.assert_says("", "load", self.write_list(words))
            self.assert_says(f"{size}\n", "get", words[-1])
        self.assert_says(f"sound, words: {5 * BATCH}\n", "check")

    @unittest.skipUnless(os.path.exists(DICTIONARY), "no word list")
    def test_the_dictionary_twice(self):
        with open(DICTIONARY, encoding="utf-8") as file:
            words = file.read().splitlines()
        for _ in range(2):
            self.assert_says("", "load", DICTIONARY)
            self.assert_says(f"sound, words: {len(words)}\n", "check")
        for number in random.Random(3).sample(range(len(words)), 20):
            self.assert_says(f"{number + 1}\n", "get", words[number])

    def test_what_does_not_fit(self):
        self.assert_says("", "put", "w" * 50, "four")
        for word, value in (("w" * 51, "four"), ("", "value"), ("word", "v" * 51)):
            self.assert_fails(self.run_store("put", word, value), 1, "54 at most")
        result = self.run_store("load", self.write_list(["good", "b" * 60, "late"]))
        self.assert_fails(result, 1, "b" * 60)
        self.assert_says("1\n", "get", "good")
        self.assert_says("sound, words: 2\n", "check")

    def test_what_is_not_there(self):
        for arguments in (("get", "word"), ("count",), ("check",)):
            self.assert_fails(self.run_store(*arguments), 1, self.store, "No such file")
        self.assertFalse(os.path.exists(self.store))
        self.assert_says("", "put", "word", "value")
        self.assert_fails(self.run_store("get", "other"), 1, "other: no such word")
        self.assert_fails(self.run_store("load", self.path("none")), 1, "No such file")

    def test_another_file_is_left_alone(self):
        self.write("store", b"a letter")
        for arguments in (("put", "word", "value"), ("get", "word")):
            self.assert_fails(self.run_store(*arguments), 1, "not a word store")
        self.assertEqual(self.read("store"), b"a letter")

    def test_damage_is_seen(self):
        self.assert_says("", "put", "word", "value")
        whole = self.read("store")
        place = whole.index(b"word", TABLE)
        slot = place - 10
        moved = whole[:slot] + bytes(64) + whole[slot + 64:]
        for damaged in (whole[:place] + b"x" + whole[place + 1:],
                        moved[:TABLE] + whole[slot:slot + 64] + moved[TABLE + 64:],
                        whole[:slot] + bytes(8) + whole[slot + 8:],
                        b"x" * 8 + whole[8:]):
            self.write("store", damaged)
            self.assert_fails(self.run_store("check"), 1, "damaged")

    def test_reading_stores_nothing(self):
        self.assert_says("", "put", "word", "value")
        before = os.stat(self.store).st_mtime_ns
        self.assert_says("value\n", "get", "word")
        self.assert_says("1\n", "count")
        self.assertEqual(os.stat(self.store).st_mtime_ns, before)

    def test_wrong_usage(self):
        for arguments in ((), ("get",), ("get", "a", "b"), ("put", "a"), ("drop",)):
            self.assert_fails(self.run_store(*arguments), 2, "usage: wordstore FILE")


@unittest.skipIf(BROKEN is None, "the example is not built")
class BrokenTest(StoreTest):
    """The bug of the broken twin does not show while the power stays on."""

    program = BROKEN

    def test_it_seems_to_work(self):
        words = [f"word{number}" for number in range(3 * BATCH)]
        for _ in range(2):
            self.assert_says("", "load", self.write_list(words))
        self.assert_says("", "put", "word7", "seven")
        self.assert_says("seven\n", "get", "word7")
        self.assert_says("100\n", "get", "word99")
        self.assert_says(f"sound, words: {len(words)}\n", "check")


class PowerCut:
    """One store that goes through cuts and kills, and the states that it may be in."""

    WORDS = [f"word{number}" for number in range(3 * BATCH)]

    def __init__(self, test, chance):
        self.test, self.chance = test, chance
        self.possible = [{}]
        for name in ("store", "store.durable"):
            if os.path.exists(test.path(name)):
                os.unlink(test.path(name))

    def state(self, name):
        """The words of a store that was closed in good order, by reading its file."""
        table = memoryview(self.test.read(name))[TABLE:]
        return {text[:word].decode(): text[word:word + value].decode()
                for place, word, value, text in RECORD.iter_unpack(table) if place}

    def recovers(self):
        """Does the next start find a batch in force? Its commit is then acknowledged again."""
        if not os.path.exists(self.test.store) or os.path.getsize(self.test.store) == 0:
            return False
        with open(self.test.store, "rb") as file:
            return struct.unpack("<Q", file.read(8))[0] & 0xFFFF != 0

    def pick_step(self, batches):
        """A step of a load: often close to a commit, where the danger is."""
        starts = [0]
        for batch in batches:
            starts.append(starts[-1] + 2 * len(batch) + 9)
        if self.chance.random() < 0.2:
            return self.chance.randrange(starts[-1] + 10)
        return max(0, self.chance.choice(starts) + self.chance.randrange(-3, 12))

    def load(self):
        """One load that is cut or killed, and what may be in the store after it."""
        size = self.chance.choice((1, 3, BATCH, self.chance.randrange(1, 2 * BATCH + 100)))
        words = self.chance.sample(self.WORDS, size)
        batches = [words[start:start + BATCH] for start in range(0, size, BATCH)]
        settings = {"POWERCUT_STEP": str(self.pick_step(batches)),
                    "POWERCUT_SEED": str(self.chance.getrandbits(31))}
        if self.chance.random() < 0.4:
            settings["POWERCUT_KILL"] = "1"
        recovers = self.recovers()
        result = self.test.run_store("load", self.test.write_list(words),
                                     env={**os.environ, **settings})
        self.test.assertEqual(result.returncode, 77, result.stderr)
        commits = [line for line in result.stderr.splitlines() if line != "acknowledged 0"]
        acknowledged = max(0, len(commits) - recovers)
        numbers = {word: str(number) for number, word in enumerate(words, 1)}
        states = []
        for state in self.possible:
            for count in range(acknowledged, min(acknowledged + 1, len(batches)) + 1):
                states.append({**state, **{word: numbers[word] for batch in batches[:count]
                                           for word in batch}})
        self.possible = states
        return settings, size

    def is_consistent(self):
        """Recovers a copy, cuts its power once more, and looks."""
        for name in ("store", "store.durable"):
            if os.path.exists(self.test.path(name)):
                shutil.copyfile(self.test.path(name), self.test.path("copy" + name[5:]))
        settings = {"POWERCUT_STEP": "-1", "POWERCUT_SEED": str(self.chance.getrandbits(31))}
        result = run(self.test.path("copy"), "check", program=self.test.program,
                     env={**os.environ, **settings})
        if not result.stdout.startswith("sound"):
            return False
        found = self.state("copy")
        if found not in self.possible:
            return False
        if not os.path.exists(self.test.path("store.durable")):
            self.possible = [found]
        return True


@unittest.skipIf(POWERCUT is None, "the example is not built")
class PowerCutTest(StoreTest):
    program = POWERCUT
    parent = "/dev/shm" if os.path.isdir("/dev/shm") else None  # the disk is modelled, not used

    def first_loss(self, rounds):
        """The history of the first store that lost something, or None."""
        seed = int(os.environ.get("NVRTL_TEST_SEED", "1"))
        print(f"seed {seed}")
        for number in range(rounds):
            store = PowerCut(self, random.Random(seed * 1000003 + number))
            history = []
            for _ in range(4):
                history.append(store.load())
                if not store.is_consistent():
                    return number, history
        return None

    def test_nothing_acknowledged_is_lost(self):
        self.assertIsNone(self.first_loss(12))

    def test_the_broken_twin_loses(self):
        self.program = POWERCUT_BROKEN
        self.assertIsNotNone(self.first_loss(12))


if __name__ == "__main__":
    unittest.main()
