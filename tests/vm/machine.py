# SPDX-License-Identifier: BSD-2-Clause
"""A machine in qemu: emulated by TCG, so that any host can run it."""

import os
import selectors
import subprocess
import time

from kernel import Failure

MIB = 1 << 20
NVDIMM, VIRTIO = "nvdimm", "virtio-pmem-pci"


class Machine:
    """One boot. Answers come from the guest's second serial port as lists of words."""

    def __init__(self, folder, kernel, initramfs, cpu, persistence):
        self.console = folder / "console"
        self.record = folder / "record.tar"
        machine = "pc,accel=tcg,nvdimm=on"
        if persistence:
            machine += f",nvdimm-persistence={persistence}"
        self.command = [
            "setpriv", "--pdeathsig", "KILL",  # no machine outlives the test
            "qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-reboot",
            "-machine", machine, "-cpu", cpu, "-smp", "2", "-m", "512M,slots=8,maxmem=4G",
            "-kernel", kernel, "-initrd", initramfs,
            "-serial", f"file:{self.console}", "-serial", "stdio", "-serial", f"file:{self.record}",
        ]  # fmt: skip
        self.parameters = ["console=ttyS0", "quiet", "panic=-1"]
        # What costs time and has no part in the test.
        self.parameters += ["mitigations=off", "rcupdate.rcu_expedited=1", "cryptomgr.notests",
                            "nowatchdog"]  # fmt: skip
        self.devices = 0
        self.answers = []

    def add_device(self, driver, image):
        number, self.devices = self.devices, self.devices + 1
        size = image.stat().st_size
        self.command += [
            "-object",
            f"memory-backend-file,id=m{number},share=on,mem-path={image},size={size}",
            "-device", f"{driver},id=d{number},memdev=m{number}",
        ]  # fmt: skip

    def add_disk(self, image):
        self.command += ["-drive", f"file={image},if=virtio,format=raw"]

    def run(self, last, seconds):
        """Runs until the guest says the word last; then the machine is killed, at once and without
        a warning, as a power cut would. What the guest said is in self.answers."""
        command = [str(word) for word in self.command + ["-append", " ".join(self.parameters)]]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as qemu:
            try:
                self.listen(qemu.stdout.fileno(), last, time.monotonic() + seconds)
            finally:
                qemu.kill()

    def listen(self, port, last, deadline):
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(port, selectors.EVENT_READ)
            while selector.select(max(0, deadline - time.monotonic())):
                more = os.read(port, 65536)
                if not more:
                    raise Failure(f"the machine ended before it said {last!r}")
                *lines, rest = (rest + more).split(b"\n")
                for line in lines:
                    self.answers.append(line.decode(errors="replace").rstrip("\r").split("\t"))
                    if self.answers[-1][0] == last:
                        return
        raise Failure(f"the machine did not say {last!r} in time")
