#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nvrtl copy: DST is the old file or the new one, whatever happens, and nothing is left behind."""

import collections
import hashlib
import os
import pty
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest

from command import NVRTL, FolderTest, is_memory, run

OLD = b"old content\n" * 1000
MIB = 1 << 20


def can_mount():
    """May this user mount a tmpfs in a user namespace of its own?"""
    return subprocess.run(["unshare", "--map-root-user", "--mount", "true"], check=False,
                          stderr=subprocess.DEVNULL).returncode == 0


def can_trace():
    """Is strace there, and allowed?"""
    return shutil.which("strace") is not None and subprocess.run(
        ["strace", "-o", "/dev/null", "true"], check=False, stderr=subprocess.DEVNULL
    ).returncode == 0


class CopyTest(FolderTest):
    def assert_copied(self, result):
        """Silent, but for the warning that nothing is durable on a folder in memory."""
        self.assertEqual((result.returncode, result.stdout), (0, ""), result.stderr)
        if is_memory(self.folder):
            self.assertIn("nothing makes", result.stderr)
        else:
            self.assertEqual(result.stderr, "")

    def assert_tidy(self, *names):
        """The folder holds these files and no other."""
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(names))


class ContentTest(CopyTest):
    def test_sizes_around_the_pieces(self):
        for size in (0, 1, 4095, 4096, 4097, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 20 * MIB + 3):
            with self.subTest(size=size):
                source = self.write("source", random.Random(size).randbytes(size))
                self.assert_copied(run("copy", source, self.path("copy")))
                self.assertEqual(self.read("copy"), self.read("source"))
        self.assert_tidy("source", "copy")

    def test_replaces_a_longer_file(self):
        source = self.write("source", b"new")
        self.assert_copied(run("copy", source, self.write("copy", OLD)))
        self.assertEqual(self.read("copy"), b"new")

    def test_holes_stay_holes(self):
        with open(self.path("source"), "wb") as file:
            file.seek(16 * MIB)
            file.write(b"island")
            file.truncate(64 * MIB)
        self.assert_copied(run("copy", self.path("source"), self.path("copy")))
        self.assertEqual(self.read("copy"), self.read("source"))
        self.assertLess(os.stat(self.path("copy")).st_blocks * 512, MIB)

    def test_files_that_lie_about_their_size(self):
        for source in ("/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"):
            if not os.path.exists(source):
                continue
            with self.subTest(source=source):
                self.assert_copied(run("copy", source, self.path("copy")))
                with open(source, "rb") as file:
                    self.assertEqual(self.read("copy"), file.read())

    def test_from_another_filesystem(self):
        path = f"/dev/shm/nvrtl-test-{os.getpid()}"
        with open(path, "wb") as file:
            self.addCleanup(os.unlink, path)
            file.write(random.Random(1).randbytes(3 * MIB + 5))
        self.assert_copied(run("copy", path, self.path("copy")))
        with open(path, "rb") as file:
            self.assertEqual(self.read("copy"), file.read())

    def test_volatile_destination_is_told(self):
        path = f"/dev/shm/nvrtl-test-{os.getpid()}"
        if not is_memory("/dev/shm"):
            self.skipTest("/dev/shm is no tmpfs")
        result = run("copy", self.write("source", b"new"), path)
        os.unlink(path)
        self.assertEqual(result.returncode, 0)
        self.assertIn(f"nothing makes {path} durable", result.stderr)


