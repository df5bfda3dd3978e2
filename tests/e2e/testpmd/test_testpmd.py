#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors

"""ims-testpmd as its users meet it: by file, by pipe, at a terminal, as an ordinary user.

test_testpmd.py PROGRAM [TEST...]"""

import json
import os
import pty
import pwd
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import tool
from tool import at_least, pipe, rows, until

PROGRAM = None
EAL = ["--no-huge", "--no-pci", "-m", "64", "--no-shconf", "--log-level=*:error"]


def lcores():
    cpus = sorted(os.sched_getaffinity(0))
    return ",".join(str(c) for c in cpus[:2])


def command(*args, dev="emu:timer_ims,timers=64"):
    devs = ["--dev", dev] if dev else []
    return [PROGRAM, *EAL, "-l", lcores(), "--", *devs, *args]


def run(lines, *args, dev="emu:timer_ims,timers=64", **kw):
    return subprocess.run(command(*args, dev=dev), input=lines, capture_output=True, text=True, timeout=60, **kw)


class Pipe(unittest.TestCase):
    def test_vectors(self):
        done = pipe("vec alloc 0 0", "vec alloc 0 any memory", "timer start 0 5 1ms periodic vec 1",
                    until("show stats all", fn=at_least(11, "EVENTS", row=1)), "timer stop 0 5",
                    "show stats all")
        self.assertEqual((done.code, done.err), (0, []))
        expired = int(re.search(r"expired (\d+) times", done.out).group(1))
        events = int(rows(done.out.split("timer stop")[1], "VECTOR")[1]["EVENTS"])
        self.assertLessEqual(events, expired)

    def test_mask(self):
        done = pipe("vec alloc 0 any memory", "vec mask 0", "timer start 0 0 1ms vec 0",
                    until("show vector 0", fn=lambda t: rows(t, "ID")[0]["PENDING"] == "yes"),
                    "vec unmask 0", until("show vector 0", fn=at_least(1, "EVENTS", "ID")))
        self.assertEqual((done.code, done.err), (0, []))
        found = re.findall(r"^ 0 +0 .*$", done.out, re.M)
        self.assertRegex(found[0], r"memory +yes +yes .* 0$")
        self.assertRegex(found[1], r"memory +no +no .* 1$")

    def check_error(self, lines, cause, err, line=1):
        done = run(lines)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        self.assertRegex(done.stderr, f"^stdin:{line}: ")
        self.assertIn(cause, done.stderr)
        self.assertIn(err, done.stderr)

    def test_errors(self):
        self.check_error("vec alloc 0 65\n", "slots 0..64", "(ERANGE)")
        self.check_error("vec alloc 0 3\nvec alloc 0 3\n", "taken by vector 0", "(EBUSY)", 2)
        self.check_error("vec alloc 1 3\n", "no device 1", "(ENODEV)")
        self.check_error("vec free 7\n", "no vector 7", "(ENOENT)")
        self.check_error("# fine\n\ntimer start 0 64 1ms\n", "timers 0..63", "(ERANGE)", 3)
        self.check_error("timer start 0 1 0\n", "1ns", "(EINVAL)")
        self.check_error("dev open emu:timer_ims,timers=64\n", "open already", "(EEXIST)")
        self.check_error("dev open vfio-user:/nowhere.sock\n", "cannot connect", "(ENOENT)")
        self.check_error("dev open toaster\n", "not a device name", "(EINVAL)")

    def test_wrong_commands_say_what_was_expected(self):
        for line, expected in (
            ("show devices\n", "device, store, table"),
            ("vec alloc 0\n", "SLOT"),
            ("vec alloc 0 any nothing\n", "eventfd"),
            ("frobnicate\n", "vec"),
        ):
            done = run(line)
            self.assertEqual(done.returncode, 1)
            self.assertIn(expected, done.stderr)

    def test_unknown_model(self):
        done = run("", dev="emu:toaster")
        self.assertEqual(done.returncode, 1)
        self.assertIn("unknown model 'toaster'", done.stderr)

    def test_unplugged(self):
        done = run("", dev="emu:timer_ims,timers=5000")
        self.assertEqual(done.returncode, 1)
        self.assertIn("expected a number from 1 to 4096", done.stderr)

    def test_reset_and_close(self):
        done = run("timer start 0 1 1ms periodic\nsleep 0.05\ndev reset 0\ntimer start 0 1 1ms\n"
                   "sleep 0.1\nshow stats all\ndev close 0\nshow device all\n")
        self.assertEqual(done.returncode, 0, done.stderr)


