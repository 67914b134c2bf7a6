# SPDX-License-Identifier: BSD-2-Clause
"""Debian's stock kernel: fetched as a package, unpacked without being installed, its modules in the
order in which they load."""

import lzma
import os
import re
import subprocess
import tarfile
import tempfile
import zlib
from pathlib import Path

METAPACKAGE = "linux-image-amd64"
# Folders of modules that a guest may need; what they refer to lies in them too, or says so below.
FOLDERS = (
    "arch/x86/crypto/", "crypto/", "drivers/acpi/nfit/", "drivers/block/", "drivers/dax/",
    "drivers/md/", "drivers/nvdimm/", "drivers/virtio/", "fs/ext4/", "fs/jbd2/", "fs/mbcache",
    "fs/overlayfs/", "fs/xfs/", "lib/",
)  # fmt: skip


class Failure(Exception):
    pass


class CannotRun(Failure):
    """Something is missing here that is no fault of what is tested."""


def output(*command, **options):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                            check=False, **options)  # fmt: skip
    if result.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))}: {result.stderr.strip()}")
    return result.stdout


def fetch(folder):
    """The package of the kernel that the metapackage stands for now; in folder from then on."""
    kept = sorted(folder.glob("linux-image-*.deb"))
    if kept:
        return kept[-1]
    command = ["apt-cache", "show", "--no-all-versions", METAPACKAGE]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    name = re.search(r"^Depends:.*?\b(linux-image-[^ ,]+)", shown, re.MULTILINE)
    if name is None:
        raise CannotRun(f"{METAPACKAGE} depends on no kernel (apt-get update?)")
    with tempfile.TemporaryDirectory(dir=folder) as arrivals:
        try:
            output("apt-get", "download", name.group(1), cwd=arrivals)
        except Failure as failure:
            raise CannotRun(f"the kernel's package cannot be had: {failure}") from failure
        (package,) = Path(arrivals).glob("*.deb")
        return package.rename(folder / package.name)


def wanted(name):
    """Where a file of the package goes; None: nowhere."""
    module = re.fullmatch(r"\./(?:usr/)?lib/modules/[^/]+/kernel/(.*\.ko)(?:\.xz)?", name)
    if module and module.group(1).startswith(FOLDERS):
        return "modules/" + Path(module.group(1)).name
    if name.endswith("/modules.builtin"):
        return "builtin"
    return "vmlinuz" if name.startswith("./boot/vmlinuz-") else None


def decompress(image):
    """The kernel itself, next to the packed one: unpacked once here and not in each machine. A
    kernel that is packed in another way stays as it is."""
    packed = image.read_bytes()
    start = packed.find(b"\xfd7zXZ\0")
    if start >= 0:
        plain = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(packed[start:])
        image.with_name("vmlinux").write_bytes(plain)


def unpack(package, folder):
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                place = wanted(member.name) if member.isfile() else None
                if place is not None:
                    content = archive.extractfile(member).read()
                    if member.name.endswith(".xz"):
                        content = lzma.decompress(content)
                    (folder / place).write_bytes(content)
    if process.returncode != 0:
        raise Failure(f"{package}: dpkg-deb failed")


def module_name(path):
    return Path(path).stem.replace("-", "_")


class Kernel:
    def __init__(self, folder):
        plain = folder / "vmlinux"
        self.image = plain if plain.exists() else folder / "vmlinuz"
        self.modules = {module_name(path): path for path in (folder / "modules").iterdir()}
        self.builtin = set(map(module_name, (folder / "builtin").read_text().split()))

    def needs(self, name):
        """The modules that this one says it depends on. (The package has no modules.dep; depmod
        would make it from the same words.)"""
        words = re.search(rb"\0depends=([^\0]*)\0", self.modules[name].read_bytes())
        return [word.replace("-", "_") for word in words.group(1).decode().split(",") if word]

    def in_order(self, names):
        """The modules with all that they depend on, each after what it needs."""
        order = []

        def add(name):
            if name in self.builtin:
                return
            if name not in self.modules:
                raise Failure(f"the kernel's package has no module {name}")
            for need in self.needs(name):
                add(need)
            if name not in order:
                order.append(name)

        for name in names:
            add(name)
        return [self.modules[name] for name in order]


def prepare(folder):
    """The kernel, unpacked in folder; NVRTL_VM_KERNEL may name another package than Debian's."""
    folder.mkdir(parents=True, exist_ok=True)
    given = os.environ.get("NVRTL_VM_KERNEL")
    package = Path(given) if given else fetch(folder)
    # Another list of folders is another unpacking.
    unpacked = folder / f"{package.stem}-{zlib.crc32(repr(FOLDERS).encode()):08x}"
    if not unpacked.exists():
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            place = Path(temporary) / "kernel"
            (place / "modules").mkdir(parents=True)
            unpack(package, place)
            decompress(place / "vmlinuz")
            place.rename(unpacked)
    return Kernel(unpacked)
