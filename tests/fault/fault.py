#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# fault.py [--full] EXCUSED PROGRAM LIBRARY...: run a program of faults, and see that it has come to each place of the
# libraries that makes a call which can fail, and that the call has failed there with each of its errors.
#
# The places are read from the machine code: each call through the procedure linkage table, by the line of
# the source that it is on. One line in several places, inlined or unrolled, is one. What cannot fail is in
# never_fails.txt, what a test elsewhere sees to, or none can, in the file EXCUSED, each with the reason; a function
# in neither and without a wrapper in fault_wrap.c, a call on no line that is known, a place not come to, and an
# excuse for none, is a failure.

import collections
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.realpath(__file__))
root = os.path.dirname(os.path.dirname(here))
Place = collections.namedtuple("Place", "function file line caller")


def base_name(path):
    return re.sub(r"\.so\b.*", ".so", os.path.basename(path))


def defined(path):
    """The functions that other libraries, or the program's, can call."""
    out = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True).stdout
    return {line.split()[-1].split("@")[0] for line in out.splitlines()}


def lines_of(name):
    for line in open(f"{here}/{name}"):
        if line.strip() and not line.startswith("#"):
            yield line.split()


def source_of(library, addresses):
    """The place in the project's own source that an instruction was made of, by its address."""
    text = "".join(f"{a - 1:#x}\n" for a in addresses)
    out = subprocess.run(
        ["addr2line", "-a", "-f", "-i", "-e", library], input=text, capture_output=True, text=True
    ).stdout
    frames, places = [], {}
    for line in out.splitlines() + ["0x0"]:
        if not line.startswith("0x"):
            frames.append(line)
            continue
        if frames:
            # Inlined functions of libc's headers come first.
            pairs = list(zip(frames[1::2], frames[2::2]))
            for function, where in pairs:
                path, number = where.split(" ")[0].rsplit(":", 1)
                path = os.path.relpath(os.path.realpath(path), root)
                if path.split("/")[0] in ("lib", "drivers", "devices"):
                    places[frames[0]] = (path, int(number) if number.isdigit() else 0, function)
                    break
        frames = [int(line, 16) + 1]
    return places


def calls_of(library):
    """(return address, function, is a jump) of each call of another library's function."""
    code = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", library], capture_output=True, text=True, check=True
    ).stdout
    found, last = [], None
    for line in code.splitlines():
        m = re.match(r"\s+([0-9a-f]+):\s+(\S+)(.*)", line)
        if m is None:
            continue
        if last:
            found.append((int(m[1], 16), *last))
            last = None
        # x86's call and jmp, Arm's bl and b. Entries of the table itself have no name with @plt in them.
        target = re.search(r"<(\w+)@plt>", m[3])
        if target and m[2] in ("call", "callq", "jmp", "jmpq", "bl", "b"):
            last = (target[1], m[2] in ("jmp", "jmpq", "b"))
    return found


class Judge:
    def __init__(self, excused, libraries):
        self.never = {w[0] for w in lines_of("never_fails.txt")}
        self.excuses = [w for w in lines_of(excused)]
        self.calls = {}  # (library, address, function): place
        self.jumps = {}  # (library, function): places
        self.own = set()
        self.nowhere = []  # calls that nobody can place
        for path in libraries:
            name = base_name(path)
            self.own |= defined(path)
            calls = calls_of(path)
            places = source_of(path, [c[0] for c in calls])
            for address, function, jump in calls:
                if self.cannot_fail(function):
                    continue
                if address not in places:
                    self.nowhere.append(f"{function}() at {name}+{address:#x}")
                    continue
                place = Place(function, *places[address])
                if jump:
                    self.jumps.setdefault((name, function), set()).add(place)
                else:
                    self.calls[(name, address, function)] = place

    def cannot_fail(self, function):
        return any(fnmatch.fnmatchcase(function, n) for n in self.never)

    def explain(self, line):
        """A message's "(librte_ims.so+0x1234)" by its place in the source."""

        def place(m):
            for (name, address, _), p in self.calls.items():
                if m[1].startswith(name) and address == int(m[2], 16):
                    return f"{p.file}:{p.line}, {p.caller}()"
            return m[0]

        return re.sub(r"(lib\w+\.so)\S*\+(0x[0-9a-f]+)", place, line)

    def judge(self, wrapped, report):
        """0: each place has been come to, and its call has failed."""
        places = set(self.calls.values()).union(*self.jumps.values())
        reached, failed = set(), set()
        # Jumps return to their callers' callers: so many of a function have been come to, and have failed.
        jumps_reached, jumps_failed = collections.Counter(), collections.Counter()
        for library, address, function, ways, failed_ways in report:
            place = self.calls.get((library, int(address, 16), function))
            has_failed = int(failed_ways) >= int(ways)
            if place is None:
                jumps_reached[(library, function)] += 1
                jumps_failed[(library, function)] += has_failed
                continue
            reached.add(place)
            if has_failed:
                failed.add(place)
        for key, jumps in self.jumps.items():
            if jumps_reached[key] >= len(jumps):
                reached |= jumps
            if jumps_failed[key] >= len(jumps):
                failed |= jumps
        bad = 0
        for call in self.nowhere:
            print(f"fault: {call} is on no line of the source that is known")
            bad = 1
        for function in sorted({p.function for p in places} - wrapped - self.own):
            print(f"fault: {function}() is called, and neither wrapped nor known to never fail")
            bad = 1
        places = {p for p in places if p.function in wrapped}
        excused = set()
        for excuse in self.excuses:
            hit = {p for p in places if fnmatch.fnmatchcase(p.function, excuse[0])}
            hit = {p for p in hit if fnmatch.fnmatchcase(f"{p.file}:{p.caller}", excuse[1].lstrip("?"))}
            if not hit or (not excuse[1].startswith("?") and hit <= failed):
                print("fault: an excuse for nothing:", " ".join(excuse))
                bad = 1
            excused |= hit - failed
        for p in sorted(places - failed - excused):
            done = "come to, and has not failed with each of its errors" if p in reached else "not come to"
            print(f"fault: {p.function}() in {p.file}:{p.line}, {p.caller}(): {done}")
            bad = 1
        print(f"{len(places)} calls in the source that can fail, {len(reached & places)} come to, "
              f"{len(excused)} excused")
        return bad


def main():
    args = sys.argv[1:]
    full = [a for a in args if a.startswith("--")]
    excused, program, *libraries = [a for a in args if not a.startswith("--")]
    missing = [tool for tool in ("objdump", "addr2line", "nm") if shutil.which(tool) is None]
    if missing:
        print("fault:", ", ".join(missing), "not found, which tell the calls there are: install the package binutils")
        return 1
    judge = Judge(excused, libraries)
    if not judge.calls:
        print("fault: no call found in the libraries' code that can fail")
        return 1
    with tempfile.NamedTemporaryFile("r") as report:
        env = dict(os.environ, FAULT_REPORT=report.name)
        run = subprocess.Popen([program] + full, env=env, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
        for line in run.stdout:
            print(judge.explain(line), end="", flush=True)
        rc = run.wait()
        if rc != 0:
            return rc if rc > 0 else 1
        return judge.judge(defined(program), [line.split() for line in report])


sys.exit(main())