class TargetTest(CopyTest):
    def test_into_a_folder(self):
        source = self.write("source", b"new")
        os.mkdir(self.path("folder"))
        self.assert_copied(run("copy", source, self.path("folder")))
        self.assertEqual(self.read("folder/source"), b"new")

    def test_relative_names(self):
        self.write("source", b"new")
        self.assert_copied(run("copy", "source", "copy", cwd=self.folder))
        self.assertEqual(self.read("copy"), b"new")
        self.assert_tidy("source", "copy")

    def test_a_link_stays_a_link(self):
        source = self.write("source", b"new")
        self.write("file", OLD)
        os.mkdir(self.path("folder"))
        os.symlink("../file", self.path("folder/link"))
        self.assert_copied(run("copy", source, self.path("folder/link")))
        self.assertEqual(os.readlink(self.path("folder/link")), "../file")
        self.assertEqual(self.read("file"), b"new")
        self.assertEqual(os.listdir(self.path("folder")), ["link"])

    def test_a_link_that_leads_nowhere(self):
        source = self.write("source", b"new")
        os.symlink("none", self.path("link"))
        self.assert_fails(run("copy", source, self.path("link")), 1, source, "link",
                          "leads nowhere")
        self.assert_tidy("source", "link")

    def test_a_hard_link_is_parted(self):
        source = self.write("source", b"new")
        os.link(self.write("file", OLD), self.path("other"))
        self.assert_copied(run("copy", source, self.path("file")))
        self.assertEqual((self.read("file"), self.read("other")), (b"new", OLD))

    def test_the_same_file_is_refused(self):
        source = self.write("source", OLD)
        os.link(source, self.path("hard"))
        os.symlink("source", self.path("soft"))
        for name in (source, self.folder, self.path("hard"), self.path("soft")):
            self.assert_fails(run("copy", source, name), 1, source, name, "the same file")
        self.assertEqual(self.read("source"), OLD)
        self.assert_tidy("source", "hard", "soft")

    def test_what_is_no_file_is_refused(self):
        source = self.write("source", b"new")
        os.mkfifo(self.path("fifo"))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path("socket"))
        for special in (self.path("fifo"), self.path("socket"), "/dev/null"):
            for pair in ((special, self.path("copy")), (source, special)):
                self.assert_fails(run("copy", *pair), 1, *pair, f"{special}: not a regular file")
        self.assert_fails(run("copy", self.folder, self.path("copy")), 1, "not a regular file")
        os.makedirs(self.path("folder/source"))
        self.assert_fails(run("copy", source, self.path("folder")), 1, "not a regular file")

    def test_missing_names(self):
        source = self.write("source", b"new")
        self.assert_fails(run("copy", self.path("none"), self.path("copy")), 1, "none", "copy",
                          "No such file")
        self.assert_fails(run("copy", source, self.path("none/copy")), 1, source, "none/copy",
                          "No such file")
        self.assert_fails(run("copy", source, self.path("none/")), 1, "Not a directory")
        self.assert_fails(run("copy", source), 2, "SRC and DST")
        self.assert_fails(run("copy", source, "a", "b"), 2, "one argument too many")
        self.assert_tidy("source")


class PermissionTest(CopyTest):
    def run_as_mortal(self, *arguments):
        """Runs nvrtl without root's power to pass over permissions."""
        if os.geteuid() != 0:
            return run(*arguments)
        if shutil.which("setpriv") is None:
            self.skipTest("no setpriv")
        return run("--bounding-set=-dac_override,-dac_read_search", NVRTL, *arguments,
                   program="setpriv")

    def test_the_copy_has_the_bits_of_the_source(self):
        for mode, expected in ((0o600, 0o600), (0o751, 0o751), (0o444, 0o444), (0o4755, 0o755)):
            for old in (None, 0o640):
                with self.subTest(mode=oct(mode), old=old):
                    source = self.write("source", b"new", mode)
                    if old is not None:
                        os.unlink(self.path("copy"))
                        self.write("copy", OLD, old)
                    self.assert_copied(run("copy", "-f", source, self.path("copy")))
                    self.assertEqual(stat.S_IMODE(os.stat(self.path("copy")).st_mode), expected)
                    os.unlink(source)

    def test_unreadable_source(self):
        source = self.write("source", b"new", 0o000)
        result = self.run_as_mortal("copy", source, self.write("copy", OLD))
        self.assert_fails(result, 1, source, "copy", "Permission denied")
        self.assertEqual(self.read("copy"), OLD)

    def test_read_only_destination_needs_force(self):
        source, copy = self.write("source", b"new"), self.write("copy", OLD, 0o444)
        self.assert_fails(self.run_as_mortal("copy", source, copy), 1, source, copy, "--force")
        self.assertEqual(self.read("copy"), OLD)
        self.assert_copied(self.run_as_mortal("copy", "--force", source, copy))
        self.assertEqual(self.read("copy"), b"new")

    def test_read_only_folder(self):
        source = self.write("source", b"new")
        os.mkdir(self.path("folder"))
        self.write("folder/copy", OLD)
        os.chmod(self.path("folder"), 0o555)
        result = self.run_as_mortal("copy", source, self.path("folder/copy"))
        os.chmod(self.path("folder"), 0o755)
        self.assert_fails(result, 1, source, "folder/copy", "Permission denied")
        self.assertEqual(self.read("folder/copy"), OLD)

    @unittest.skipIf(os.geteuid() != 0, "only root gives files away")
    def test_the_owner_of_the_old_file_stays(self):
        source, copy = self.write("source", b"new"), self.write("copy", OLD)
        os.chown(copy, 1234, 4321)
        self.assert_copied(run("copy", source, copy))
        found = os.stat(copy)
        self.assertEqual((found.st_uid, found.st_gid), (1234, 4321))


