#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
"""Commands from files and pipes: results, exit codes, line numbers."""

import json
import os
import re
import signal
import unittest

import tool
from tool import DEV, at_least, grows, pipe, rows, run, script, until


class Files(unittest.TestCase):
    def test_all_right(self):
        r, _ = script("# a comment", "", "   ", "show device all  # and another", "quit", "foo")
        self.assertEqual((r.code, r.err), (0, []))
        dev = rows(r.out, "ID")[0]
        self.assertEqual((dev["ID"], dev["NAME"], dev["DRIVER"]), ("0", DEV, "timer_ims"))
        self.assertIn(tool.PROMPT + "# a comment\n", r.out)

    def test_error_stops_with_line_number(self):
        r, path = script("# one", "vec alloc 0 5", "", "vec alloc 0 65", "vec alloc 0 6")
        self.assertEqual(r.code, 1)
        self.assertEqual(r.err, [f"{path}:4: vec alloc: slot 65 does not exist: {DEV} has slots "
                                 "0..64 (ERANGE)"])
        self.assertNotIn("vec alloc 0 6\n", r.out)

    def test_syntax_error(self):
        r, path = script("vec alloc 0 any", "vec alloc 0 maybe")
        self.assertEqual(r.code, 1)
        self.assertEqual(r.err, [f"{path}:2: vec alloc 0: expected SLOT|any (number of a slot), not "
                                 "'maybe'; usage: vec alloc DEV SLOT|any [eventfd|memory] "
                                 "[store STORE] [table TABLE]"])

    def test_two_files(self):
        first = os.path.join(tool.work, "first.cli")
        with open(first, "w") as f:
            f.write("vec alloc 0 7\n")
        r, _ = script("show vector all", options=["--cmdline-file", first])
        self.assertEqual(r.code, 0)
        self.assertIn("vector 0: slot 7", r.out)

    def test_no_newline_at_the_end_and_crlf(self):
        path = os.path.join(tool.work, "crlf.cli")
        with open(path, "wb") as f:
            f.write(b"vec alloc 0 5\r\nvec alloc 0 5")
        r = run("--dev", DEV, "--cmdline-file", path)
        self.assertEqual(r.code, 1)
        self.assertEqual(r.err, [f"{path}:2: vec alloc: slot 5 of {DEV} is taken by vector 0 "
                                 "(EBUSY)"])

    def test_missing_file(self):
        r = run("--dev", DEV, "--cmdline-file", "/nonexistent/x.cli")
        self.assertEqual(r.code, 1)
        self.assertEqual(r.err, ["ims-testpmd: --cmdline-file /nonexistent/x.cli: No such file or "
                                 "directory"])

    def test_directory_as_file(self):
        r = run("--cmdline-file", "/tmp")
        self.assertEqual((r.code, len(r.err)), (1, 1))
        self.assertIn("/tmp", r.err[0])

    def test_file_then_prompt_without_terminal(self):
        r, _ = script("vec alloc 0 any", options=["-i"], stdin="nonsense\nshow vector 0\n")
        self.assertEqual(r.code, 0, r.err)
        self.assertEqual(len(r.err), 1)
        self.assertIn("nonsense: no such command", r.err[0])
        self.assertEqual(rows(r.out, "ID")[0]["SLOT"], "1")

    def test_bad_file_never_reaches_the_prompt(self):
        r, _ = script("nonsense", options=["-i"], stdin="show vector all\n")
        self.assertEqual(r.code, 1)
        self.assertNotIn("show vector", r.out)


