# SPDX-License-Identifier: BSD-2-Clause
"""Programs of others, with bugs: Debian's source packages, fetched once into a cache, and lines
that packages/NAME.edits puts into them. Nothing of theirs is in this repository."""

import fcntl
import hashlib
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUITE = "deb-src http://deb.debian.org/debian bookworm main\n"


@dataclass
class Package:
    archive: str  # what Debian calls the original source
    sha256: str  # the edits count its lines
    folder: str  # where in it the sources lie
    edited: tuple  # sources with edits, built anew for each bug
    others: tuple = ()  # sources that are built once


PACKAGES = {
    "lmdb": Package("lmdb_0.9.24.orig.tar.gz",
                    "8e7200fdc9bb09b0cfad1d4eee8b20d539e43fe05c7ef9406247d64659c4a480",
                    "libraries/liblmdb", ("mdb.c",), ("midl.c",)),
    "qdbm": Package("qdbm_1.8.78.orig.tar.gz",
                    "b466fe730d751e4bfc5900d1f37b0fb955f2826ac456e70012785e012cdcb73e",
                    ".", ("depot.c",), ("myconf.c",)),
    "tkrzw": Package("tkrzw_1.0.25.orig.tar.xz",
                     "6da0f5ec573e0011e479d303b3f6cf1e662064d0b0bf69635432196b3fceeeb3",
                     ".", ("tkrzw_file_mmap.cc",),
                     tuple(f"tkrzw_{name}.cc" for name in (
                         "file_util", "hash_util", "lib_common", "str_util", "time_util"))),
}  # fmt: skip


class CannotFetch(Exception):
    pass


def is_whole(path, package):
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == package.sha256


def fetch(package, cache):
    """The package's archive, in the cache from then on. apt gets lists of its own, so that the
    system's need not name sources."""
    archive = cache / package.archive
    if is_whole(archive, package):
        return archive
    cache.mkdir(parents=True, exist_ok=True)
    for folder in "lists/partial", "archives/partial":
        (cache / folder).mkdir(parents=True, exist_ok=True)
    (cache / "sources.list").write_text(SUITE, encoding="ascii")
    apt = ["apt-get", "-qq", "-o", f"Dir::Etc::sourcelist={cache}/sources.list",
           "-o", "Dir::Etc::sourceparts=-", "-o", f"Dir::State::lists={cache}/lists",
           "-o", f"Dir::Cache={cache}"]
    if not list((cache / "lists").glob("*Sources*")):
        subprocess.run([*apt, "update"], check=False, capture_output=True)
    name, version = package.archive.split(".orig.")[0].split("_")
    with tempfile.TemporaryDirectory(dir=cache) as arrivals:
        result = subprocess.run([*apt, "source", "--download-only", name], cwd=arrivals,
                                check=False, capture_output=True, text=True)
        arrived = Path(arrivals) / package.archive
        if not is_whole(arrived, package):
            raise CannotFetch(f"{name} {version}: {result.stderr.strip()[-300:]}")
        return arrived.rename(archive)


def read_edits(path):
    """By file and line, the lines that are put before it."""
    edits, wanted = {}, None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("@ "):
            _, name, number = line.split()
            wanted = edits.setdefault(name, {}).setdefault(int(number), [])
        elif wanted is not None:
            wanted.append(line)
    return edits


def edit(path, edits):
    lines = path.read_text(encoding="latin-1").splitlines()
    assert max(edits) <= len(lines), path
    out = []
    for number, line in enumerate(lines, 1):
        out += [*edits.get(number, ()), line]
    path.write_text("\n".join(out) + "\n", encoding="latin-1")


def prepare(name, cache, folder):
    """Unpacks and edits. The folder of the sources."""
    package = PACKAGES[name]
    cache = Path(cache).resolve()  # apt takes other names for its own folders
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        archive = fetch(package, cache)
    target = Path(folder) / f"{name}-source"
    with tarfile.open(archive) as tar:
        tar.extractall(target, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (inner,) = [path for path in target.iterdir() if path.is_dir()]
    sources = inner / package.folder
    for file, edits in read_edits(HERE / "packages" / f"{name}.edits").items():
        edit(sources / file, edits)
    return sources
