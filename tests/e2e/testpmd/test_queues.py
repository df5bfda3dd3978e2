#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
"""Pools, queues, sub-devices, moves and the topology, with a queue_dev device."""

import json
import os
import re
import signal
import time
import unittest

import tool
from tool import PROMPT, Terminal, at_least, grows, pipe, rows, until

DEV = "emu:queue_dev"
VARIANTS = (DEV, DEV + ",msix=0", DEV + ",ims=0")
TIMER = "emu:timer_ims,timers=8"
TAB, CTRL_C = "\t", "\x03"


def lines(*commands, dev=DEV, **kwargs):
    return pipe(*commands, dev=dev, lcore_list=tool.four_lcores(), **kwargs)


class Case(unittest.TestCase):
    def good(self, *commands, **kwargs):
        r = lines(*commands, **kwargs)
        self.assertEqual((r.code, r.err), (0, []), r.out)
        return r.out

    def bad(self, text, errno, *commands, **kwargs):
        """The last of the commands fails, with one line that says why."""
        with self.subTest(line=commands[-1]):
            r = lines(*commands, **kwargs)
            self.assertEqual((r.code, len(r.err)), (1, 1), r.err)
            self.assertTrue(r.err[0].startswith(f"stdin:{len(commands)}: "), r.err)
            self.assertIn(text, r.err[0])
            if errno is not None:
                self.assertTrue(r.err[0].endswith(f"({errno})"), r.err)

    def syntax(self, text, line):
        self.bad(text, None, line)


