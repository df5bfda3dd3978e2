#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# promises.py ROOT: each test that the guide of promises names exists, and is run by its program.

import os
import re
import sys

root = sys.argv[1]
text = open(f"{root}/doc/guides/promises.rst").read()
bad = 0
named = 0


def complain(what):
    global bad
    print("promises:", what)
    bad = 1


def source(name):
    for path in (f"{root}/tests/{name}", f"{root}/tests/unit/{name}", f"{root}/tests/model/{name}"):
        if os.path.exists(path):
            return open(path).read()
    complain(f"no file {name}")
    return ""


current = None
for word in re.findall(r"``[\w/]+\.(?:c|pml)``|\btest_\w+", text):
    if word.startswith("``"):
        current = source(word.strip("`"))
        continue
    named += 1
    # Once where it is defined, once more in the table of tests.
    if len(re.findall(rf"\b{word}\b", current or "")) < 2:
        complain(f"{word} is not a test of the file named before it")
if named < 40:
    complain(f"only {named} tests are named")
for promise in re.findall(r"(?m)^([A-Z][^\n]*)\n   (?=\S)(.*?)\n(?=\S|\Z)", text + "\nend", re.S):
    if not re.search(r"test_\w+|\.pml|\.sh", promise[1]):
        complain(f"no test: {promise[0]}")
for script in re.findall(r"``(tests/[\w/]+\.sh)``", text):
    if not os.path.exists(f"{root}/{script}"):
        complain(f"no file {script}")
sys.exit(bad)
