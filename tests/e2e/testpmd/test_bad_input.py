#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
"""Bad input: each a clear one-line error with the right errno, nothing leaked, nothing lost."""

import os
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest

import tool
from tool import DEV, Terminal, at_least, pipe, resources, rows, run, until

VERSION_JSON = b'{"capabilities":{"max_msg_fds":8,"max_data_xfer_size":1048576}}\0'


def header(msg_id, cmd, size, flags=1, errno=0):
    return struct.pack("<HHIII", msg_id, cmd, size, flags, errno)


def reply(msg_id, cmd, payload, size=None, **kwargs):
    return header(msg_id, cmd, 16 + len(payload) if size is None else size, **kwargs) + payload


def version(major, minor):
    return lambda msg_id: reply(msg_id, 1, struct.pack("<HH", major, minor) + VERSION_JSON)


class Server:
    """Accepts connections and answers the first message of each with the given bytes."""

    def __init__(self, name, answer):
        self.path = os.path.join(tool.work, name).replace(" ", "-")
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        self.answer = answer
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.bind(self.path)
        self.sock.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            data = conn.recv(4096)
            if len(data) >= 2 and self.answer is not None:
                conn.sendall(self.answer(struct.unpack_from("<H", data)[0]))
                # Until the other side has had enough.
                conn.settimeout(60)
                try:
                    while conn.recv(4096):
                        pass
                except OSError:
                    pass
            conn.close()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        os.unlink(self.path)


# What is no version is not supported; what is no message ends the connection; an answer to something
# else is none, and neither is silence after a version whose details are not understood.
SERVERS = {
    "newer-version": (version(1, 0), {"EPROTONOSUPPORT"}),
    "refused-version": (lambda i: header(i, 1, 16, flags=0x21, errno=22), {"EPROTONOSUPPORT"}),
    "short-header": (lambda i: header(i, 1, 8), {"ENODEV"}),
    "short-payload": (lambda i: reply(i, 1, b"\0"), {"EPROTONOSUPPORT"}),
    "oversized": (lambda i: header(i, 1, 0x7fffffff), {"ENODEV"}),
    "other-id": (lambda i: reply(i + 7, 1, b"\0\0\0\0" + VERSION_JSON), {"ETIMEDOUT"}),
    "other-command": (lambda i: reply(i, 9, b"\0\0\0\0" + VERSION_JSON), {"EPROTONOSUPPORT"}),
    "bad-json": (lambda i: reply(i, 1, b"\0\0\1\0" + b'{"capabilities":\0'), {"ETIMEDOUT"}),
    "hangs-up": (None, {"EPROTO", "ECONNRESET", "ENODEV", "EPIPE"}),
}


class Names(unittest.TestCase):
    def one_line(self, r, text, errno):
        self.assertEqual(r.code, 1)
        # A model process that will not start says itself what it does not like.
        own = [line for line in r.err if not line.startswith("ims-devsrv: ")]
        self.assertEqual(len(own), 1, r.err)
        self.assertIn(text, "\n".join(r.err))
        self.assertTrue(own[0].endswith(f"({errno})"), own)

    def test_names(self):
        for name, text, errno in (
            ("emu:no_such_model", "no_such_model", "ENODEV"),
            ("emu:", "emu:", "ENODEV"),
            ("emu:timer_ims,timers=0", "timers=0", "EINVAL"),
            ("emu:timer_ims,timers=4097", "timers=4097", "EINVAL"),
            ("emu:timer_ims,colour=red", "colour=red", "EINVAL"),
            ("timer_ims", "not a device name", "EINVAL"),
            ("vfio-user:", "1 to 107 characters", "EINVAL"),
            ("vfio-user:/nonexistent.sock", "No such file", "ENOENT"),
            ("vfio-user:" + "/x" * 60, "up to 127 characters", "ENAMETOOLONG"),
            ("vfio-user:" + "/x" * 55, "1 to 107 characters", "ENAMETOOLONG"),
            ("vfio-user:/etc/passwd", "refused", "ECONNREFUSED"),
            ("pci:ffff:ff:1f.7", "no such device", "ENODEV"),
        ):
            with self.subTest(name=name):
                self.one_line(run("--dev", name), text, errno)
                self.one_line(pipe(f"dev open {name}", dev=None), text, errno)

    def test_option_names_the_device(self):
        r = run("--dev", "emu:timer_ims,timers=0")
        self.assertIn("ims-testpmd: --dev: emu:timer_ims,timers=0: ", r.err[-1])

    def test_same_name_twice(self):
        self.one_line(run("--dev", DEV, "--dev", DEV), "open already", "EEXIST")

    def test_stale_socket(self):
        path = os.path.join(tool.work, "stale").replace(" ", "-")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        s = socket.socket(socket.AF_UNIX)
        s.bind(path)
        s.close()
        self.one_line(run("--dev", "vfio-user:" + path), "refused", "ECONNREFUSED")

    def test_no_program(self):
        r = run("--dev", DEV, env=dict(os.environ, IMS_DEVSRV="/nonexistent/ims-devsrv"))
        self.one_line(r, "/nonexistent/ims-devsrv", "ENOENT")


