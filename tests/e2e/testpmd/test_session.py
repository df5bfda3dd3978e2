#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
"""JSON of all shows, watch with rates, record and load, and long commands at a terminal."""

import os
import re
import time
import unittest

import tool
from tool import DEV, PROMPT, Terminal, at_least, documents, pipe, rows, run, until

TAB, CTRL_C = "\t", "\x03"
QUEUES = "emu:queue_dev,queues=64,subdevs=4,eqs=8,msix=8"


def path_of(name):
    """Without blanks, which the command line has none of."""
    path = os.path.join(tool.work, name).replace(" ", "-")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


class Json(unittest.TestCase):
    def shows(self):
        """Every show command that there is, from the help."""
        r = pipe("help show", dev=None)
        self.assertEqual(r.code, 0)
        found = re.findall(r"(?m)^  (show \S.*?)(?:  |$)", r.out)
        self.assertGreater(len(found), 12)
        return found

    def test_all_shows(self):
        lines = []
        for syntax in self.shows():
            self.assertTrue(syntax.endswith(" [json]"), syntax)
            line = syntax[: -len(" [json]")]
            line = re.sub(r"all\|\w+", "all", line)
            if line == "show nvme DEV":
                continue
            lines.append(line.replace("DEV", "1") + " json")
        r = pipe(f"dev open {QUEUES}", "vec alloc 0 any memory", "timer start 0 1 1ms",
                 "pool create 7 1", "queue create 1 pool 7 count 40", "subdev add 1 vf", *lines,
                 "show pool 7 json", "show queue 1 json", options=("-i",))
        self.assertEqual((r.code, r.err), (0, []))
        docs = documents(r.out)
        self.assertEqual(len(docs), len(lines) + 2)
        merged = {}
        for doc in docs:
            merged.update(doc)
        self.assertEqual(merged["devices"][0]["name"], DEV)
        self.assertEqual(merged["devices"][0]["state"], "up")
        self.assertEqual(merged["peers"][0], {
            "dev": 0, "timeouts": 0, "late": 0, "reordered": 0, "bad_replies": 0, "bad_requests": 0, "surplus_fds": 0,
            "unread": 0, "malformed": 0})
        self.assertEqual({v["masked"] for v in merged["vectors"] if "masked" in v}, set())
        self.assertEqual(merged["nodes"][0]["node"], 0)
        self.assertEqual(len(merged["queues"]), 40)
        self.assertEqual(merged["queues"][3]["queue"], 3)
        self.assertIsNone(merged["queues"][3]["subdev"])
        self.assertEqual(merged["pools"][0]["pool"], "7")  # a name, not a number
        self.assertEqual(merged["timers"][0]["timer"], 1)
        self.assertEqual(set(merged["lcores"][0]),
                         {"lcore", "cpu", "numa", "vectors", "users", "events"})

    def test_values(self):
        r = pipe("vec alloc 0 any memory", "vec mask 0", "show vector 0 json")
        self.assertEqual((r.code, r.err), (0, []))
        vec = documents(r.out)[0]["vectors"][0]
        self.assertEqual((vec["id"], vec["masked"], vec["pending"], vec["delivery"]),
                         (0, True, False, "memory"))
        self.assertRegex(vec["address"], "^0x[0-9a-f]+$")

    def test_nothing_is_a_document_too(self):
        r = pipe("show vector all json", "show pool all json")
        self.assertEqual(documents(r.out), [{"vectors": []}, {"pools": []}])

    def test_errors_are_none(self):
        r = pipe("show vector 3 json")
        self.assertEqual((r.code, len(r.err)), (1, 1))
        self.assertEqual(documents(r.out), [])


