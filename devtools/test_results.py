#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors

"""What meson's test logs say.

test_results.py again LOG
    the tests that failed and may be run again alone, a line each
test_results.py sum LOG [LOG ...]
    how many tests passed, failed and were skipped; exit 1 unless all is well

For x.json, x-again.json is the log of those that were run again (for x-wrapper.json,
x-again-wrapper.json). A test that passed each time then is "unsteady": named, and counted as passed. A
crash, and what a sanitizer or valgrind reported, is never run again; a report is a failure also of a test
that passed.
"""

import collections
import json
import os
import re
import sys

GOOD = ("OK", "EXPECTEDFAIL")
AGAIN = 3  # as test.sh has it
VALGRIND = 99
REPORT = re.compile(
    r"(Thread|Address|Leak|UndefinedBehavior)Sanitizer|: runtime error:|^==\d+== ", re.MULTILINE
)


def read(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def short(name):
    return name.split(" / ")[-1]


def failed(test):
    return test["result"] not in GOOD + ("SKIP",)


def reported(test):
    said = test.get("stdout", "") + test.get("stderr", "")
    return test.get("returncode") == VALGRIND or REPORT.search(said) is not None


def excusable(test):
    """It missed its time, or an assertion failed: no crash, no report."""
    timely = test["result"] == "TIMEOUT" or 0 < test.get("returncode", 0) < 128
    return failed(test) and timely and not reported(test)


def again(path):
    for test in read(path):
        if excusable(test):
            print(short(test["name"]))


def steady_alone(path):
    """The tests that passed whenever they were run again."""
    folder, name = os.path.split(path)
    path = os.path.join(folder, re.sub(r"^\w+", r"\g<0>-again", name, count=1))
    if not os.path.exists(path):
        return set()
    passed = collections.Counter(short(r["name"]) for r in read(path) if r["result"] in GOOD)
    return {name for name, n in passed.items() if n == AGAIN}


def total(paths):
    passed = bad = skipped = 0
    for path in paths:
        if not os.path.exists(path):
            bad += 1
            print("not built, so not run:", path)
            continue
        alone = steady_alone(path)
        for test in read(path):
            if test["result"] == "SKIP":
                skipped += 1
                print("skipped:", test["name"])
            elif not failed(test) and not reported(test):
                passed += 1
            elif excusable(test) and short(test["name"]) in alone:
                passed += 1
                print("unsteady:", test["name"], test["result"], "beside others, passed alone")
            else:
                bad += 1
                print("failed:", test["name"], test["result"])
    print(f"{passed} passed, {bad} failed, {skipped} skipped")
    return 1 if bad or not passed else 0


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "again":
        again(sys.argv[2])
    elif len(sys.argv) >= 3 and sys.argv[1] == "sum":
        sys.exit(total(sys.argv[2:]))
    else:
        sys.exit(__doc__)


main()
