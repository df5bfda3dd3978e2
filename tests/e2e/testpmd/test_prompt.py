#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
"""ims-testpmd at a terminal: completion, history, Ctrl-C, and leaving."""

import os
import re
import signal
import time
import unittest

import tool
from tool import DEV, PROMPT, Terminal

TAB, UP, DOWN, CTRL_C, CTRL_D, CTRL_A = "\t", "\x1b[A", "\x1b[B", "\x03", "\x04", "\x01"


class Prompt(unittest.TestCase):
    def setUp(self):
        self.t = Terminal("--dev", DEV)
        self.before = self.t.attr()
        self.t.prompt()

    def tearDown(self):
        if self.t is not None:
            self.t.type(CTRL_C + "quit\r")
            self.assertEqual(self.t.close(), 0)

    def leave(self):
        t, self.t = self.t, None
        return t.close()

    def test_quit(self):
        self.t.type("quit\r")
        self.assertEqual(self.leave(), 0)

    def test_end_of_file(self):
        self.t.type(CTRL_D)
        self.assertEqual(self.leave(), 0)

    def test_terminal_is_as_before(self):
        self.t.type("quit\r")
        self.t.expect("quit\n")
        while self.t._read(10):
            pass
        self.assertEqual(self.leave(), 0)

    def test_sigterm(self):
        os.kill(self.t.pid, signal.SIGTERM)
        self.assertNotEqual(self.leave(), 0)

    def test_sigterm_during_command(self):
        self.t.type("sleep 60\r")
        self.t.expect("sleep 60\n")
        time.sleep(0.2)
        os.kill(self.t.pid, signal.SIGTERM)
        self.assertNotEqual(self.leave(), 0)

    def test_completes_words(self):
        self.t.type("ti" + TAB)
        self.t.expect("timer ")
        self.t.type("sta" + TAB)
        self.t.expect("start ")
        self.t.type("0 1 1ms per" + TAB)
        self.t.expect("periodic ")
        self.t.type("\r")
        self.assertIn("timer 1 raises vector 0", self.t.prompt())

    def test_lists_choices(self):
        self.t.type("vec " + TAB)
        out = self.t.expect("unmask\n")
        self.assertEqual(re.findall(r"(?m)^ (\w+)$", out), ["alloc", "free", "mask", "unmask"])
        self.t.expect(re.escape(PROMPT + "vec ") + "$")
        self.t.type("alloc 0 " + TAB)
        out = self.t.expect(re.escape(PROMPT + "vec alloc 0 ") + "$")
        self.assertIn(" any\n", out)
        self.assertIn("SLOT|any", out)

    def test_lists_topics_once(self):
        self.t.type(TAB)
        out = self.t.expect(re.escape(PROMPT) + "$")
        self.assertEqual(len(re.findall(r"(?m)^ vec$", out)), 1)

    def test_completes_device_names(self):
        self.t.type("vec alloc em" + TAB)
        self.t.expect(re.escape(f"vec alloc {DEV} "))
        self.t.type("5\r")
        self.assertIn("slot 5 of " + DEV, self.t.prompt())

    def test_completes_vector_numbers(self):
        for _ in range(3):
            self.t.command("vec alloc 0 any")
        self.t.type("vec free " + TAB)
        out = self.t.expect(re.escape(PROMPT + "vec free ") + "$")
        self.assertEqual(re.findall(r"(?m)^ (\d)$", out), ["0", "1", "2"])

    def test_says_when_complete(self):
        self.t.type("show device all " + TAB)
        self.t.expect(re.escape("[RETURN]"))

    def test_no_completion_in_comments_and_garbage(self):
        self.t.type("nonsense xyz " + TAB + TAB + CTRL_C)
        self.t.expect(re.escape(PROMPT) + "$")
        self.t.type("# ve" + TAB + CTRL_C)
        self.t.expect(re.escape(PROMPT) + "$")
        self.t.type("vec " * 100 + TAB + CTRL_C)
        self.t.expect(re.escape(PROMPT) + "$")

    def test_history(self):
        self.t.command("vec alloc 0 5")
        self.t.command("vec free 0")
        self.t.type(UP)
        self.t.expect("vec free 0")
        self.t.type(UP)
        self.t.expect("vec alloc 0 5")
        self.t.type("\r")
        self.assertIn("vector 0: slot 5", self.t.prompt())
        self.t.type(UP)
        self.t.expect("vec alloc 0 5")
        self.t.type(DOWN)
        self.t.type(CTRL_C)
        self.t.prompt()

    def test_edits_a_line(self):
        self.t.type("alloc 0 5" + CTRL_A + "vec \r")
        self.assertIn("vector 0: slot 5", self.t.prompt())

    def test_errors_go_on(self):
        self.assertIn("foo: no such command, expected bench, ", self.t.command("foo"))
        self.assertEqual(self.t.command("vec alloc 0 65"),
                         f"vec alloc: slot 65 does not exist: {DEV} has slots 0..64 (ERANGE)\n")
        self.assertEqual(self.t.command(""), "")
        self.assertIn("vector 0", self.t.command("vec alloc 0 64"))

    def test_ctrl_c_at_the_prompt(self):
        self.t.type("half a line" + CTRL_C)
        self.t.expect(re.escape(PROMPT) + "$")
        self.assertIn("vector 0", self.t.command("vec alloc 0 64"))

    def test_ctrl_c_ends_a_bench(self):
        for when in 0.1, 0.5, 2.5:
            with self.subTest(when=when):
                start = time.monotonic()
                self.t.type("bench timer 0 4 1ms 600\r")
                self.t.expect("600\n")
                time.sleep(when)
                self.t.interrupt(r"bench timer: interrupted \(EINTR\)\n")
                self.t.prompt()
                self.assertLess(time.monotonic() - start, 2 * tool.TIMEOUT)
                self.assertEqual(tool.rows(self.t.command("show store all"), "DEV")[1]["USED"], "0")
        # And nothing is left of it: the device works as before.
        self.t.command("timer start 0 1 1ms")
        self.t.until("show stats all", tool.at_least(1, "EVENTS"))
        self.assertIn("timer 1 expired 1 times", self.t.command("timer stop 0 1"))

    def test_ctrl_c_ends_a_sleep(self):
        start = time.monotonic()
        self.t.type("sleep 600\r")
        self.t.expect("600\n")
        time.sleep(0.2)
        self.t.interrupt(re.escape(PROMPT) + "$")
        self.assertLess(time.monotonic() - start, 2 * tool.TIMEOUT)

    def test_bench_shows_progress(self):
        self.t.type("bench timer 0 1 1ms 1.5 memory\r")
        self.t.expect(r"\r.*memory.* s, \d+ expirations")
        self.t.prompt()

    def test_idle_takes_no_cpu(self):
        self.t.command("vec alloc 0 any")
        before = os.times()
        used = cpu_time(self.t.pid)
        time.sleep(1)
        self.assertLess(cpu_time(self.t.pid) - used, 0.05, before)