class Pipes(unittest.TestCase):
    def test_pipe(self):
        r = pipe("vec alloc 0 any", "vec free 0")
        self.assertEqual((r.code, r.err), (0, []))

    def test_pipe_error(self):
        r = pipe("vec alloc 0 any", "vec free 1", "show vector all")
        self.assertEqual(r.code, 1)
        self.assertEqual(r.err, ["stdin:2: vec free: no vector 1: see show vector all (ENOENT)"])
        self.assertNotIn("show vector", r.out)

    def test_empty(self):
        self.assertEqual(run(stdin="").code, 0)

    def test_long_and_odd_lines(self):
        r = pipe("x" * 5000)
        self.assertEqual((r.code, len(r.err)), (1, 1))
        r = pipe("dev open emu:" + "y" * 600)
        self.assertEqual((r.code, len(r.err)), (1, 1))
        self.assertIn("ENAMETOOLONG", r.err[0])
        r = pipe("vec " * 100)
        self.assertEqual((r.code, len(r.err)), (1, 1))


class Vectors(unittest.TestCase):
    def test_fixed_any_and_both_deliveries(self):
        r = pipe("vec alloc 0 1", "vec alloc 0 any memory", "vec alloc 0 0 memory",
                 f"vec alloc {DEV} 64 eventfd", "show vector all", "show store all",
                 "show table 0", "show wait all")
        self.assertEqual((r.code, r.err), (0, []))
        vecs = rows(r.out, "ID")
        self.assertEqual([(v["SLOT"], v["DELIVERY"]) for v in vecs],
                         [("1", "eventfd"), ("2", "memory"), ("0", "memory"), ("64", "eventfd")])
        self.assertEqual(len({v["ADDRESS"] for v in vecs}), 4)
        stores = {s["STORE"]: s for s in rows(r.out, "DEV")}
        self.assertEqual((stores["ims-bar"]["SLOTS"], stores["ims-bar"]["USED"]), ("65", "4"))
        wait = rows(r.out, "WAIT")[0]
        self.assertEqual(wait["MEMORY"], "2")

    def test_numbers_are_used_again(self):
        r = pipe("vec alloc 0 1", "vec alloc 0 2", "vec alloc 0 3", "vec free 1", "vec alloc 0 4",
                 "vec alloc 0 2")
        self.assertEqual(r.code, 0)
        self.assertIn("vector 1: slot 4", r.out)
        self.assertIn("vector 3: slot 2", r.out)

    def test_all_slots(self):
        r = pipe(*["vec alloc 0 any"] * 65, dev=DEV)
        self.assertEqual(r.code, 1)
        self.assertEqual(len(r.err), 1)
        self.assertTrue(r.err[0].startswith("stdin:65: vec alloc: no free slot: "), r.err)
        self.assertTrue(r.err[0].endswith("(ENOSPC)"), r.err)

    def test_mask_keeps_the_event(self):
        for delivery in "eventfd", "memory":
            with self.subTest(delivery=delivery):
                r = pipe(f"vec alloc 0 9 {delivery}", "vec mask 0", "timer start 0 5 1us vec 0",
                         until("show vector all", fn=lambda t: rows(t, "ID")[0]["PENDING"] == "yes"),
                         "vec unmask 0", until("show stats 0", fn=at_least(1, "EVENTS")))
                self.assertEqual((r.code, r.err), (0, []))
                vec = rows(r.out, "ID")[0]
                self.assertEqual((vec["MASKED"], vec["PENDING"], vec["EVENTS"]),
                                 ("yes", "yes", "0"))
                self.assertEqual(rows(r.out, "VECTOR")[0]["EVENTS"], "1")

    def test_clear_stats(self):
        r = pipe("timer start 0 0 1us", until("show stats all", fn=at_least(1, "EVENTS")),
                 "clear stats all", "show stats all")
        self.assertEqual(r.code, 0)
        self.assertEqual(rows(r.out.split("clear stats all")[1], "VECTOR")[0]["EVENTS"], "0")


