#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors

"""Every function that an installed header declares is exported, and nothing else is.

symbols.py LIBRARY HEADER..."""

import re
import subprocess
import sys

declared = set()
for path in sys.argv[2:]:
    text = re.sub(r"/\*.*?\*/", "", open(path).read(), flags=re.S)
    # A static inline function has a body and is not exported.
    text = re.sub(r"static inline.*?\n}\n", "", text, flags=re.S)
    declared |= set(re.findall(r"^((?:rte_)?(?:ims|pmd)_\w+)\(", text, flags=re.M))
out = subprocess.run(
    ["nm", "-D", "--defined-only", "--format=posix", sys.argv[1]],
    check=True,
    capture_output=True,
    text=True,
).stdout
exported = {line.split()[0].split("@")[0] for line in out.splitlines() if line.split()[1] in "TD"}
for name in sorted(declared - exported):
    print("declared, but not exported:", name)
for name in sorted(exported - declared):
    print("exported, but not declared:", name)
print(len(declared), "functions declared,", len(exported), "exported")
sys.exit(declared != exported or not declared)