class Servers(unittest.TestCase):
    def test_servers(self):
        for name, (answer, errnos) in SERVERS.items():
            with self.subTest(server=name), Server(name, answer) as server:
                r = run("--dev", "vfio-user:" + server.path)
                self.assertEqual((r.code, len(r.err)), (1, 1), r.err)
                self.assertIn(server.path, r.err[0])
                self.assertIn(r.err[0].rsplit("(")[-1].rstrip(")"), errnos)

    def test_nothing_leaks_and_nothing_is_lost(self):
        """A device works on while all kinds of opens fail beside it."""
        t = Terminal("--dev", DEV)
        t.prompt()
        t.command("timer start 0 1 1ms periodic")
        t.command("dev open vfio-user:/nonexistent")
        before = resources(t.pid)
        for i in range(2):
            for name, (answer, _) in SERVERS.items():
                with Server(f"{name}{i}", answer) as server:
                    out = t.command(f"dev open vfio-user:{server.path}")
                    self.assertRegex(out, r"^dev open: .* \(E[A-Z]+\)\n$")
            t.command("dev open emu:no_such_model")
            t.command("vec alloc 0 65")
            t.command("vec alloc 0 0")
            self.assertIn("EBUSY", t.command("vec alloc 0 0"))
            t.command("vec free 1")
        tool.same_resources(self, t.pid, before)
        t.until("show stats all", tool.grows(1, "EVENTS"))
        t.type("quit\r")
        self.assertEqual(t.close(), 0)


class Removal(unittest.TestCase):
    def test_stopped_device(self):
        """It does not answer, then does: both are counted."""
        t = Terminal("--dev", DEV)
        t.prompt()
        self.assertNotIn("TIMEOUTS", t.command("show device all"))
        (child,) = tool.children(t.pid)
        os.kill(child, signal.SIGSTOP)
        self.assertIn("(ETIMEDOUT)", t.command("dev reset 0"))
        self.assertEqual(rows(t.command("show device all"), "DEV")[0]["TIMEOUTS"], "1")
        os.kill(child, signal.SIGCONT)
        t.expect("an answer that nobody waits for; more of these are counted only\r?\n")
        self.assertEqual(rows(t.command("show device all"), "DEV")[0]["LATE"], "1")
        t.type("quit\r")
        self.assertEqual(t.close(), 0)

    def test_killed_device(self):
        t = Terminal("--dev", DEV)
        t.prompt()
        t.command("timer start 0 1 1ms periodic")
        t.command("vec alloc 0 20 memory")
        (child,) = tool.children(t.pid)
        before = resources(t.pid)
        os.kill(child, signal.SIGKILL)
        t.expect(r"device 0 \(.*\) is gone")
        t.prompt()
        self.assertEqual(rows(t.command("show device all"), "ID")[0]["STATE"], "removed")
        t.command("show vector all")
        self.assertIn("(ENODEV)", t.command("vec alloc 0 any"))
        self.assertIn("(ENODEV)", t.command("timer start 0 2 1ms"))
        self.assertIn("(ENODEV)", t.command("bench timer 0 1 1ms 1"))
        self.assertEqual(t.command("vec free 1"), "")
        self.assertEqual(t.command("dev close 0"), "")
        t.command(f"dev open {DEV}")
        t.command("timer start 0 1 1ms periodic")
        t.command("vec alloc 0 20 memory")
        tool.same_resources(self, t.pid, before)
        t.type("quit\r")
        self.assertEqual(t.close(), 0)

    def test_killed_during_bench(self):
        t = Terminal("--dev", DEV)
        t.prompt()
        t.type("bench timer 0 4 1ms 600 memory\r")
        time.sleep(2)
        for child in tool.children(t.pid):
            with open(f"/proc/{child}/cmdline") as f:
                if "ims-devsrv" in f.read():
                    os.kill(child, signal.SIGKILL)
        start = time.monotonic()
        t.expect(r"bench timer: .*\(ENODEV\)")
        t.prompt()
        self.assertLess(time.monotonic() - start, tool.TIMEOUT)
        self.assertEqual(t.command("dev close 0"), "")
        t.type("quit\r")
        self.assertEqual(t.close(), 0)


class ByHand(unittest.TestCase):
    def test_server_started_by_hand(self):
        path = os.path.join(tool.work, "hand.sock").replace(" ", "-")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with subprocess.Popen([tool.devsrv, "--model", "timer_ims,timers=8", "--socket", path],
                              stdout=subprocess.PIPE, text=True) as p:
            try:
                # It listens then.
                self.assertIn("ready", p.stdout.readline())
                for _ in range(2):
                    r = pipe("timer start 0 3 1ms", until("show stats all", fn=at_least(1, "EVENTS")),
                             dev="vfio-user:" + path)
                    self.assertEqual((r.code, r.err), (0, []))
                    self.assertEqual(rows(r.out, "VECTOR")[0]["EVENTS"], "1")
            finally:
                p.terminate()
                self.assertEqual(p.wait(tool.TIMEOUT), 0)


if __name__ == "__main__":
    tool.main()