class Pool(Case):
    def test_the_users_numbers(self):
        """Vector 1 is 1 everywhere, also in what the library says; and what is counted where."""
        out = self.good("vec alloc 0 any", "pool create p 0", "pool get p", "pool special p 0",
                        "dump pool p", "show pool p")
        self.assertRegex(out, r"\n    vector 1 p:lcore\d+: shared")
        self.assertRegex(out, r"\n    vector 2 special0: special")
        self.assertIn("1 special and 0 dedicated beside them.", out)

    def test_node(self):
        self.bad("no NUMA node 500: see show topology", "ENOENT", "pool create p 0",
                 "pool get p node 500")
        self.good("pool create p 0", "pool get p node 0")

    def test_one_vector_per_lcore_then_shared(self):
        for dev in VARIANTS:
            with self.subTest(dev=dev):
                out = self.good("pool create p 0 memory", *["pool get p"] * 4, "show pool p",
                                "show vector all", dev=dev)
                self.assertEqual(len(set(re.findall(r"^vector (\d+): shared", out, re.M))), 3)
                pool = rows(out, "POOL")[0]
                self.assertEqual((pool["SHARED"], pool["USERS"], pool["LCORES"]), ("3", "4", "3"))
                lcores = rows(out, "LCORE")
                self.assertEqual([lc["LCORE"] for lc in lcores], ["1", "5", "6"])
                self.assertEqual(sorted(int(lc["USERS"]) for lc in lcores), [1, 1, 2])
                self.assertEqual({v["DELIVERY"] for v in rows(out, "ID")}, {"memory"})

    def test_per_lcore_and_ims_first(self):
        out = self.good("pool create p 0 ims-first per-lcore 2", *["pool get p lcore 5"] * 3,
                        "show pool p")
        self.assertEqual(rows(out, "POOL")[0]["MSI-X"], "0")
        self.assertEqual([(v["STORE"], v["LCORE"]) for v in rows(out, "VECTOR")],
                         [("ims-eq", "5")] * 2)
        self.assertEqual(sorted(v["USERS"] for v in rows(out, "VECTOR")), ["1", "2"])

    def test_places(self):
        out = self.good("pool create p 0", "pool get p any", "pool get p near", "pool get p node 0",
                        "pool get p lcore 6 exclusive", "pool get p any exclusive")
        self.assertRegex(out, r"vector \d: exclusive, slot \d+ of \S+, eventfd, lcore 6\n")

    def test_put_and_use_again(self):
        out = self.good("pool create p 0", "pool get p lcore 1", "pool get p lcore 1",
                        "pool put p 0", "pool put p 0", "show vector all", "pool get p lcore 1",
                        "pool put p 0", "pool destroy p", "show pool all")
        self.assertIn("vector 0: shared, slot 2 of msix, eventfd, lcore 1, 2 users\n", out)
        self.assertEqual(rows(out, "POOL"), [])

    def test_special_and_dedicated(self):
        out = self.good("pool create p 0", "pool special p 0", "pool dedicated p",
                        "queue create 0 vec 1", "queue start 0 0 copy rate 200",
                        until("show pool p", fn=at_least(11, "EVENTS", row=1)),
                        "queue stop 0 all", "queue destroy 0 all", "pool put p 1",
                        "pool put p 0", "pool destroy p")
        special, dedicated = rows(out, "VECTOR")
        self.assertEqual((special["KIND"], special["SLOT"]), ("special", "0"))
        self.assertEqual((dedicated["KIND"], dedicated["LCORE"]), ("dedicated", "-"))

    def test_lcores_come_and_go(self):
        out = self.good("pool create p 0", "pool get p lcore 1", "pool get p lcore 5",
                        "pool lcore del p 1", "pool lcore del p 6", "show pool p",
                        "pool lcore add p 1", "pool lcore add p 6", "pool rebalance p",
                        "show vector all")
        self.assertEqual(re.findall(r"^(\d) vectors? moved$", out, re.M), ["1", "0", "1"])
        self.assertEqual({v["LCORE"] for v in rows(out, "VECTOR")}, {"5"})
        self.assertEqual(len({v["LCORE"] for v in rows(out, "ID")}), 2)

    def test_counts_events(self):
        """Vectors of a pool are like any other: a timer raises one, and its object counts."""
        out = self.good("pool create p 0", "pool get p lcore 6", "timer start 0 1 1ms periodic vec 0",
                        until("show stats 0", fn=at_least(10, "EVENTS")), "move 0 lcore 5",
                        until("show stats 0", fn=grows(10, "EVENTS")), "timer stop 0 1",
                        "pool put p 0", dev=TIMER)
        self.assertIn("timer 1 expired", out)

    def test_main_lcore_only(self):
        r = pipe("pool create p 0", "pool get p", "queue create 0 pool p count 10",
                 "start queue 0 all nop",
                 until("sleep 20ms", "show pool p", fn=at_least(1, "EVENTS")), "stop queue 0 all",
                 dev=DEV, lcore_list=tool.lcores().split(",")[0])
        self.assertEqual((r.code, r.err), (0, []))

    def test_closing_the_device_takes_all(self):
        out = self.good("pool create p 0", "pool get p", "pool get p", "pool special p 0",
                        "pool dedicated p", "queue create 0 pool p count 5", "queue start 0 all nop",
                        "dev close 0", "show pool all", "show vector all", f"dev open {DEV}",
                        "pool create p 0", "pool get p")
        self.assertIn("vector 0: shared", out.split("dev open")[1])

    def test_bad_input(self):
        p = "pool create p 0"
        for text, errno, *commands in (
            ("no device 3", "ENODEV", "pool create p 3"),
            ("a pool p already", "EEXIST", p, p),
            ("1 to 65535", "EINVAL", p + " per-lcore 0"),
            ("up to 127 characters", "ENAMETOOLONG", f"pool create {'x' * 128} 0"),
            ("there is none, see pool create", "ENOENT", "pool destroy p"),
            ("no pool q: see show pool all", "ENOENT", p, "pool get q"),
            ("2 users of pool p", "EBUSY", p, "pool get p", "pool get p", "pool destroy p"),
            ("lcore 7 has no wait set", "ENOENT", p, "pool get p lcore 7"),
            ("lcore 5 is not in pool p", "ENOENT", p, "pool lcore del p 5", "pool get p lcore 5"),
            ("no lcore of pool p fits", "ENOENT", p, "pool lcore del p 1", "pool lcore del p 5",
             "pool lcore del p 6", "pool get p"),
            ("vector 0 is not of pool p", "EINVAL", p, "vec alloc 0 any", "pool put p 0"),
            ("no vector 9", "ENOENT", p, "pool get p", "pool put p 9"),
            ("only queues use vector 0", "EBUSY", p, "queue create 0 pool p", "pool put p 0"),
            ("is of pool p, see pool put", "EBUSY", p, "pool get p", "vec free 0"),
            ("index 2 of", "ERANGE", p, "pool special p 2"),
            ("special index 1 of", "EBUSY", p, "pool special p 1"),
            ("special index 0 of", "EBUSY", p, "pool special p 0", "pool special p 0"),
            ("lcore 1 is in pool p", "EEXIST", p, "pool lcore add p 1"),
            ("lcore 1 is not in pool p", "ENOENT", p, "pool lcore del p 1", "pool lcore del p 1"),
            ("lcore 6 is the last one", "EBUSY", p, "pool lcore del p 1", "pool lcore del p 5",
             "pool get p", "pool lcore del p 6"),
            ("lcore 9 has no wait set", "ENOENT", p, "pool lcore add p 9"),
            ("lcore 5 is not in pool p", "ENOENT", p, "pool get p lcore 1", "pool lcore del p 5",
             "move 0 lcore 5"),
            ("vector 0 is dedicated", "EINVAL", p, "pool dedicated p", "move 0 lcore 5"),
            ("queue 0 of", "EBUSY", p, "pool dedicated p", "queue create 0 vec 0", "pool put p 0"),
        ):
            self.bad(text, errno, *commands)
        self.bad("no MSI-X that could stand behind", "EOPNOTSUPP", p, "pool dedicated p",
                 dev=DEV + ",msix=0")
        self.bad("no vector of", "ENOSPC", p, *["pool get p exclusive"] * 3,
                 dev=DEV + ",msix=4,ims=0")

    def test_no_vector_left_is_shared(self):
        out = self.good("pool create p 0", *["pool get p"] * 3, "show pool p",
                        dev=DEV + ",msix=3,ims=0")
        self.assertEqual(rows(out, "POOL")[0]["SHORT"], "2")

    def test_syntax(self):
        self.syntax("pool: expected create, destroy, get, ", "pool")
        self.syntax("not 'all'", "pool create all 0")
        self.syntax("not 'x'", "pool get p lcore x")
        self.syntax("usage: pool special POOL INDEX", "pool special p x")
        self.syntax("usage: move VEC lcore LCORE", "move 0 5")


