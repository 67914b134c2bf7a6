#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs nvrtl on emulated persistent memory: machines one after the other on the same devices, each
killed when it has drained its records. Compares what the routines say about every kind of view with
what is true there, and looks for the records in the backing images. In the first machine disks are
made to fail, too. Where no such machine can be had the status is 77."""

import argparse
import itertools
import shutil
import signal
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import kernel as kernels
from expected import CPUS, PERSISTENCE, Boot
from images import check_images, make_disks, make_images
from initramfs import Initramfs
from kernel import CannotRun, Failure, output
from machine import Machine

HERE = Path(__file__).resolve().parent
PROGRAMS = ("qemu-system-x86_64", "setpriv", "busybox", "mke2fs", "apt-get", "dpkg-deb")
MODULES = ("crc32c_generic", "nfit", "nd_pmem", "nd_e820", "virtio_pci", "virtio_pmem",
           "device_dax", "dax_pmem", "ext4", "overlay", "virtio_blk", "dm_mod",
           "dm_flakey")  # fmt: skip
# Unit tests that ask the machine at hand, or run what its CPU has. The others are as good outside.
TESTS = ("unit/test_range", "unit/test_os", "unit/test_isa", "unit/test_map_live",
         "unit/test_map_namespace", "unit/test_token*", "unit/test_api*", "unit/test_drain*",
         "unit/test_guard", "unit/test_mapfile*", "diff/test_store")  # fmt: skip

# Long ones, whose threads race the same way everywhere: in the short form the first machine runs
# them.
ONCE = ("test_api_race", "test_token")

# (CPU, what the machine says about its caches, where the unit tests run): each of them once, ...
SHORT = (("max", "mem-ctrl", "/fsdax"), ("max,-clwb", "cpu", "/raw"), ("qemu64", None, "/virtio"))
# ... or every CPU with every word about caches, and the folders by turns.
FOLDERS = ("/fsdax", "/raw", "/virtio", "/e820", "/tmp", "/xfs", "/dev/shm")
PAIRS = itertools.product(CPUS, PERSISTENCE)
LONG = [(*pair, folder) for pair, folder in zip(PAIRS, itertools.cycle(FOLDERS))]

# A guest boots in 4 s and is done in 20 on an idle host; this is for a host that is not.
SECONDS = 600


def find_tests(build):
    tests = []
    for pattern in TESTS:
        found = [path for path in build.glob(f"tests/{pattern}") if path.is_file()]
        if not found and "*" not in pattern:
            raise Failure(f"not built: {pattern}")
        tests += sorted(found)
    return tests


def make_initramfs(build, kernel, tests, xfs):
    root = Initramfs()
    modules = kernel.in_order(MODULES + ("xfs",) * xfs)
    for module in modules:
        root.file(module, f"/lib/{module.name}")
    root.put("/modules", "".join(f"/lib/{module.name}\n" for module in modules).encode())
    root.folder("/dev")
    root.file(shutil.which("busybox"), "/bin/busybox")
    root.link("/bin/sh", "busybox")
    root.program(shutil.which("mke2fs"), "/bin/mkfs.ext4")
    root.file(HERE / "init.sh", "/init")
    for program in "guest", "failing":
        root.file(build / "tests/vm" / program, f"/bin/{program}")
    root.file(build / "lib/nvrtl/libnvrtl-rt.so")
    for program in "bin/nvrtl", "examples/wordstore", "examples/wordstore-broken":
        root.program(build / program)
        root.link("/bin/" + Path(program).name, str(build / program))
    for test in tests:
        root.program(test)
    if tests:
        # Loaded when a thread is cancelled.
        root.program(output("gcc", "-print-file-name=libgcc_s.so.1").strip(), "/lib/libgcc_s.so.1")
    root.put("/tests", "".join(f"{test}\n" for test in tests).encode())
    root.put("/words", "".join(f"word-{number}\n" for number in range(100)).encode())
    return root


def record(boot, archive, folder):
    """A machine for tests/fixtures, with what the routines said in this one, which was right."""
    notes = {"page-cache": "write-cache", "volatile": "-"}
    with tarfile.open(archive) as sent:
        sent.extractall(folder)
    with open(folder / "expected", "w", encoding="utf-8") as expected:
        for name, words in boot.said("view").items():
            view = dict(word.split("=", 1) for word in words)
            note = notes.get(view["domain"], "-" if name.startswith("devdax") else "sync")
            note = "emulated" if name.startswith("e820") else note
            expected.write(f"{view['address']}+1000 ok {view['domain']} {note} {view['reason']}\n")


class Series:
    """Machines that follow each other on the same devices."""

    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        self.kernel = kernels.prepare(options.build / "vm")
        self.tests = find_tests(options.build)
        self.initramfs = folder / "initramfs"
        root = make_initramfs(options.build, self.kernel, self.tests, options.long)
        root.write(self.initramfs)
        self.images = make_images(folder, options.long)
        self.disks = make_disks(folder, options.long)  # of the first machine
        self.earlier = ""

    def run(self, cpu, persistence, suite):
        once = self.earlier and not self.options.long
        tests = [test.name for test in self.tests if not (once and test.name in ONCE)]
        begun = time.monotonic()
        machine = Machine(self.folder, self.kernel.image, self.initramfs, cpu, persistence)
        for image in self.images:
            machine.add_device(image.driver, image.path)
        for disk in self.disks:
            machine.add_disk(disk.path)
        boot = Boot(machine.answers, cpu, persistence)
        machine.parameters += [
            "memmap=64M!256M",
            "nvrtl.devices=" + ",".join(["e820"] + [image.name for image in self.images]),
            "nvrtl.disks=" + ",".join(disk.kind for disk in self.disks),
            f"nvrtl.nonce={boot.nonce}", f"nvrtl.earlier={self.earlier}", f"nvrtl.suite={suite}",
            f"nvrtl.without={','.join(ONCE if once else ())}",
            f"nvrtl.record={'1' if self.options.record else ''}",
        ]  # fmt: skip
        try:
            machine.run("kill", SECONDS)
            boot.check(self.earlier, tests)
            check_images(boot, self.images)
            for disk in self.disks:
                disk.check(boot)
        except Failure as failure:
            boot.wrong.append(str(failure))
        print(f"{boot.summary()}; {time.monotonic() - begun:.1f} s", flush=True)
        if boot.wrong:
            sys.stdout.write(machine.console.read_text(errors="replace"))
            print(*("\t".join(line) for line in machine.answers), sep="\n", flush=True)
            raise Failure("\n".join([f"{boot.summary()} is wrong:", *boot.wrong]))
        if self.options.record:
            record(boot, machine.record, self.options.record / f"{cpu}-{persistence}")
        self.earlier, self.disks = boot.nonce, []


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path, help="the build tree to test")
    parser.add_argument("--long", action="store_true", help="every combination, and xfs")
    parser.add_argument("--record", type=Path, help="keep what /proc and /sys told, in this folder")
    options = parser.parse_args()
    options.build = options.build.resolve()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    try:
        missing = [name for name in PROGRAMS + ("mkfs.xfs",) * options.long
                   if shutil.which(name) is None]  # fmt: skip
        if missing:
            raise CannotRun(f"there is no {', '.join(missing)} (tools/deps.sh)")
        (options.build / "vm").mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=options.build / "vm") as folder:
            series = Series(Path(folder), options)
            for machine in LONG if options.long else SHORT:
                series.run(*machine)
    except CannotRun as failure:
        print(failure, file=sys.stderr)
        sys.exit(77)
    except Failure as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()
