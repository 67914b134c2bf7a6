#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check_wordstore.py WORDSTORE LIST STORE: the check of a cut `wordstore STORE load LIST`.

Recovers the store, then: the table is sound, every word of every acknowledged batch is there with
its value, and no word that was never begun. NVRTL_BEGUN and NVRTL_ACKED name the batches of the run
that was cut, which began with an empty store."""

import os
import struct
import subprocess
import sys

BATCH, TEXT = 4096, 54
RECORD = struct.Struct("<QBB54s")
TABLE = 4096 + 2 * BATCH * RECORD.size


def batches_of(path):
    """What each batch of the list stores; a word that comes twice in one has its last value."""
    batches, batch = [], {}
    with open(path, "rb") as file:
        for number, word in enumerate(file.read().split(b"\n"), 1):
            if word:
                batch[word] = b"%d" % number
            if len(batch) == BATCH:
                batches.append(batch)
                batch = {}
    return batches + [batch]


def words_in(path):
    found = {}
    with open(path, "rb") as file:
        file.seek(TABLE)
        for place, word, value, text in RECORD.iter_unpack(file.read()):
            if place:
                found[text[:word]] = text[word:word + value]
    return found


def check(program, words, store):
    if not os.path.exists(store) or os.path.getsize(store) == 0:
        if os.environ["NVRTL_ACKED"]:
            return "the store is gone"
        return None
    result = subprocess.run([program, store, "check"], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode != 0 or not result.stdout.startswith("sound"):
        return f"recovery: status {result.returncode}: {result.stdout}"
    found, acked, begun = words_in(store), {}, {}
    batches = batches_of(words)
    for number in os.environ["NVRTL_BEGUN"].split():
        begun.update(batches[int(number) - 1])
    for number in os.environ["NVRTL_ACKED"].split():
        acked.update(batches[int(number) - 1])
    # A word may come again in a batch that was begun later.
    lost = [word for word in acked if found.get(word) not in (acked[word], begun[word])]
    strange = [word for word, value in found.items() if word not in begun]
    if lost:
        return f"{len(lost)} acknowledged words are lost: {lost[:5]}"
    if strange:
        return f"{len(strange)} words were never begun: {strange[:5]}"
    return None


def main():
    problem = check(*sys.argv[1:])
    if problem is not None:
        sys.exit(problem)


if __name__ == "__main__":
    main()