class Queues(Case):
    @staticmethod
    def all_busy(text):
        *queues, total = [int(q["COMPLETED"]) for q in rows(text, "DEV")]
        return min(queues) > 0 and total > 1000

    def test_busy_on_shared_vectors(self):
        for dev in VARIANTS:
            for delivery in "memory", "eventfd":
                with self.subTest(dev=dev, delivery=delivery):
                    out = self.good(f"pool create p 0 {delivery}",
                                    "queue create 0 pool p count 100", "queue start 0 all nop",
                                    until("show queue all", fn=self.all_busy), "queue stop 0 all",
                                    "show queue all", "show eq 0", dev=dev)
                    out = out[out.index("queue stop"):] + out[:out.index("queue start")]
                    self.assertIn("queues 0-99: on 3 vectors\n", out)
                    m = re.search(r"100 queues stopped: (\d+) operations completed, 0 errors", out)
                    self.assertGreater(int(m.group(1)), 1000)
                    queues = rows(out, "DEV")
                    self.assertEqual(len(queues), 101)
                    for q in queues:
                        self.assertEqual(q["SUBMITTED"], q["COMPLETED"])
                        self.assertGreater(int(q["COMPLETED"]), 0)
                    self.assertEqual(queues[100]["COMPLETED"], m.group(1))
                    eqs = rows(out, "EQ")
                    self.assertEqual(sum(int(e["QUEUES"]) for e in eqs), 100)
                    for e in eqs:
                        self.assertGreater(int(e["TAKEN"]), 0)

    def test_operations(self):
        out = self.good("queue create 0 count 4", "queue start 0 0 nop", "queue start 0 1 copy",
                        "queue start 0 2 fill", "queue start 0 3 crc32c", "sleep 0.2",
                        "show queue 0", "queue stop 0 all")
        self.assertEqual([q["OP"] for q in rows(out, "DEV")[:4]], ["nop", "copy", "fill", "crc32c"])
        self.assertIn(", 0 errors\n", out)

    def test_rate(self):
        def twenty(text):
            return min(int(q["COMPLETED"]) for q in rows(text, "DEV")[:20]) >= 20

        start = time.monotonic()
        out = self.good("pool create p 0", "queue create 0 pool p count 10", "queue create 0 count 10",
                        "queue start 0 all nop rate 100", "sleep 1", until("show queue 0", fn=twenty),
                        "queue stop 0 all")
        most = 100 * (time.monotonic() - start) + 50
        for q in rows(out, "DEV")[:20]:
            self.assertLessEqual(int(q["COMPLETED"]), most)

    def test_first_32_and_the_sum(self):
        out = self.good("queue create 0 count 40", "show queue 0", "show queue all")
        few, everything = out.split(PROMPT)[2:]
        self.assertEqual(len(rows(few, "DEV")), 33)
        self.assertIn("The first 32 of 40: show queue all lists them all.\n", few)
        self.assertEqual(len(rows(everything, "DEV")), 41)

    def test_lists(self):
        out = self.good("queue create 0 count 20", "queue start 0 0-4,7,19 nop",
                        "queue stop 0 0-10", "queue destroy 0 0-18", "show queue 0")
        self.assertIn("7 queues started\n", out)
        self.assertIn("11 queues stopped: ", out)
        self.assertEqual([q["QUEUE"] for q in rows(out, "DEV")], ["19"])

    def test_moves_while_busy(self):
        moves = []
        for _ in range(5):
            moves += ["move 0 lcore 5", "move 0 lcore 6", "move 1 lcore 1", "move 1 lcore 5"]
        out = self.good("pool create p 0", "pool create m 0 memory", "queue create 0 pool p lcore 1",
                        "queue create 0 pool m lcore 6 count 3", "queue create 0 pool m lcore 6",
                        "queue start 0 0-2 copy", "queue start 0 3-4 nop rate 1000", *moves,
                        "pool lcore del m 5", "pool rebalance m", "dev reset 0", "sleep 0.1",
                        "clear stats all",
                        until("show stats all",
                              fn=lambda t: min(int(v["EVENTS"]) for v in rows(t, "VECTOR")) > 5),
                        "queue stop 0 all")
        self.assertIn("5 queues stopped: ", out)

    def test_own_message(self):
        out = self.good("vec alloc 0 any store ims-queue", "queue create 0 vec 0",
                        "queue start 0 all nop rate 1000",
                        until("show vector 0", fn=at_least(21, "EVENTS", "ID")), "queue stop 0 all",
                        "queue destroy 0 all", "vec free 0")
        self.assertIn("1 queue stopped: ", out)

    def test_any_depth(self):
        """As bench queue: operations at a time, no matter how long a ring that takes."""
        out = self.good(*(f"queue create 0 depth {d}" for d in (1, 3, 32768)),
                        "queue start 0 0-1 nop",
                        until("show queue 0", fn=at_least(1, "COMPLETED", "DEV")), "queue stop 0 all")
        queues = rows(out, "DEV")
        self.assertEqual([q["DEPTH"] for q in queues[:3]], ["1", "3", "32768"])
        self.assertTrue(all(int(q["PENDING"]) <= int(q["DEPTH"]) for q in queues[:3]))

    def test_by_number(self):
        """Busy or not, and whichever came first."""
        out = self.good("queue create 0 count 16380", "queue destroy 0 0-16370",
                        "queue create 0 count 10", "queue start 0 3,16378 nop rate 100",
                        "show queue all", dev=DEV)
        numbers = [int(q["QUEUE"]) for q in rows(out, "DEV")[:-1]]
        self.assertEqual(len(numbers), 19)
        self.assertEqual(numbers, sorted(numbers))
        self.assertEqual(numbers[0], 0)

    def test_subdevs(self):
        out = self.good("subdev add 0 vf0 vecs 4", "subdev add 0 vf1",
                        "vec alloc 0 any store ims-eq table vf0", "pool create p 0",
                        "queue create 0 pool p subdev vf0", "queue create 0 vec 0 subdev vf0",
                        "queue create 0 pool p subdev vf1",
                        "show queue 0", "show table all", "queue start 0 all crc32c", "sleep 50ms",
                        "queue stop 0 all", "queue destroy 0 all", "subdev del 0 vf0",
                        "show vector all", "subdev del 0 vf1")
        self.assertEqual([q["SUBDEV"] for q in rows(out, "DEV")[:3]], ["vf0", "vf0", "vf1"])
        tables = {t["TABLE"]: (t["SIZE"], t["USED"])
                  for t in rows(out[out.index("show table"):], "DEV")}
        self.assertEqual((tables["vf0"], tables["vf1"]), (("4", "1"), ("1", "0")))
        self.assertEqual([v for v in rows(out, "ID") if v["NAME"].startswith("ims-eq")], [])

    def test_all_the_queues_there_are(self):
        dev = DEV + ",queues=300"
        out = self.good("pool create p 0", "queue create 0 pool p count 300 depth 2", "show eq 0",
                        dev=dev)
        self.assertIn("300 of 300 queues", out)
        self.bad("no queue of", "ENOSPC", "queue create 0 count 299", "queue create 0 count 2",
                 dev=dev)
        # All or none of them.
        r = lines("queue create 0 count 299", "queue create 0 count 1", dev=dev)
        self.assertEqual(r.code, 0)

    def test_bad_input(self):
        p, q = "pool create p 0", "queue create 0"
        for text, errno, *commands in (
            ("no device 1", "ENODEV", "queue create 1"),
            ("1 to 32768 operations at a time", "EINVAL", q + " depth 0"),
            ("1 to 32768 operations at a time", "EINVAL", q + " depth 32769"),
            ("table x of emu:queue_dev is full: it has room for 1 vector", "ENOSPC", "subdev add 0 x",
             "vec alloc 0 any table x", "vec alloc 0 any table x"),
            ("has 1 to 16384 queues", "EINVAL", q + " count 0"),
            ("has 1 to 16384 queues", "EINVAL", q + " count 16385"),
            ("no memory for a queue of depth 32768", "ENOMEM", q + " depth 32768 count 100"),
            ("no pool p", "ENOENT", q + " pool p"),
            ("lcore 9 has no wait set", "ENOENT", q + " lcore 9"),
            ("has no sub-device x", "ENOENT", q + " subdev x"),
            ("no vector 4: none is allocated", "ENOENT", q + " vec 4"),
            ("which is there", "EBUSY", "vec alloc 0 any store ims-queue", q + " vec 0",
             q + " vec 0"),
            ("has no queues: see queue create", "ENOENT", "queue start 0 all nop"),
            ("has no queue 5: see show queue 0", "ENOENT", q, "queue start 0 5 nop"),
            ("1 to 1000000000 operations", "EINVAL", q, "queue start 0 0 nop rate 0"),
            ("has no queue 7-9", "ENOENT", q, "queue stop 0 7-9"),
            ("has no queues", "ENOENT", "queue destroy 0 all"),
            ("no device 2", "ENODEV", "show queue 2"),
            ("no device 2", "ENODEV", "show eq 2"),
            ("has a sub-device x already", "EEXIST", "subdev add 0 x", "subdev add 0 x"),
            ("1 to 65536 vectors", "EINVAL", "subdev add 0 x vecs 0"),
            ("has no sub-device y", "ENOENT", "subdev add 0 x", "subdev del 0 y"),
            ("x has 1 queue, see queue destroy", "EBUSY", "subdev add 0 x", q + " subdev x",
             "subdev del 0 x"),
            ("vector 0 is in the table of a sub-device", "EXDEV", "subdev add 0 x",
             "vec alloc 0 any table x", q + " vec 0"),
            ("vector 0 is in the table of another sub-device", "EXDEV", "subdev add 0 x",
             "subdev add 0 y", "vec alloc 0 any table x", q + " vec 0 subdev y"),
            ("queue 0 of", "EBUSY", "vec alloc 0 any", q + " vec 0", "vec free 0"),
            ("no store nowhere", "ENOENT", "vec alloc 0 any store nowhere"),
            ("no table nowhere", "ENOENT", "vec alloc 0 any table nowhere"),
            ("1 user of pool p", "EBUSY", p, q + " pool p", "pool destroy p"),
            ("pool p is not of", "EINVAL", p, f"dev open {TIMER}", f"dev open {DEV},queues=8",
             "queue create 2 pool p"),
            ("vector 0 is not of", "EINVAL", "vec alloc 0 any", f"dev open {DEV},queues=8",
             "queue create 1 vec 0"),
        ):
            self.bad(text, errno, *commands)
        for line in ("queue create 0", "queue start 0 all nop", "queue stop 0 all", "queue destroy 0 1",
                     "show eq 0", "subdev add 0 x", "subdev del 0 x", "bench queue 0 1 nop 1 1"):
            self.bad("is not a queue_dev device", "ENODEV", line, dev=TIMER)

    def test_syntax(self):
        self.syntax("not 'mop'", "queue start 0 all mop")
        self.syntax("not '3-1'", "queue start 0 3-1 nop")
        self.syntax("not '1,'", "queue destroy 0 1,")
        self.syntax("numbers of queues: 3, 0-99 or 0-9,20", "queue stop 0 x")
        self.syntax("usage: subdev add DEV NAME [vecs N]", "subdev add 0 x vecs y")


