# SPDX-License-Identifier: BSD-2-Clause
"""The files behind the guest's devices, and the records that machines leave in them."""

import re

from kernel import output
from machine import MIB, NVDIMM, VIRTIO

WAYS = ("write-persist", "write-flush", "write-later", "stream", "fill", "flush", "ranges")
TEXT_SIZE = 128  # as in records.c


class Image:
    def __init__(self, folder, name):
        self.name, self.path = name, folder / f"{name}.img"
        self.driver = VIRTIO if name.startswith("virtio") else NVDIMM
        size = 384 if name == "xfs" else 64  # no xfs is smaller than 300 MiB
        with open(self.path, "wb") as file:
            file.truncate(size * MIB)

    def make_xfs(self):
        """xfs where the guest's description of pages will leave the place for it. (Its mkfs is
        linked with too much to be taken into the guest.)"""
        start, plain = 2 * MIB, self.path.with_suffix(".plain")
        with open(plain, "wb") as file:
            file.truncate(self.path.stat().st_size - start)
        output("mkfs.xfs", "-q", plain)
        output("dd", f"if={plain}", f"of={self.path}", "bs=1M", f"seek={start // MIB}",
               "conv=sparse,notrunc")  # fmt: skip
        plain.unlink()

    def records(self, nonce):
        """{(view, way)} of the whole records of that machine."""
        content, start, found = self.path.read_bytes(), f"nvrtl-vm {nonce} ".encode(), set()
        at = content.find(start)
        while at >= 0:
            text, signs = content[at : at + TEXT_SIZE], content[at + TEXT_SIZE : at + 2 * TEXT_SIZE]
            words = text[len(start) :].rstrip(b".").split()
            if len(words) == 2 and signs == b"#" * TEXT_SIZE:
                found.add((words[0].decode(), words[1].decode()))
            at = content.find(start, at + TEXT_SIZE)
        return found


def make_images(folder, xfs):
    """In the order in which the guest expects them."""
    images = [Image(folder, name) for name in ["fsdax", "raw", "devdax"] + ["xfs"] * xfs]
    if xfs:
        images[-1].make_xfs()
    return images + [Image(folder, "virtio"), Image(folder, "virtiodax")]


def check_images(boot, images):
    """What a machine drained is on its devices."""
    for image in images:
        found = image.records(boot.nonce)
        for view in boot.kept():
            if view.split("-")[0] == image.name:
                lost = [way for way in WAYS if (view, way) not in found]
                boot.expect(not lost, view, "lost from its device:", *lost)
        # Nothing of a view of the page cache reaches the medium by itself; if it did, the records
        # that are found would prove nothing.
        if image.name == "raw":
            boot.expect(("raw-plain", "lost") not in found, "raw-plain needed no drain")


class Disk:
    """A disk that the guest makes fail, and what tests/vm/failing.c does on it."""

    CASES = ("dead", "refuses", "behind", "evicted", "unreadable", "processes", "whole")
    PAGES = 64  # of each case

    def __init__(self, folder, kind):
        self.kind, self.path = kind, folder / f"{kind}.disk"
        self.size = (384 if kind == "xfs" else 32) * MIB
        with open(self.path, "wb") as file:
            file.truncate(self.size)
        output(*{"ext4": ("mke2fs", "-q", "-t", "ext4", "-b", "4096", "-F"),
                 "xfs": ("mkfs.xfs", "-q")}[kind], self.path)  # fmt: skip

    def check(self, boot):
        """What was called durable, after all that the disk refused, is on it."""
        start = rb"nvrtl-failing %s %s-(\S+) turn " % (boot.nonce.encode(), self.kind.encode())
        found = [case.decode() for case in re.findall(start, self.path.read_bytes())]
        boot.expect_all("failing", [f"{self.kind}-{case}" for case in self.CASES], ["passed"])
        for case in self.CASES:
            count = found.count(case)
            boot.expect(count == self.PAGES, self.kind, case, count, "pages on the disk")


def make_disks(folder, xfs):
    return [Disk(folder, kind) for kind in ["ext4"] + ["xfs"] * xfs]