class Timers(unittest.TestCase):
    def test_one_shot(self):
        r = pipe("timer start 0 7 1ms", until("show stats all", fn=at_least(1, "EVENTS")),
                 "timer stop 0 7")
        self.assertEqual((r.code, r.err), (0, []))
        self.assertEqual(rows(r.out, "VECTOR")[0]["EVENTS"], "1")
        self.assertIn("timer 7 expired 1 times", r.out)

    def test_verb_first(self):
        r = pipe("start timer 0 7 1ms", "stop timer 0 7", "vec alloc 0 9",
                 "set delivery 0 memory", "show vector 0")
        self.assertEqual((r.code, r.err), (0, []))
        self.assertIn("timer 7 expired ", r.out)
        self.assertEqual(rows(r.out, "ID")[0]["DELIVERY"], "memory")

    def test_periodic_on_a_chosen_vector(self):
        r = pipe("vec alloc 0 33 memory", "timer start 0 1 2ms vec 0 periodic", "sleep 200ms",
                 "vec free 0")
        self.assertEqual(r.code, 1)
        self.assertEqual(r.err, [f"stdin:4: vec free: timer 1 of {DEV} raises it, see timer stop "
                                 "(EBUSY)"])
        r = pipe("vec alloc 0 33 memory", "timer start 0 1 2ms vec 0 periodic",
                 until("show stats 0", fn=at_least(21, "EVENTS")), "timer stop 0 1", "vec free 0")
        self.assertEqual((r.code, r.err), (0, []))

    def test_dev_close_with_running_timers(self):
        r = pipe("timer start 0 1 10us periodic", "timer start 0 2 10us periodic", "sleep 20ms",
                 "dev close 0", "show vector all", f"dev open {DEV}", "timer start 0 1 1ms",
                 "dev close 0")
        self.assertEqual((r.code, r.err), (0, []))

    def test_polling_service(self):
        r = pipe("set wait poll", "timer start 0 1 1ms periodic",
                 until("show stats all", fn=at_least(25, "EVENTS")), "show wait all",
                 "set wait sleep", until("show stats all", fn=grows(25, "EVENTS")))
        self.assertEqual((r.code, r.err), (0, []))
        self.assertEqual(rows(r.out, "WAIT")[0]["MODE"], "poll")

    def test_main_lcore_only(self):
        one = tool.lcores().split(",")[0]
        r = pipe("timer start 0 1 1ms periodic", "show wait all",
                 until("sleep 20ms", "show stats all", fn=at_least(21, "EVENTS")), lcore_list=one)
        self.assertEqual((r.code, r.err), (0, []))
        self.assertEqual(rows(r.out, "WAIT")[0]["LCORE"], "-")

    def test_reset(self):
        r = pipe("timer start 0 1 1ms periodic", "dev reset 0", "timer start 0 1 1ms",
                 "sleep 50ms", "show stats all")
        self.assertEqual((r.code, r.err), (0, []))


class Doctor(unittest.TestCase):
    LINKS = ["device", "slot", "message", "format", "remapping", "mask", "pending", "irq",
             "eventfd", "wait", "thread", "objects"]

    def test_whole(self):
        r = pipe("vec alloc 0 any", "vec alloc 0 any memory", "doctor 0", "doctor 0 1")
        self.assertEqual((r.code, r.err), (0, []))
        self.assertIn("vector 0 (ims-bar:1), slot 1 of ims-bar, eventfd: ok\n", r.out)
        self.assertIn("0 of 3 vectors broken\n", r.out)
        links = re.findall(r"(?m)^  (\w+) +(ok|broken|-) +\S", r.out.split("doctor 0 1\n")[1])
        self.assertEqual([name for name, _ in links], self.LINKS)
        self.assertNotIn("broken", dict(links).values())

    def test_broken(self):
        r = pipe("vec alloc 0 any", "vec alloc 0 any", "vec mask 1", "doctor 0")
        self.assertEqual((r.code, r.err), (0, []))
        self.assertIn("vector 1 (ims-bar:2), slot 2 of ims-bar, eventfd: broken at mask\n", r.out)
        self.assertRegex(r.out, r"(?m)^  mask +broken +masked .*; to do: rte_ims_vec_unmask\(\)$")
        self.assertEqual(r.out.count("  thread "), 1)
        self.assertIn("1 of 3 vectors broken\n", r.out)

    def test_json(self):
        r = pipe("vec alloc 0 any", "vec mask 0", "doctor 0 json", "doctor 0 0 json")
        self.assertEqual((r.code, r.err), (0, []))
        every, one = tool.documents(r.out)
        self.assertEqual([v["vector"] for v in every["vectors"]], [None, 0])
        self.assertEqual(every["vectors"][0]["broken"], None)
        self.assertEqual(one["vectors"], every["vectors"][1:])
        vec = one["vectors"][0]
        self.assertEqual((vec["broken"], vec["slot"]), ("mask", 1))
        self.assertEqual(list(vec["links"]), self.LINKS)
        self.assertEqual(vec["links"]["irq"]["verdict"], "none")
        self.assertEqual(vec["links"]["mask"]["todo"], "rte_ims_vec_unmask()")

    def test_device_that_is_gone(self):
        t = tool.Terminal("--dev", DEV)
        t.prompt()
        t.command("vec alloc 0 any")
        os.kill(tool.children(t.pid)[0], signal.SIGKILL)
        t.expect("is gone")
        t.prompt()
        out = t.command("doctor 0 0")
        self.assertIn("broken at device", out)
        self.assertRegex(out, r"device +broken +it is gone")
        t.type("quit\r")
        self.assertEqual(t.close(), 0)

    def test_refused(self):
        r = pipe("dev open emu:timer_ims,timers=8", "vec alloc 1 any", "doctor 0 0")
        self.assertEqual(r.code, 1)
        self.assertEqual(r.err, [f"stdin:3: doctor: vector 0 is not of {DEV} (EINVAL)"])