class Waits(Case):
    def test_vector_delivery(self):
        works = [until("show queue 0", fn=grows(80, "COMPLETED", "DEV")) for _ in range(2)]
        start = time.monotonic()
        out = self.good("pool create p 0", "queue create 0 pool p", "queue start 0 all nop rate 2000",
                        "show vector 0", "vec delivery 0 memory", "show vector 0", works[0],
                        "vec delivery 0 eventfd", "show vector 0", works[1], "queue stop 0 all")
        took = time.monotonic() - start
        tables = [rows(part, "ID")[0] for part in out.split("show vector 0")[1:]]
        self.assertEqual([t["DELIVERY"] for t in tables], ["eventfd", "memory", "eventfd"])
        # An MSI-X vector's message to an eventfd is not the library's.
        self.assertEqual((tables[0]["ADDRESS"], tables[0]["DATA"]), ("-", "-"))
        self.assertRegex(tables[1]["ADDRESS"], "^0x[0-9a-f]+$")
        self.assertEqual(tables[0]["DEMUX"], "event queue")
        done = int(re.search(r"1 queue stopped: (\d+) operations", out).group(1))
        self.assertTrue(160 <= done <= 2000 * took + 100, (done, took))

    def test_every_object(self):
        out = self.good("vec alloc 0 any", "show vector 0")
        vec = rows(out, "ID")[0]
        self.assertEqual((vec["DEMUX"], vec["OBJECTS"]), ("every object", "1"))

    def test_policies(self):
        lines = ["pool create p 0", "queue create 0 pool p count 4", "queue start 0 all nop rate 500"]
        policies = ("poll", "interrupt", "adaptive", "adaptive min 1us max 2us gap 3us", "manual")
        # Who polls does so often, who sleeps does so long.
        does = {"poll": at_least(1001, "POLLS", "WAIT"), "interrupt": grows(15, "ASLEEP_MS", "WAIT")}
        for policy in policies:
            lines += [f"wait policy all {policy}", "sleep 50ms",
                      until("show wait all", fn=does.get(policy, bool)), "show vector 0"]
        out = self.good(*lines, "queue stop 0 all")
        self.assertNotIn("is gone", out)
        parts = out.split("show wait all")[1:]
        for policy, part in zip(policies, parts):
            for wait in rows(part, "WAIT"):
                self.assertEqual(wait["POLICY"], policy.split()[0])
                self.assertGreaterEqual(int(wait["EVENTS"]), int(wait["SPURIOUS"]))
        self.assertEqual(rows(parts[0], "ID")[0]["DELIVERY"], "memory")
        self.assertEqual(rows(parts[1], "ID")[0]["DELIVERY"], "eventfd")
        self.assertRegex(out, r"4 queues stopped: [1-9]\d* operations completed, 0 errors")

    def test_one_set(self):
        out = self.good("wait policy 5 interrupt", "show wait all")
        self.assertEqual({w["LCORE"]: w["POLICY"] for w in rows(out, "WAIT")},
                         {"1": "manual", "5": "interrupt", "6": "manual"})

    def test_what_cannot_be(self):
        self.bad("longest time is not shorter", "EINVAL", "wait policy all adaptive min 10us max 1us")
        self.bad("up to 4s", "EINVAL", "wait policy all adaptive gap 10s")
        self.bad("lcore 9 has no wait set", "ENOENT", "wait policy 9 poll")
        self.bad("vector 0 is dedicated", "EINVAL", "pool create p 0", "pool dedicated p",
                 "vec delivery 0 memory")
        self.syntax("expected manual|poll|interrupt, adaptive", "wait policy all lazy")