class Watch(unittest.TestCase):
    def test_rates(self):
        start = time.monotonic()
        r = pipe("timer start 0 1 1ms periodic", "watch 0.5 3 show stats all")
        took = time.monotonic() - start
        self.assertEqual((r.code, r.err), (0, []))
        tables = r.out.split("VECTOR  NAME")[1:]
        self.assertEqual(len(tables), 3)
        found = [rows("VECTOR  NAME" + t, "VECTOR")[0] for t in tables]
        self.assertEqual(found[0]["EVENTS/S"], "-")
        # An interval is half a second or more, and not longer than all of it.
        for before, row in zip(found, found[1:]):
            more, rate = int(row["EVENTS"]) - int(before["EVENTS"]), int(row["EVENTS/S"])
            self.assertGreater(more, 0)
            self.assertGreaterEqual(rate, int(more / took))
            self.assertLessEqual(rate, more / 0.5 + 1)
            self.assertLess(rate, 2000)

    def test_json(self):
        r = pipe("timer start 0 1 1ms periodic", "watch 1 2 show timer all json")
        docs = documents(r.out)
        self.assertEqual(len(docs), 2)
        self.assertIsNone(docs[0]["timers"][0]["expirations_per_s"])
        self.assertGreater(docs[1]["timers"][0]["expirations_per_s"], 100)

    def test_rows_that_come_and_go(self):
        path = path_of("free.cli")
        with open(path, "w") as f:
            f.write("show stats all\nvec free 0\nvec alloc 0 any\n")
        r = pipe("vec alloc 0 any", "vec alloc 0 any", f"watch 0.05 3 load {path}")
        self.assertEqual((r.code, r.err), (0, []))
        self.assertEqual(len(re.findall("(?m)^VECTOR", r.out)), 3)

    def test_refused(self):
        for line, text in (
            ("watch 1 2 nonsense", "nonsense: no such command"),
            ("watch 1 2 show vector 9", "no vector 9: none is allocated, see vec alloc (ENOENT)"),
            ("watch 1us show vector all", "10ms to 86400s"),
            ("watch 1 2 watch 1 2 show vector all", "does not watch another"),
            ("watch 1", "expected"),
        ):
            with self.subTest(line=line):
                r = pipe(line)
                self.assertEqual((r.code, len(r.err)), (1, 1), r.err)
                self.assertIn(text, r.err[0])
                self.assertTrue(r.err[0].startswith("stdin:1: watch"), r.err)

    def test_quit_ends_it(self):
        self.assertEqual(pipe("watch 1 quit", "nonsense").code, 0)


class Record(unittest.TestCase):
    def test_record_and_replay(self):
        path = path_of("session.cli")
        r = pipe("vec alloc 0 3", f"record {path}", "vec alloc 0 5  # mine", "vec free 7", "",
                 "record nonsense", "vec alloc 0 any memory", "show vector all", "record stop",
                 "vec alloc 0 9", dev=DEV, options=("-i",))
        self.assertEqual(r.code, 0)
        with open(path) as f:
            lines = f.read().splitlines()
        self.assertEqual(lines, [
            "vec alloc 0 5  # mine",
            "# vec free 7: vec free: no vector 7: see show vector all (ENOENT)",
            "vec alloc 0 any memory",
            "show vector all",
        ])
        again = pipe(f"load {path}")
        self.assertEqual((again.code, again.err), (0, []))
        self.assertEqual([v["SLOT"] for v in rows(again.out, "ID")], ["5", "1"])
        self.assertEqual(run("--dev", DEV, "--cmdline-file", path).code, 0)

    def test_at_the_prompt(self):
        path = path_of("prompt.cli")
        t = Terminal("--dev", DEV)
        t.prompt()
        t.command(f"record {path}")
        t.command("vec alloc 0 5")
        t.type("quit\r")
        self.assertEqual(t.close(), 0)
        with open(path) as f:
            self.assertEqual(f.read(), "vec alloc 0 5\n")

    def test_refused(self):
        path = path_of("twice.cli")
        for lines, text in (
            (("record stop",), "it is not on"),
            (("record /nonexistent/x",), "/nonexistent/x: No such file"),
            ((f"record {path}", f"record {path}"), "it is on already"),
        ):
            r = pipe(*lines)
            self.assertEqual((r.code, len(r.err)), (1, 1), r.err)
            self.assertIn(text, r.err[0])

    def test_errors_of_loaded_files(self):
        inner, outer = path_of("inner.cli"), path_of("outer.cli")
        with open(inner, "w") as f:
            f.write("vec alloc 0 any\nvec free 5\n")
        with open(outer, "w") as f:
            f.write(f"show device all\nload {inner}\n")
        r = run("--dev", DEV, "--cmdline-file", outer)
        self.assertEqual(r.code, 1)
        self.assertTrue(r.err[0].startswith(f"{inner}:2: vec free: no vector 5"), r.err)
        self.assertTrue(r.err[1].startswith(f"{outer}:2: load: "), r.err)


