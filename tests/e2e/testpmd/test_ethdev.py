#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
"""DPDK's ports in wait sets: commands, net_tap, and net_virtio_user with net_vhost."""

import json
import os
import select
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import tool
from tool import PROMPT, TIMEOUT, Terminal, at_least, pipe, rows, until

POLICIES = ("poll", "interrupt", "adaptive")
ETHERTYPE = 0x88B5  # for experiments
# A thread that looks at something every millisecond uses more.
IDLE_PCT = 4.0


class Session:
    """ims-testpmd with its commands on a pipe that stays open."""

    def __init__(self):
        args = tool.eal()
        args.insert(1, "--log-level=*:error")
        self.p = subprocess.Popen(
            args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.marks = 0
        self.buf = b""

    def say(self, *commands):
        self.p.stdin.write("".join(c + "\n" for c in commands).encode())
        self.p.stdin.flush()

    def begin(self, *commands):
        """Give the commands, do not wait for them."""
        self.marks += 1
        self.say(*commands, f"# mark {self.marks}")
        return f"# mark {self.marks}\n".encode()

    def ended(self, mark, timeout):
        """What came up to a mark, or None."""
        end = time.monotonic() + timeout
        fd = self.p.stdout.fileno()
        while mark not in self.buf:
            left = end - time.monotonic()
            if left < 0 or not select.select([fd], [], [], left)[0]:
                return None
            data = os.read(fd, 65536)
            assert data, f"ended with {self.p.wait()}: {self.buf.decode()}"
            self.buf += data
        text, self.buf = self.buf.split(mark, 1)
        return text.decode()

    def do(self, *commands, timeout=TIMEOUT):
        text = self.ended(self.begin(*commands), timeout)
        assert text is not None, f"{commands}: no end of it in {self.buf.decode()}"
        return text

    def fwd(self):
        """The queue and the lcore: of one port with one queue, in a tool with one worker."""
        text = self.do("show fwd")
        queue, lcore = rows(text, "PORT")[0], rows(text, "LCORE")[0]
        return {k: int(v) for k, v in queue.items()}, lcore

    def until(self, what, fn):
        end = time.monotonic() + TIMEOUT
        while not fn():
            assert time.monotonic() < end, what + ": " + self.do("show fwd", "show port all")
            time.sleep(0.02)

    def received(self, n):
        self.until(f"{n} packets", lambda: self.fwd()[0]["RX"] >= n)
        return self.fwd()[0]["RX"]

    def kill(self):
        if self.p.poll() is None:
            self.p.kill()
            self.p.communicate()

    def close(self):
        try:
            self.p.communicate(b"quit\n", timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            self.p.kill()
            raise
        return self.p.returncode


class Case(unittest.TestCase):
    def session(self):
        s = Session()
        self.addCleanup(s.kill)
        return s

    def idle(self, s):
        """Nothing comes: no wake-up, and no CPU to speak of."""
        seen = []

        def rests():
            seen.append(s.fwd())
            return len(seen) > 5 and all(f[0] == seen[-1][0] for f in seen[-5:])

        s.until("rest", rests)
        before = seen[-1]
        time.sleep(0.5)
        after = s.fwd()
        self.assertEqual(before[0], after[0])
        self.assertEqual(before[1]["WAKES"], after[1]["WAKES"])
        self.assertLess(float(after[1]["LOAD_%"]), IDLE_PCT)


class Commands(Case):
    """With net_ring, whose ports give back what they send and have no interrupt."""

    def good(self, *commands):
        r = pipe(*commands, dev=None)
        self.assertEqual((r.code, r.err), (0, []), r.out)
        return r.out

    def bad(self, text, *commands):
        r = pipe(*commands, dev=None)
        self.assertEqual((r.code, len(r.err)), (1, 1), r.err)
        self.assertTrue(r.err[0].startswith(f"stdin:{len(commands)}: "), r.err)
        self.assertIn(text, r.err[0])

    def test_attach_show_detach(self):
        out = self.good("port attach net_ring0 2", "show port all", "show port 0",
                        "port detach net_ring0", "port attach net_ring1 1", "show port all")
        port = rows(out, "PORT")[0]
        self.assertEqual((port["NAME"], port["QUEUES"], port["RX_INTR"]), ("net_ring0", "2", "no"))
        self.assertRegex(out, r"\n   0 +1 +\d+ +0 +0 +0")

    def test_every_policy_without_interrupt(self):
        for policy in POLICIES:
            with self.subTest(policy=policy):
                out = self.good("port attach net_ring0 1", "fwd start rxonly policy " + policy,
                                "fwd send 0 50000",
                                until("show fwd", fn=at_least(50000, "RX", "PORT")), "fwd stop")
                self.assertEqual(rows(out, "PORT")[0]["RX"], "50000")
                self.assertEqual(rows(out, "LCORE")[0]["POLICY"], policy)
                self.assertIn("50000 packets received, 0 sent, 0 dropped", out)

    def test_bench(self):
        path = os.path.join(tool.work, "nic.json").replace(" ", "")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.addCleanup(shutil.rmtree, os.path.dirname(path))
        out = self.good("port attach net_ring0 2", f"bench nic 0 200ms from 0 json {path}",
                        "bench nic 0 10ms", "show port all")
        runs = rows(out, "POLICY")
        self.assertEqual([r["POLICY"] for r in runs], list(POLICIES))
        with open(path) as f:
            figures = json.load(f)
        for run in runs:
            self.assertEqual(run["LOST"], "0")
            self.assertGreater(int(run["PACKETS"]), 0)
            self.assertEqual(figures[f"nic_{run['POLICY']}_packets"], int(run["PACKETS"]))
            self.assertGreater(figures[f"nic_{run['POLICY']}_p50_ns"], 0)
        self.assertEqual([r["LATENCY_us"] for r in rows(out, "LATENCY_us")], list(POLICIES))

    def test_bench_of_one_policy(self):
        # What the ring is sent comes back, for ever, as soon as the thread has a CPU.
        s = self.session()
        s.do("port attach net_ring0 1", "fwd send 0 64")

        def forwarded():
            run, = rows(s.do("bench nic 0 100ms fwd io policy interrupt"), "POLICY")
            self.assertEqual(run["POLICY"], "interrupt")
            return int(run["PACKETS"]) > 64

        s.until("forwarded packets", forwarded)
        self.assertEqual(s.close(), 0)

    def test_verb_first(self):
        out = self.good("port attach net_ring0 1", "start fwd rxonly policy interrupt",
                        "fwd send 0 100 window 50", "set fwd policy poll", "show fwd",
                        "stop fwd", "clear port all", "show port all", "set policy all interrupt",
                        "show wait all")
        self.assertIn(" packets received", out)
        self.assertEqual(rows(out, "LCORE")[0]["POLICY"], "poll")
        self.assertEqual(rows(out[out.index("show port all"):], "PORT")[0]["RX"], "0")
        self.assertEqual(rows(out, "WAIT")[0]["POLICY"], "interrupt")

    def test_lcores_have_queues(self):
        out = self.good("port attach net_ring0 1", "fwd start rxonly", "show lcore")
        self.assertEqual(sum(int(r["QUEUES"]) for r in rows(out, "LCORE")), 1)
        out = self.good("port attach net_ring0 1", "show lcore")
        self.assertEqual(sum(int(r["QUEUES"]) for r in rows(out, "LCORE")), 0)

    def test_policy_comes_back(self):
        out = self.good("wait policy all interrupt", "port attach net_ring0 1", "fwd start rxonly",
                        "fwd policy poll", "fwd stop", "show wait all")
        self.assertEqual(rows(out, "WAIT")[0]["POLICY"], "interrupt")

    def test_errors(self):
        ring = "port attach net_ring0 1"
        for text, *commands in (
            ("no port 7: EAL has 0", "port attach 7 1"),
            ("no port net_nothing0", "port attach net_nothing0 1"),
            ("one queue or more", "port attach net_ring0 0"),
            ("port 0 has up to 16 queues", "port attach net_ring0 17"),
            ("port 0 is attached already", ring, "port attach 0 1"),
            ("no port 0: none is attached", "port detach 0"),
            ("no port x: see show port all", ring, "show port x"),
            ("no port is attached", "fwd start io"),
            ("no packets are being forwarded", "fwd stop"),
            ("no packets are being forwarded", "fwd policy poll"),
            ("already, see fwd stop", ring, "fwd start rxonly", "fwd start io"),
            ("see fwd stop", ring, "fwd start rxonly", "port detach 0"),
            ("see fwd stop", ring, "fwd start rxonly", "port attach net_ring1 1"),
            ("fwd io sends on port 0", ring, "fwd start io", "fwd send 0 1"),
            ("a packet has 60 to 1514 bytes", ring, "fwd send 0 1 size 59"),
            ("one packet or more", ring, "fwd send 0 0"),
            ("ports 0 and 1 are peers with 1 and 2 queues", ring, "port attach net_ring1 2",
             "fwd start io"),
            ("port 0 has had no room", ring, "fwd send 0 5000"),
            ("a window is for packets that come back", ring, "fwd send 0 1 window 1"),
            ("no port 1: see show port all", ring, "bench nic 0 1 from 1"),
            ("a rate is for packets from a port of ours", ring, "bench nic 0 1 rate 5"),
            ("a port of ours sends or forwards", ring, "bench nic 0 1 from 0 fwd io"),
            ("a bench takes up to", ring, "bench nic 0 0"),
            ("packets are being forwarded already", ring, "fwd start io", "bench nic 0 1"),
            ("/nowhere/x: No such file", ring, "bench nic 0 10ms json /nowhere/x"),
        ):
            with self.subTest(commands[-1]):
                self.bad(text, *commands)

    def test_completion(self):
        t = Terminal("-i")
        t.prompt()
        t.command("port attach net_ring0 1")
        t.type("fwd st\t")
        t.expect("fwd st(?:art|op)?")
        t.type("\t\t")
        t.expect("start")
        t.type("\x03")
        t.type("port detach \t\t")
        t.expect(r"\b0\b")
        t.type("\x03quit\r")
        self.assertEqual(t.close(), 0)


class Tap(Case):
    def setUp(self):
        with open("/proc/self/status") as f:
            caps = int(next(line for line in f if line.startswith("CapEff")).split()[1], 16)
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            self.skipTest("no /dev/net/tun")
        if not caps >> 12 & 1 or not caps >> 13 & 1:
            self.skipTest("no CAP_NET_ADMIN and CAP_NET_RAW")
        self.iface = f"ims{os.getpid()}"

    def raw(self):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
        self.addCleanup(s.close)
        s.bind((self.iface, ETHERTYPE))
        s.settimeout(TIMEOUT)
        return s

    def quiet(self):
        """The kernel has nothing to say there."""
        try:
            with open(f"/proc/sys/net/ipv6/conf/{self.iface}/disable_ipv6", "w") as f:
                f.write("1")
        except OSError:
            pass

    def test_packets_come_back(self):
        s = self.session()
        s.do(f"port attach net_tap0,iface={self.iface} 1", "fwd start mac policy interrupt")
        self.quiet()
        raw = self.raw()
        head = b"\xff" * 6 + b"\x02\0\0\0\0\x01" + ETHERTYPE.to_bytes(2, "big")
        n = 0
        for policy in ("interrupt", "adaptive", "poll", "interrupt"):
            s.do("fwd policy " + policy)
            for i in range(400):
                batch = 1 + i % 16
                for k in range(batch):
                    raw.send(head + (n + k).to_bytes(4, "big") + bytes(42))
                for k in range(batch):
                    back = raw.recv(2048)
                    self.assertEqual(int.from_bytes(back[14:18], "big"), n + k)
                    self.assertEqual(back[:6], head[6:12])
                n += batch
        queue = s.fwd()[0]
        self.assertGreaterEqual(queue["RX"], n)
        self.assertEqual((queue["TX"], queue["DROPPED"]), (queue["RX"], 0))
        self.assertGreater(queue["WAKES"], 0)
        self.idle(s)
        s.do("fwd policy adaptive")
        time.sleep(0.1)
        self.idle(s)
        s.do("fwd stop", "port detach 0")
        self.assertEqual(s.close(), 0)
        self.assertFalse(os.path.exists("/sys/class/net/" + self.iface))


class Vhost(Case):
    """Two processes. The one with net_vhost is there first, so its queue is armed with nobody at the other end."""

    def connect(self):
        # A word of a command has no blanks.
        work = tempfile.TemporaryDirectory(prefix="ims")
        self.addCleanup(work.cleanup)
        path = os.path.join(work.name, "vhost")
        vhost, virtio = self.session(), self.session()
        vhost.do(f"port attach net_vhost0,iface={path},client=1 1")
        vhost.do("fwd start rxonly policy interrupt")
        virtio.do(f"port attach net_virtio_user0,path={path},server=1,queue_size=256 1",
                  "fwd start rxonly policy interrupt")
        for s in (vhost, virtio):
            s.until("link", lambda: rows(s.do("show port all"), "PORT")[0]["LINK"] == "up")
        return vhost, virtio

    def check(self, sender, receiver):
        # One by one, to a queue that sleeps.
        n = 5
        sender.do("fwd send 0 5 rate 20")
        self.assertEqual(receiver.received(n), n)
        self.idle(receiver)
        for policy in POLICIES:
            receiver.do("fwd policy " + policy)
            sender.do("fwd send 0 100000", "fwd send 0 300 rate 1000")
            n += 100300
            self.assertEqual(receiver.received(n), n)
        self.idle(receiver)
        # A million, and another policy every now and then.
        mark, i = sender.begin("fwd send 0 1000000 rate 1000000"), 0
        while sender.ended(mark, 0.01 + i % 7 * 0.005) is None:
            receiver.do("fwd policy " + POLICIES[i % 3])
            i += 1
        n += 1000000
        self.assertEqual(receiver.received(n), n)
        self.assertGreater(i, 3)
        receiver.do("fwd policy interrupt")
        self.idle(receiver)
        self.assertIn(f"{n} packets received", receiver.do("fwd stop"))
        self.assertEqual((sender.close(), receiver.close()), (0, 0))

    def test_to_vhost(self):
        vhost, virtio = self.connect()
        self.check(virtio, vhost)

    def test_to_virtio_user(self):
        vhost, virtio = self.connect()
        self.check(vhost, virtio)


if __name__ == "__main__":
    tool.main()