class Bench(unittest.TestCase):
    def test_counts_and_json(self):
        path = os.path.join(tool.work, "bench.json").replace(" ", "")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        r = pipe(f"bench timer 0 4 200us 0.2 json {path}")
        self.assertEqual((r.code, r.err), (0, []), r.out)
        with open(path) as f:
            numbers = json.load(f)
        os.unlink(path)
        for key in "memory", "eventfd_socket", "eventfd":
            self.assertGreater(numbers[key + "_counted"], 100)
            self.assertEqual(numbers[key + "_lost"], 0)
        self.assertRegex(r.out, r"(?m)^ +[0-9.]+ [um]s \|#+ ")

    def test_one_delivery_leaves_nothing(self):
        r = pipe("bench timer 0 64 1ms 0.1 memory", "show store all", "vec alloc 0 1",
                 "timer start 0 1 1ms", "sleep 50ms", "show stats all")
        self.assertEqual((r.code, r.err), (0, []), r.out)
        stores = {s["STORE"]: s["USED"] for s in rows(r.out, "DEV")}
        self.assertEqual(stores["ims-bar"], "0")
        self.assertNotIn("eventfd,", r.out.split("show store")[0])

    def test_refused(self):
        for line, text in (
            ("bench timer 0 65 1ms 1", "timer 64 does not exist"),
            ("bench timer 0 0 1ms 1", "EINVAL"),
            ("bench timer 0 1 0 1", "EINVAL"),
            ("bench timer 0 1 1ms 0", "EINVAL"),
            ("bench timer 0 1 1ms 0.1 memory json /nonexistent/x", "/nonexistent/x"),
        ):
            with self.subTest(line=line):
                r = pipe(line)
                self.assertEqual((r.code, len(r.err)), (1, 1), r.err)
                self.assertIn(text, r.err[0])

    def test_busy_timers_and_slots(self):
        r = pipe("timer start 0 1 1s periodic", "bench timer 0 1 1ms 1")
        self.assertEqual(r.code, 1)
        self.assertTrue(r.err[0].endswith("(EBUSY)"), r.err)
        r = pipe(*["vec alloc 0 any"] * 60, "bench timer 0 10 1ms 1")
        self.assertEqual(r.code, 1)
        self.assertTrue(r.err[0].endswith("(ENOSPC)"), r.err)

    def test_main_lcore_only(self):
        one = tool.lcores().split(",")[0]
        r = pipe("bench timer 0 2 1ms 0.1", lcore_list=one)
        self.assertEqual((r.code, r.err), (0, []), r.out)


if __name__ == "__main__":
    tool.main()