class Latency(unittest.TestCase):
    @staticmethod
    def messages(text):
        return documents("\n" + text)[0]["latencies"][0]["messages"]

    def test_timer(self):
        for delivery in "eventfd", "memory":
            with self.subTest(delivery=delivery):
                r = pipe(f"vec alloc 0 any {delivery}", "timer start 0 1 1ms periodic vec 0",
                         until("show latency 0 json", fn=lambda t: self.messages(t) > 20),
                         "show latency all", "timer stop 0 1",
                         # The last one may come after the first of these.
                         until("clear latency all", "sleep 20ms", "show latency 0 json",
                               fn=lambda t: self.messages(t) == 0))
                self.assertEqual((r.code, r.err), (0, []))
                self.assertRegex(r.out, r"(?m)^ +[0-9.]+ [num]s \|#+ ")
                found = documents(r.out)[0]["latencies"][0]
                self.assertLessEqual(found["min_ns"], found["median"])
                self.assertLessEqual(found["p99"], found["max"])

    def test_queue(self):
        r = pipe("pool create p 0", "queue create 0 pool p count 4", "queue start 0 all nop rate 500",
                 until("show latency all json", fn=lambda t: self.messages(t) > 20),
                 "queue stop 0 all", dev=QUEUES)
        self.assertEqual((r.code, r.err), (0, []))

    def test_nothing_stamps(self):
        r = pipe("vec alloc 0 any", "show latency 0")
        self.assertEqual((r.code, len(r.err)), (1, 1))
        self.assertIn("nothing stamps the messages of vector 0", r.err[0])


class Clear(unittest.TestCase):
    def test_wait(self):
        r = pipe("timer start 0 1 1ms periodic",
                 until("show wait all", fn=at_least(51, "EVENTS", "WAIT")), "timer stop 0 1",
                 # The last one may come after the first of these.
                 until("clear wait all", "show wait all json",
                       fn=lambda t: documents(t)[0]["waits"][0]["events"] == 0), "clear wait 99")
        self.assertEqual(r.code, 1)


class Live(unittest.TestCase):
    """At a terminal."""

    def setUp(self):
        self.t = Terminal("--dev", DEV)
        self.t.prompt()

    def tearDown(self):
        self.t.type(CTRL_C + "quit\r")
        self.assertEqual(self.t.close(), 0)

    def test_watch_until_a_key(self):
        self.t.command("timer start 0 1 1ms periodic")
        for key in "q", CTRL_C, "\r":
            with self.subTest(key=key):
                self.t.type("watch 0.1 show stats all\r")
                self.t.expect(r"every 100 ms: show stats all   \(any key ends it\)")
                self.t.expect(r"(?s)VECTOR.*VECTOR.*EVENTS/S")
                self.t.type(key)
                self.t.prompt()
        # It was no character of the next line.
        self.assertIn("timer 1 expired", self.t.command("timer stop 0 1"))

    def test_watch_a_long_command(self):
        self.t.type("watch 0.1 sleep 600\r")
        self.t.expect("every")
        time.sleep(0.2)
        self.t.interrupt("interrupted")
        self.t.prompt()

    def test_ctrl_c_ends_a_file(self):
        path = path_of("long.cli")
        with open(path, "w") as f:
            f.write("vec alloc 0 any\n" + "watch 0.1 show vector all\n" + "sleep 600\n"
                    + "vec free 0\n")
        self.t.type(f"load {path}\r")
        self.t.expect("every 100 ms")
        self.t.type(CTRL_C)  # the watch, and no more
        self.t.expect(re.escape(PROMPT) + "sleep 600\n")
        time.sleep(0.2)
        self.t.interrupt(r"long.cli:3: sleep: interrupted \(EINTR\)")
        self.t.prompt()
        self.assertEqual(rows(self.t.command("show vector all"), "ID")[0]["SLOT"], "1")

    def test_completes_within_watch(self):
        self.t.type("wat" + TAB)
        self.t.expect("watch ")
        self.t.type("1 sh" + TAB)
        self.t.expect("show ")
        self.t.type("vec" + TAB)
        self.t.expect("vector ")
        self.t.type("al" + TAB)
        self.t.expect("all ")
        self.t.type(CTRL_C)
        self.t.expect(re.escape(PROMPT) + "$")
        self.t.type("watch 1 5 vec " + TAB)
        out = self.t.expect("unmask\n")
        self.assertEqual(re.findall(r"(?m)^ (\w+)$", out),
                         ["alloc", "free", "mask", "unmask", "delivery"][:4])
        self.t.type(CTRL_C)
        self.t.expect(re.escape(PROMPT) + "$")

    def test_completes_files(self):
        path = path_of("some-session.cli")
        with open(path, "w") as f:
            f.write("vec alloc 0 12\n")
        folder = os.path.dirname(path)
        self.t.type("load " + folder[:-2] + TAB)  # it goes on within the folder
        self.t.expect(re.escape(folder) + "/$")
        self.t.type("some-se" + TAB)
        self.t.expect("some-session.cli ")
        self.t.type("\r")
        self.assertIn("vector 0: slot 12", self.t.prompt())

    def test_completes_models(self):
        self.t.type("dev open em" + TAB)
        self.t.expect("dev open emu:")
        self.t.type("t" + TAB)
        self.t.expect("timer_ims ")
        self.t.type(CTRL_C)
        self.t.expect(re.escape(PROMPT) + "$")

    def test_load_of_lcores(self):
        def load(text):
            return float(rows(text, "LCORE")[0]["LOAD_%"])

        self.t.command("show lcore")
        self.t.command("sleep 0.3")
        asleep = load(self.t.command("show lcore"))
        self.t.command("set wait poll")
        # Of a machine that others use too: it gets more of it at last.
        text = self.t.until("show lcore", lambda t: load(t) > 5 + 2 * asleep)
        self.t.command("set wait sleep")
        self.assertRegex(rows(text, "LCORE")[0]["LOAD"], r"^#+\.*$")


