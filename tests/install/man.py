#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors

"""A man page describes each option and parameter that the program's --help has, and no other.

man.py PAGE PROGRAM [ARG...]"""

import re
import subprocess
import sys

OPTION = r"(?<![\w-])(-\w|--[a-z][a-z-]+)"  # -h, --help
KEY = r"^  ([a-z_]+)="  # a model's: timers=N
WORD = r"^  ([a-z]+) {2,}"  # a subject of ims-bench


def of_help(text):
    # What is before "--" are EAL's.
    text = "\n".join(line.split(" -- ")[-1] for line in text.splitlines())
    return {name for rule in (OPTION, KEY, WORD) for name in re.findall(rule, text, re.M)}


def of_page(text):
    """A name is what a tagged paragraph begins with."""
    names = set()
    for tag in re.findall(r"^\.TP\n\.[BIR]+ (.*)$", text, re.M):
        tag = tag.replace("\\-", "-")
        if tag.startswith("-"):
            names |= set(re.findall(OPTION, tag))
        else:
            names.add(re.match(r"\w+", tag)[0])
    return names


page = open(sys.argv[1]).read()
help_text = subprocess.run(sys.argv[2:] + ["--help"], check=True, capture_output=True, text=True).stdout
documented = of_page(re.sub(r"^\.SH (DEVICES|ENVIRONMENT)\n.*?(?=^\.SH)", "", page, flags=re.S | re.M))
offered = of_help(help_text)
for name in sorted(offered - documented):
    print("not in the page:", name)
for name in sorted(documented - offered):
    print("not in the help:", name)
# A help that lists nothing would agree with an empty page.
print(len(offered), "offered,", len(documented), "documented")
sys.exit(documented != offered or not offered)