class CutTest(CopyTest):
    SIZE = 32 * MIB

    def setUp(self):
        super().setUp()
        self.new = random.Random(7).randbytes(self.SIZE)
        self.source = self.write("source", self.new)
        self.digests = [hashlib.sha256(content).digest() for content in (OLD, self.new)]

    def which(self):
        """0: DST is the old file, 1: the new one; anything else fails."""
        return self.digests.index(hashlib.sha256(self.read("copy")).digest())

    def temporaries(self):
        return [name for name in os.listdir(self.folder) if name.startswith(".nvrtl-copy-")]

    def start(self):
        return subprocess.Popen([NVRTL, "copy", self.source, self.path("copy")],
                                stderr=subprocess.PIPE)

    def wait_for_bytes(self, process):
        """Waits until the copy is under way: its temporary file has some bytes, or it has ended."""
        while process.poll() is None:
            try:
                if any(os.stat(self.path(name)).st_size for name in self.temporaries()):
                    return
            except FileNotFoundError:
                pass

    def test_kill_at_random_moments(self):
        seed = int(os.environ.get("NVRTL_TEST_SEED", "1"))
        print(f"seed {seed}")
        chance = random.Random(seed)
        begin = time.monotonic()
        self.assertEqual(run("copy", self.source, self.write("copy", OLD)).returncode, 0)
        whole = time.monotonic() - begin
        for _ in range(8):
            self.write("copy", OLD)
            with self.start() as process:
                try:
                    process.wait(chance.uniform(0, 1.1 * whole))
                except subprocess.TimeoutExpired:
                    process.kill()
            new = self.which()
            if process.returncode == 0:
                self.assertEqual(new, 1)
            for name in self.temporaries():
                os.unlink(self.path(name))

    def test_signals_tidy_up(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number):
                self.write("copy", OLD)
                with self.start() as process:
                    self.wait_for_bytes(process)
                    process.send_signal(number)
                    process.wait()
                self.assertIn(process.returncode, (0, -number))
                self.assertEqual(self.which(), 1 if process.returncode == 0 else 0)
                self.assert_tidy("source", "copy")

    def test_ignored_signal_is_no_reason_to_stop(self):
        self.write("copy", OLD)
        previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.addCleanup(signal.signal, signal.SIGHUP, previous)
        with self.start() as process:
            self.wait_for_bytes(process)
            process.send_signal(signal.SIGHUP)
            process.wait()
        self.assertEqual((process.returncode, self.which()), (0, 1))

    def test_limit_of_the_file_size(self):
        self.write("copy", OLD)
        result = run("-c", 'ulimit -f 1024 && exec "$0" "$@"', NVRTL, "copy", self.source,
                     self.path("copy"), program="sh")
        self.assert_fails(result, 1, self.source, "copy", "File too large")
        self.assertEqual(self.which(), 0)
        self.assert_tidy("source", "copy")

    @unittest.skipUnless(can_mount(), "no user namespaces")
    def test_full_disk(self):
        os.mkdir(self.path("disk"))
        script = f"""mount -t tmpfs -o size=8m none '{self.path("disk")}' && cd '{self.folder}' &&
            echo old > disk/copy && '{NVRTL}' copy source disk/copy
            echo "status $?, $(ls -A disk), $(cat disk/copy)" """
        result = run("--map-root-user", "--mount", "sh", "-c", script, program="unshare")
        self.assertEqual(result.stdout, "status 1, copy, old\n", result.stderr)
        for word in ("source", "disk/copy", "No space left on device"):
            self.assertIn(word, result.stderr)