class Topology(Case):
    def test_lcores(self):
        def all_work(text):
            cpus = [c for c in rows(text, "CPU") if c["LCORE"] in ("1", "5", "6")]
            return all(int(c["PER_S"]) > 0 and float(c["LOAD_%"]) > 0 for c in cpus)

        out = self.good("pool create p 0", "queue create 0 pool p count 30", "show topology",
                        "queue start 0 all nop rate 100",
                        until("sleep 0.3", "show topology", fn=all_work))
        cpus = {c["LCORE"]: c for c in rows(out.split("sleep")[1], "CPU")}
        self.assertEqual(cpus["0"]["ROLE"], "main")
        for lcore in "1", "5", "6":
            self.assertEqual((cpus[lcore]["ROLE"], cpus[lcore]["WAIT"]), ("worker", "lcore" + lcore))
        self.assertEqual(sum(int(cpus[lc]["USERS"]) for lc in ("1", "5", "6")), 30)

    def test_larger_machine(self):
        env = dict(os.environ, HWLOC_SYNTHETIC="node:2 core:40 pu:2")
        out = self.good("show topology", env=env)
        nodes = rows(out, "NODE")
        self.assertEqual([(n["NODE"], n["CORES"], n["CPUS"]) for n in nodes],
                         [("0", "40", "0-79"), ("1", "40", "80-159")])
        self.assertEqual(nodes[1]["DISTANCES"].split(), ["20", "10"])
        self.assertIn("more CPUs are on cores without lcores.", out)
        self.assertEqual({c["SIBLINGS"] for c in rows(out, "CPU") if c["CPU"] == "0"}, {"1"})