class Progress(unittest.TestCase):
    BENCHES = (
        (DEV, "bench timer 0 1 1ms 1.5 memory", r"\rmemory.* s, \d+ expirations"),
        (QUEUES, "bench queue 0 8 nop 4 0.5", r"\rmemory.* s, \d+ completions"),
    )

    def test_at_a_terminal(self):
        for dev, line, pattern in self.BENCHES:
            with self.subTest(line=line):
                t = Terminal("--dev", dev)
                t.prompt()
                t.type(line + "\r")
                t.expect(pattern)
                t.prompt()
                t.type("quit\r")
                self.assertEqual(t.close(), 0)

    def test_on_the_main_lcore_alone(self):
        t = Terminal("--dev", DEV, lcore_list=tool.lcores().split(",")[0])
        t.prompt()
        t.type("bench timer 0 1 1ms 1 memory\r")
        t.expect(r"\rmemory.* s, \d+ expirations")
        t.prompt()
        t.type("quit\r")
        self.assertEqual(t.close(), 0)

    def test_ports(self):
        t = Terminal()
        t.prompt()
        t.command("port attach net_ring0 1")
        for line in ("bench nic 0 1 from 0 policy interrupt", "bench nic 0 1 policy interrupt"):
            t.type(line + "\r")
            t.expect(r"\rinterrupt: .* s, \d+ packets")
            t.prompt()
        t.type("quit\r")
        self.assertEqual(t.close(), 0)

    def test_not_in_a_pipe(self):
        for dev, line, _ in self.BENCHES:
            r = pipe(line, dev=dev)
            self.assertEqual((r.code, r.err), (0, []))
            self.assertNotIn("\r", r.out)

    def test_ctrl_c_ends_each_bench(self):
        for dev, line, pattern in (
            (DEV, "bench timer 0 1 1ms 600", self.BENCHES[0][2]),
            (QUEUES, "bench queue 0 8 nop 4 600", self.BENCHES[1][2]),
        ):
            with self.subTest(line=line):
                t = Terminal("--dev", dev)
                t.prompt()
                t.type(line + "\r")
                t.expect(pattern)
                t.interrupt(r"interrupted \(EINTR\)\n")
                t.prompt()
                self.assertIn("up", t.command("show device all"))
                t.type("quit\r")
                self.assertEqual(t.close(), 0)


if __name__ == "__main__":
    tool.main()