@unittest.skipUnless(can_trace(), "strace cannot run")
class TracedTest(CopyTest):
    """Faults and signals at chosen system calls."""

    TRACED = "fchmod,fsync,fdatasync,rename,renameat,renameat2,copy_file_range,ftruncate,unlink"

    def setUp(self):
        super().setUp()
        self.new = random.Random(9).randbytes(20 * MIB)  # three pieces
        self.source = self.write("source", self.new)
        self.write("copy", OLD)
        self.log = tempfile.NamedTemporaryFile(mode="r")
        self.addCleanup(self.log.close)

    def traced(self, *faults):
        """The command line of a copy under these faults, in strace's words."""
        command = ["strace", "-q", "-y", "-o", self.log.name, "-e", f"trace={self.TRACED}"]
        for fault in faults:
            command += ["-e", f"inject={fault}"]
        return [*command, NVRTL, "copy", self.source, self.path("copy")]

    def copy_with(self, *faults):
        program, *arguments = self.traced(*faults)
        return run(*arguments, program=program)

    def test_order(self):
        self.assert_copied(self.copy_with())
        calls = re.findall(r"(\w+)\((?:\d+<([^>]*)>|\"([^\"]*)\")", self.log.read())
        ends = [(name, first or second) for name, first, second in calls
                if name not in ("copy_file_range", "ftruncate")]
        temporary = ends[0][1]
        self.assertRegex(temporary, r"/\.nvrtl-copy-\w{6}$")
        self.assertEqual(ends, [("fchmod", temporary), ("fsync", temporary),
                                ("rename", temporary), ("fsync", self.folder)])

    def test_killed_at_every_call(self):
        self.assert_copied(self.copy_with())
        calls = collections.Counter(re.findall(r"(?m)^(\w+)\(", self.log.read()))
        self.assertGreater(calls.total(), 6)
        seen = set()
        for name in calls:
            for number in range(1, calls[name] + 1):
                self.write("copy", OLD)
                result = self.copy_with(f"{name}:signal=SIGKILL:when={number}")
                self.assertEqual(result.returncode, -signal.SIGKILL, (name, number))
                self.assertIn(self.read("copy"), (OLD, self.new))
                seen.add(self.read("copy") == OLD)
        self.assertEqual(seen, {True, False})

    def test_signal_at_every_piece(self):
        for number in (1, 2, 3):
            result = self.copy_with(f"copy_file_range:signal=SIGTERM:when={number}")
            self.assertEqual((result.returncode, result.stderr), (-signal.SIGTERM, ""))
            self.assertEqual(self.read("copy"), OLD)
            self.assert_tidy("source", "copy")

    def test_signal_after_the_rename_comes_too_late(self):
        self.assert_copied(self.copy_with("rename:signal=SIGINT"))
        self.assertEqual(self.read("copy"), self.new)

    def test_without_copy_file_range(self):
        for error in ("ENOSYS", "EXDEV", "EINVAL"):
            self.write("copy", OLD)
            self.assert_copied(self.copy_with(f"copy_file_range:error={error}"))
            self.assertEqual(self.read("copy"), self.new)

    def test_failed_fsync_leaves_the_old_file(self):
        result = self.copy_with("fsync:error=EIO:when=1")
        self.assert_fails(result, 1, self.source, "copy", "Input/output error")
        self.assertEqual(self.read("copy"), OLD)
        self.assert_tidy("source", "copy")

    def test_failed_fsync_of_the_folder_is_told(self):
        result = self.copy_with("fsync:error=EIO:when=2")
        self.assert_fails(result, 1, "a power cut may undo it", self.folder)
        self.assertEqual(self.read("copy"), self.new)
        self.assert_tidy("source", "copy")

    def test_failed_rename_leaves_the_old_file(self):
        self.assert_fails(self.copy_with("rename:error=EIO"), 1, self.source, "copy")
        self.assertEqual(self.read("copy"), OLD)
        self.assert_tidy("source", "copy")

    def on_a_terminal(self, **environment):
        """What a slow copy shows on a terminal."""
        terminal, end = pty.openpty()
        command = self.traced("copy_file_range:delay_enter=150000")
        with subprocess.Popen(command, stderr=end,
                              env={**os.environ, "TERM": "xterm", **environment}) as process:
            os.close(end)
            shown = b""
            try:
                while data := os.read(terminal, 4096):
                    shown += data
            except OSError:
                pass  # nobody has the other side open: the end
        os.close(terminal)
        self.assertEqual(process.returncode, 0)
        return shown.decode()

    def test_bar_on_a_terminal(self):
        shown = self.on_a_terminal(NO_COLOR="")
        for part, bar, done in ((40, 8, 8), (80, 16, 16), (100, 20, 20)):
            self.assertRegex(shown, rf"\r *{part}% \[\x1b\[32m#{{{bar}}} *\x1b\[0m\] {done} of 20 "
                                    r"MiB, \d+ MiB/s, \d+ s left\x1b\[K")
        self.assertIn("durable\r\x1b[K", shown)

    def test_no_colour(self):
        shown = self.on_a_terminal(NO_COLOR="1")
        self.assertRegex(shown, r"\r *40% \[#{8} *\] 8 of 20 MiB, ")
        self.assertNotIn("\x1b[32m", shown)

    def test_no_bar_on_a_dumb_terminal(self):
        self.assertNotIn("%", self.on_a_terminal(TERM="dumb"))


if __name__ == "__main__":
    unittest.main()
