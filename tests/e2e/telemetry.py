#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
"""What DPDK's telemetry socket says of a running ims-testpmd, by its own protocol.

telemetry.py IMS-TESTPMD ENDPOINT

ENDPOINT: the file that dpdk-telemetry-exporter.py loads.
"""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest

DEV = "emu:queue_dev,queues=64,eqs=8,msix=4"
TIMEOUT = 60


class Tool:
    """ims-testpmd with its commands on a pipe that stays open."""

    def __init__(self, *commands):
        self.dir = tempfile.TemporaryDirectory()
        prefix = f"tel{os.getpid()}"
        env = dict(os.environ, XDG_RUNTIME_DIR=self.dir.name)
        self.p = subprocess.Popen(
            [prog, "--no-huge", "--no-pci", "-m", "64", "-l", "0,1", "--file-prefix=" + prefix,
             "--log-level=*:error", "--", "--dev", DEV],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        runtime = "/var/run" if os.geteuid() == 0 else self.dir.name
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(TIMEOUT)
        path = os.path.join(runtime, "dpdk", prefix, "dpdk_telemetry.v2")
        self.until(lambda: self.sock.connect_ex(path) == 0)
        self.hello = json.loads(self.sock.recv(16384))
        # A table of all vectors is the end of these commands.
        self.say(*commands, "show vector all")
        while not self.p.stdout.readline().startswith("ID"):
            assert self.p.poll() is None

    def until(self, fn):
        end = time.monotonic() + TIMEOUT
        while not fn():
            assert self.p.poll() is None and time.monotonic() < end
            time.sleep(0.02)

    def say(self, *commands):
        self.p.stdin.write("".join(c + "\n" for c in commands))
        self.p.stdin.flush()

    def ask(self, what):
        self.sock.send(what.encode())
        (answer,) = json.loads(self.sock.recv(self.hello["max_output_len"])).values()
        return answer

    def close(self):
        self.sock.close()
        self.p.communicate("quit\n", timeout=TIMEOUT)
        self.dir.cleanup()
        return self.p.returncode


class Telemetry(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tool = Tool("pool create rx 0", "pool get rx", "pool get rx", "vec alloc 0 any")

    @classmethod
    def tearDownClass(cls):
        assert cls.tool.close() == 0

    def test_commands(self):
        names = self.tool.ask("/")
        for name in ("devices", "device", "vectors", "vector", "pools", "pool", "waits", "wait"):
            self.assertIn("/ims/" + name, names)

    def test_device(self):
        ask = self.tool.ask
        self.assertEqual(ask("/ims/devices"), [DEV])
        dev = ask("/ims/device," + DEV)
        self.assertEqual((dev["name"], dev["driver"], dev["removed"]), (DEV, "queue_dev", 0))
        with open(f"/proc/{dev['model_pid']}/comm") as f:
            self.assertEqual(f.read(), "ims-devsrv\n")
        for wrong in ("timeouts", "late_replies", "reordered_replies", "bad_replies", "bad_requests", "surplus_fds",
                      "unread_replies", "malformed", "stray_messages", "dma_faults"):
            self.assertEqual(dev[wrong], 0, wrong)
        self.assertEqual(dev["stores"]["msix"]["slots"], 4)
        self.assertEqual(dev["stores"]["ims_queue"]["slots"], 64)
        self.assertEqual(sum(s["used"] for s in dev["stores"].values()), dev["vectors"])

    def test_vectors(self):
        ask = self.tool.ask
        ids = ask("/ims/vectors," + DEV)
        self.assertEqual(len(ids), ask("/ims/device," + DEV)["vectors"])
        self.assertEqual(ask(f"/ims/vectors,{DEV}@{max(ids)}"), [max(ids)])
        vecs = [ask(f"/ims/vector,{i}") for i in ids]
        shared = [v for v in vecs if v["name"].startswith("rx:lcore")]
        self.assertEqual(len(shared), 1)
        self.assertEqual(shared[0]["state"], "unmasked")
        self.assertEqual(shared[0]["message_in_doubt"], 0)
        self.assertIn(shared[0]["wait"], ask("/ims/waits"))

    def test_pool(self):
        pool = self.tool.ask("/ims/pool,rx")
        self.assertEqual(self.tool.ask("/ims/pools"), ["rx"])
        self.assertEqual((pool["shared"], pool["users"]), (1, 2))
        self.assertEqual(sum(lc["users"] for lc in pool["lcores"].values()), 2)

    def test_wait(self):
        for name in self.tool.ask("/ims/waits"):
            wait = self.tool.ask("/ims/wait," + name)
            self.assertEqual(wait["name"], name)
            self.assertIn(wait["policy"], ("manual", "poll", "interrupt", "adaptive"))

    def test_exporter(self):
        """What dpdk-telemetry-exporter.py makes of it, as it does that: each value a number, and described."""
        spec = importlib.util.spec_from_file_location("ims", endpoint)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        info = module.info()
        values = module.metrics(self)
        self.assertEqual({name for name, _, _ in values}, set(info))
        for name, value, labels in values:
            self.assertIsInstance(value, int, name)
            self.assertIn(info[name][1], ("counter", "gauge"))
            self.assertTrue(all(isinstance(v, str) for v in labels.values()), labels)
        self.assertIn(("pool_users", 2, {"pool": "rx"}), values)
        vectors = [labels["vector"] for name, _, labels in values if name == "vector_events"]
        self.assertEqual(len(vectors), self.tool.ask("/ims/device," + DEV)["vectors"])

    def cmd(self, uri, arg=None):
        """As of the exporter's socket."""
        return self.tool.ask(uri if arg is None else f"{uri},{arg}")

    def test_nonsense(self):
        """A name or number that is none is answered with nothing, and the next question is heard."""
        for what in ("/ims/device", "/ims/device,nobody", "/ims/vector", "/ims/vector,x",
                     "/ims/vector,99999999", "/ims/vectors," + DEV + "@", "/ims/vectors," + "x" * 500,
                     "/ims/pool,nobody", "/ims/wait,nobody", "/ims/pool"):
            self.assertFalse(self.tool.ask(what), what)
        self.assertEqual(self.tool.ask("/ims/devices"), [DEV])


class Close(unittest.TestCase):
    def test_questions_while_devices_come_and_go(self):
        tool = Tool()
        end = time.monotonic() + 2
        tool.say(*["dev close 0", "dev open " + DEV] * 20)
        while time.monotonic() < end:
            tool.ask("/ims/device," + DEV)
            tool.ask("/ims/vectors," + DEV)
            tool.ask("/ims/waits")
        self.assertEqual(tool.close(), 0)


if __name__ == "__main__":
    prog, endpoint = sys.argv.pop(1), sys.argv.pop(1)
    unittest.main()