class File(unittest.TestCase):
    def setUp(self):
        self.file = tempfile.NamedTemporaryFile("w", suffix=".cli")
        self.addCleanup(self.file.close)

    def write(self, text):
        self.file.write(text)
        self.file.flush()

    def test_stops_at_the_failing_line(self):
        self.write("# one\nshow device all\nvec free 3\nshow store all\n")
        done = run("", "--cmdline-file", self.file.name)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{self.file.name}:3: vec free: ", done.stderr)
        self.assertNotIn("ims-bar", done.stdout)

    def test_load(self):
        self.write("vec alloc 0 4\n")
        done = run(f"load {self.file.name}\nshow vector all\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("ims-bar:4", done.stdout)
        done = run(f"load {self.file.name}\nload {self.file.name}\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{self.file.name}:1: vec alloc: slot 4", done.stderr)

    def test_missing(self):
        done = run("", "--cmdline-file", "/nowhere.cli")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nowhere.cli", done.stderr)

    def test_bench(self):
        json_file = self.file.name + ".json"
        self.addCleanup(lambda: os.path.exists(json_file) and os.unlink(json_file))
        self.write(f"bench timer 0 4 400us 0.5 json {json_file}\n")
        done = run("", "--cmdline-file", self.file.name,
                   dev="emu:timer_ims,timers=64,engine=spin,cpu=" + lcores().split(",")[0])
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(json_file) as f:
            result = json.load(f)
        for key in ("memory", "eventfd_socket", "eventfd"):
            self.assertEqual(result[key + "_lost"], 0)
            self.assertEqual(result[key + "_late"], 0)
            self.assertGreater(result[key + "_counted"], 1000)
            self.assertGreater(result[key + "_p50_ns"], 0)
            self.assertGreater(result[key + "_floor_ns"], 0)

    @unittest.skipUnless(os.geteuid() == 0, "is an ordinary user already")
    def test_ordinary_user(self):
        self.write("vec alloc 0 any memory\ntimer start 0 0 1ms periodic vec 0\nsleep 0.2\n"
                   "timer stop 0 0\nshow stats all\n")
        os.chmod(self.file.name, 0o644)
        nobody = pwd.getpwnam("nobody")
        with tempfile.TemporaryDirectory() as runtime:
            os.chown(runtime, nobody.pw_uid, nobody.pw_gid)

            def drop():
                os.setgroups([])
                os.setgid(nobody.pw_gid)
                os.setuid(nobody.pw_uid)

            # The tree itself may lie where others cannot go.
            if subprocess.run(["test", "-x", PROGRAM], preexec_fn=drop).returncode != 0:
                self.skipTest("the build directory cannot be entered by an ordinary user")
            env = dict(os.environ, XDG_RUNTIME_DIR=runtime, HOME="/nonexistent")
            done = run("", "--cmdline-file", self.file.name, preexec_fn=drop, env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("expired", done.stdout)


class Terminal(unittest.TestCase):
    def setUp(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            cmd = command("-i")
            try:
                os.execv(cmd[0], cmd)
            finally:
                os._exit(127)
        self.seen = ""
        self.addCleanup(self.end)
        self.expect("ims-testpmd> ")

    def end(self):
        os.close(self.fd)
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass

    def expect(self, text, timeout=60):
        end = time.time() + timeout
        while text not in self.seen:
            left = end - time.time()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                self.fail(f"{text!r} did not come; seen: {self.seen!r}")
            try:
                data = os.read(self.fd, 4096).decode(errors="replace")
            except OSError:
                self.fail(f"the tool ended; seen: {self.seen!r}")
            self.seen += data
        before, self.seen = self.seen.split(text, 1)
        return before

    def send(self, text):
        os.write(self.fd, text.encode())

    def test_completion(self):
        self.send("sh\t")
        self.expect("show ")
        self.send("dev\tall\r")
        self.expect("emu:timer_ims,timers=64")

    def test_history(self):
        self.send("show store all\r")
        self.expect("ims-bar")
        self.expect("ims-testpmd> ")
        self.send("\x1b[A\r")
        self.expect("ims-bar")

    def test_error_goes_on(self):
        self.send("vec alloc 0 99\r")
        self.expect("slots 0..64")
        self.expect("ims-testpmd> ")
        self.send("vec alloc 0 9\r")
        self.expect("vector 0: slot 9")

    def test_interrupt(self):
        self.send("bench timer 0 1 1ms 60\r")
        time.sleep(1.5)
        self.send("\x03")
        self.expect("interrupted")
        self.expect("ims-testpmd> ")
        self.send("show store all\r")
        self.expect("ims-bar")

    def test_quit(self):
        self.send("quit\r")
        end = time.time() + 60
        while time.time() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.assertEqual(os.waitstatus_to_exitcode(status), 0)
                return
            # What it has to say on the way is read.
            if select.select([self.fd], [], [], 0.05)[0]:
                try:
                    os.read(self.fd, 4096)
                except OSError:
                    time.sleep(0.05)
        self.fail("it did not end")

    def test_device_dies(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as f:
            children = f.read().split()
        self.assertEqual(len(children), 1)
        os.kill(int(children[0]), signal.SIGKILL)
        self.expect("is gone")
        self.send("dev close 0\r")
        self.expect("ims-testpmd> ")
        self.send("dev open emu:timer_ims\r")
        self.expect("device 0")


if __name__ == "__main__":
    PROGRAM = tool.prog = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