class Bench(Case):
    def test_counts_and_json(self):
        path = os.path.join(tool.work, "queue.json").replace(" ", "")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        for dev in VARIANTS:
            with self.subTest(dev=dev):
                out = self.good(f"bench queue 0 50 nop 4 0.2 json {path}", "show pool all",
                                "show table all", dev=dev)
                with open(path) as f:
                    numbers = json.load(f)
                os.unlink(path)
                for key in "memory", "eventfd":
                    self.assertEqual(numbers[f"queue_{key}_lost"], 0)
                    self.assertEqual(numbers[f"queue_{key}_failed"], 0)
                    for what in ("ops_per_s", "events_per_s", "p50_ns", "p99_ns", "p999_ns"):
                        self.assertGreater(numbers[f"queue_{key}_{what}"], 0)
                    self.assertGreaterEqual(numbers[f"queue_{key}_ops_per_event"], 1)
                # Nothing is left of it.
                self.assertEqual(rows(out, "POOL"), [])
                self.assertEqual({t["TABLE"] for t in rows(out, "DEV")}, {"device", "queue_dev"})

    def test_operations_and_main_lcore_only(self):
        for op in "copy", "fill", "crc32c":
            r = pipe(f"bench queue 0 8 {op} 3 0.1", dev=DEV,
                     lcore_list=tool.lcores().split(",")[0])
            self.assertEqual((r.code, r.err), (0, []), r.out)
            self.assertEqual([b["LOST"] for b in rows(r.out, "DELIVERY")], ["0", "0"])

    def test_other_queues_stay(self):
        out = self.good("queue create 0 count 5", "bench queue 0 10 nop 1 0.1", "queue start 0 all nop",
                        "sleep 50ms", "queue stop 0 all")
        self.assertIn("5 queues stopped: ", out)

    def test_refused(self):
        for text, errno, *commands in (
            ("has 1 to 16384 queues", "EINVAL", "bench queue 0 0 nop 1 1"),
            ("has 1 to 16384 queues", "EINVAL", "bench queue 0 16385 nop 1 1"),
            ("1 to 32768 operations", "EINVAL", "bench queue 0 1 nop 0 1"),
            ("up to 86400 seconds", "EINVAL", "bench queue 0 1 nop 1 0"),
            ("see queue stop", "EBUSY", "queue create 0", "queue start 0 all nop",
             "bench queue 0 1 nop 1 1"),
            ("no memory for 16384 queues of depth 64", "ENOMEM", "bench queue 0 16384 nop 64 1"),
            ("/nonexistent/x", "ENOENT", "bench queue 0 1 nop 1 0.1 json /nonexistent/x"),
        ):
            self.bad(text, errno, *commands)
        self.bad("has 4 queues left", "ENOSPC", "queue create 0 count 60", "bench queue 0 5 nop 1 1",
                 dev=DEV + ",queues=64")
        self.syntax("not 'mop'", "bench queue 0 1 mop 1 1")