class Files(unittest.TestCase):
    def test_file_then_prompt(self):
        path = os.path.join(tool.work, "then.cli")
        with open(path, "w") as f:
            f.write("vec alloc 0 12\n")
        t = Terminal("--dev", DEV, "--cmdline-file", path, "-i")
        t.expect("vector 0: slot 12")
        t.prompt()
        self.assertIn("slot 13", t.command("vec alloc 0 13"))
        t.type("quit\r")
        self.assertEqual(t.close(), 0)

    def test_file_alone_ends(self):
        path = os.path.join(tool.work, "alone.cli")
        with open(path, "w") as f:
            f.write("vec alloc 0 12\n")
        t = Terminal("--dev", DEV, "--cmdline-file", path)
        self.assertEqual(t.close(), 0)

    def test_ctrl_c_ends_a_file(self):
        path = os.path.join(tool.work, "long.cli")
        with open(path, "w") as f:
            f.write("sleep 600\nvec alloc 0 12\n")
        t = Terminal("--cmdline-file", path, "--dev", DEV)
        t.expect("sleep 600\n")
        time.sleep(0.2)
        t.interrupt(r"long.cli:1: sleep: interrupted \(EINTR\)")
        self.assertEqual(t.close(), 1)


def cpu_time(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    tool.main()
