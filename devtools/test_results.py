#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors

"""What meson's test logs say.

test_results.py again LOG
    the tests that failed and may be run again alone, a line each
test_results.py sum LOG [LOG ...]
    how many tests passed, failed and were skipped; exit 1 unless all is well

For x.json, x-again.json is the log of those that were run again (for x-wrapper.json, x-again-wrapper.json). A test that passed each time then is
"unsteady": named, and counted as passed. What a sanitizer or valgrind reported is never run again.
"""

import json
import os
import re
import sys

GOOD = ("OK", "EXPECTEDFAIL")
VALGRIND = 99
SANITIZER = re.compile(r"(Thread|Address|Leak|UndefinedBehavior)Sanitizer|runtime error:")


def read(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def short(name):
    return name.split(" / ")[-1]


def failed(test):
    return test["result"] not in GOOD + ("SKIP",)


def excusable(test):
    said = test.get("stdout", "") + test.get("stderr", "")
    return failed(test) and test.get("returncode") != VALGRIND and not SANITIZER.search(said)


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
    runs = read(path)
    return {short(r["name"]) for r in runs} - {short(r["name"]) for r in runs if r["result"] not in GOOD}


def total(paths):
    passed = bad = skipped = 0
    for path in paths:
        alone = steady_alone(path)
        for test in read(path):
            if test["result"] == "SKIP":
                skipped += 1
                print("skipped:", test["name"])
            elif not failed(test):
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