class Screen(unittest.TestCase):
    """At a terminal."""

    def setUp(self):
        self.t = Terminal("--dev", DEV, lcore_list=tool.four_lcores())
        self.t.prompt()

    def tearDown(self):
        self.t.type(CTRL_C + "quit\r")
        self.assertEqual(self.t.close(), 0)

    def choices(self, line):
        self.t.type(line + TAB)
        out = self.t.expect(re.escape(PROMPT + line) + "$")
        self.t.type(CTRL_C)
        self.t.prompt()
        return re.findall(r"(?m)^ (\S+)", out)

    def test_completes(self):
        self.t.command("pool create shared 0")
        self.t.type("pool get sh" + TAB)
        self.t.expect("pool get shared ")
        self.t.type("lc" + TAB + "5\r")
        self.assertIn("lcore 5, 1 user", self.t.prompt())
        self.t.command("subdev add 0 vf0")
        self.t.command("subdev add 0 vf1")
        self.assertEqual(self.choices("queue create 0 subdev ")[:2], ["vf0", "vf1"])
        self.assertEqual(self.choices("queue start 0 all "), ["nop", "copy", "fill", "crc32c"])
        self.assertEqual(self.choices("pool lcore add shared ")[:3], ["1", "5", "6"])
        self.assertEqual(self.choices("queue create 0 "),
                         ["depth", "pool", "lcore", "subdev", "count", "vec", "[RETURN]"])
        self.assertEqual(self.choices("vec alloc 0 any store ")[:3], ["msix", "ims-eq", "ims-queue"])
        self.assertIn("vf0", self.choices("vec alloc 0 any table "))
        self.assertEqual(self.choices("pool get shared "),
                         ["exclusive", "any", "near", "lcore", "node", "[RETURN]"])

    def test_ctrl_c_ends_a_bench(self):
        for when in 0.1, 0.5, 2.5:
            with self.subTest(when=when):
                self.t.type("bench queue 0 1000 nop 8 600\r")
                self.t.expect("600\n")
                time.sleep(when)
                self.t.interrupt(r"bench queue: interrupted \(EINTR\)\n")
                self.t.prompt()
        self.assertEqual(tool.rows(self.t.command("show store all"), "DEV")[1]["USED"], "1")
        self.t.command("queue create 0 count 10")
        self.t.command("queue start 0 all nop")
        self.assertIn("0 errors", self.t.command("queue stop 0 all"))

    def test_bench_shows_progress(self):
        self.t.type("bench queue 0 10 nop 8 1\r")
        self.t.expect(r"\rmemory, polled: \d\.\d s, \d+ completions")
        self.t.expect(r"\reventfd, slept on: \d\.\d s, \d+ completions")
        self.t.prompt()

    def test_killed_device(self):
        for during in "bench queue 0 100 nop 8 60", "sleep 0.3":
            with self.subTest(during=during):
                before = tool.resources(self.t.pid)
                self.t.command("pool create p 0 memory")
                self.t.command("queue create 0 pool p count 100")
                self.t.command("queue create 0 count 10")
                if during.startswith("sleep"):
                    self.t.command("queue start 0 all nop")
                self.t.type(during + "\r")
                time.sleep(1)
                (child,) = tool.children(self.t.pid)
                os.kill(child, signal.SIGKILL)
                self.t.expect("is gone")
                self.t.prompt()
                self.assertIn("(ENODEV)", self.t.command("queue start 0 0 copy"))
                self.assertIn("(ENODEV)", self.t.command("queue stop 0 all"))
                self.assertIn("(ENODEV)", self.t.command("bench queue 0 1 nop 1 1"))
                self.t.command("show queue 0")
                self.t.command("show eq 0")
                self.t.command("show pool p")
                self.assertEqual(self.t.command("queue destroy 0 0-50"), "")
                self.assertEqual(self.t.command("dev close 0"), "")
                self.t.command(f"dev open {DEV}")
                tool.same_resources(self, self.t.pid, before)

    def test_ctrl_c_during_creation(self):
        self.t.type("queue create 0 count 16384 depth 2\r")
        self.t.expect("depth 2\n")
        time.sleep(0.05)
        self.t.type(CTRL_C)
        out = self.t.prompt()
        if "interrupted (EINTR)" in out:
            self.assertNotIn("sum", self.t.command("show queue 0"))


if __name__ == "__main__":
    tool.main()
