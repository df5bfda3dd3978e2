#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors

"""Every block of code in the guides and in the README is compiled or run.

blocks.py [--list] SOURCE-DIR BUILD-DIR [FILE...]

c        compiled: a file if it has an #include, else the body of a function, see fragment.h
console  shell commands, or a session: lines after the prompt "ims-testpmd> " are given to
         ims-testpmd, with the options of a line "ims-testpmd ..." before them, else with
         those of SESSION. Lines without the prompt are output, and so are lines without "$ "
         where some have it.
none     a drawing

A block that cannot be checked here has its reason in the line before it, ".. unchecked: REASON"
(README: "<!-- unchecked: REASON -->"). Shell commands that would change the machine, or take what a
test has not, are known by UNRUN; that their files exist is checked all the same. Blocks that are
included come from programs that the build compiles; that what they take begins and ends somewhere is
Sphinx' to say."""

import collections
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile

PROMPT = "ims-testpmd> "
EAL = "--no-huge --no-pci --no-shconf --no-telemetry -m 128"
SESSION = "-l 0-2 -- --dev emu:queue_dev"

# Why a command is not run.
UNRUN = {
    "apt-get": "changes the machine",
    "chown": "takes a device",
    "devtools/bench.sh": "takes minutes",
    "devtools/check-abi.sh": "takes minutes",
    "devtools/check-deb.sh": "takes minutes",
    "devtools/check-dpdk.sh": "takes minutes",
    "devtools/demo.sh": "takes minutes",
    "devtools/guest-setup.sh": "takes the network",
    "devtools/test.sh": "takes minutes",
    "dpdk-devbind.py": "takes a device",
    "dpdk-telemetry.py": "is interactive",
    "git": "takes the network",
    "meson": "takes minutes",
    "modprobe": "takes a device",
    "ninja": "takes minutes",
    "ulimit": "changes the shell",
}

Block = collections.namedtuple("Block", "where kind text reason")


def rst_blocks(path, name):
    lines = open(path).read().split("\n")
    for i, line in enumerate(lines):
        m = re.match(r"( *)\.\. code-block:: *(\S*)", line)
        if not m:
            continue
        body = []
        for text in lines[i + 1 :]:
            if text.strip() and len(text) - len(text.lstrip()) <= len(m[1]):
                break
            body.append(text)
        while body and not body[0].strip() or body and re.match(r" +:\w+:", body[0]):
            body.pop(0)
        indent = min((len(text) - len(text.lstrip()) for text in body if text.strip()), default=0)
        text = "\n".join(text[indent:] for text in body).strip("\n") + "\n"
        above = "\n".join(lines[:i]).rstrip().rsplit("\n", 1)[-1]
        reason = re.match(r" *\.\. unchecked: (.+)", above)
        yield Block(f"{name}:{i + 1}", m[2], text, reason and reason[1])


def md_blocks(path, name):
    text = open(path).read()
    for m in re.finditer(r"(?:<!-- unchecked: (.+) -->\n)?^```(\w*)\n(.*?)^```$", text, re.S | re.M):
        yield Block(f"{name}:{text.count(chr(10), 0, m.start()) + 1}", m[2], m[3], m[1])


def subdirs(path):
    return sorted(entry.name for entry in os.scandir(path) if entry.is_dir())


def dpdk_cflags():
    return subprocess.run(
        ["pkg-config", "--cflags", "libdpdk"], check=True, capture_output=True, text=True
    ).stdout.split()


class Checker:
    def __init__(self, source, build):
        self.source, self.build = source, build
        self.counts = collections.Counter()
        self.failures = []
        libs = [f"{d}/{name}" for d in ("lib", "drivers") for name in subdirs(f"{source}/{d}")]
        self.cflags = [f"-I{source}/{d}" for d in libs + ["tests/doc"]] + dpdk_cflags()
        places = [f"{build}/{p}" for p in ("app/ims-testpmd", "app/ims-bench", "devices")]
        self.env = dict(
            os.environ,
            IMS_DEVSRV=f"{build}/devices/ims-devsrv",
            LD_LIBRARY_PATH=":".join(f"{build}/{d}" for d in libs),
            PATH=":".join(places + [os.environ["PATH"]]),
        )

    def fail(self, block, why):
        self.failures.append(f"{block.where}: {why}\n" + re.sub("^", "    ", block.text, flags=re.M))

    def check(self, block):
        if block.reason:
            self.counts[f"unchecked, {block.reason}"] += 1
        elif block.kind == "c":
            self.compile(block)
        elif block.kind in ("console", "sh"):
            self.shell(block)
        elif block.kind == "none":
            self.counts["drawings"] += 1
        else:
            self.fail(block, f"what language is '{block.kind}'? One of c, console, none")

    def compile(self, block):
        text = block.text
        if "#include" not in text:
            text = f'#include "fragment.h"\nint fragment(void)\n{{\n{text}\nreturn 0;\n}}\n'
        cc = shlex.split(os.environ.get("CC", "cc"))
        args = ["-std=gnu11", "-Wall", "-Werror", "-fsyntax-only", "-D_GNU_SOURCE", "-DALLOW_EXPERIMENTAL_API"]
        out = subprocess.run(
            cc + args + self.cflags + ["-x", "c", "-"], input=text, capture_output=True, text=True
        )
        if out.returncode:
            self.fail(block, "does not compile\n" + out.stderr)
        self.counts["compiled"] += 1

    def shell(self, block):
        lines = block.text.replace("\\\n", " ").split("\n")
        if any(line.startswith(PROMPT) for line in lines):
            return self.session(block, lines)
        if any(line.startswith("$ ") for line in lines):
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        if any(re.search(r"\[-|\[EAL", line) for line in lines):
            self.counts["synopses"] += 1
            return
        out = subprocess.run(["bash", "-n"], input="\n".join(lines), capture_output=True, text=True)
        if out.returncode:
            return self.fail(block, out.stderr)
        reason = self.unrun(block, lines)
        if reason:
            self.counts[f"not run, {reason}"] += 1
        elif reason is None:
            self.run(block, ["bash", "-ec", self.script(lines)])
            self.counts["run"] += 1

    def unrun(self, block, lines):
        """Why the block is not run; None: it is; False: it has failed."""
        reason = None
        for line in lines:
            words = line.split("#")[0].split()
            words = [w for w in words if not re.match(r"\w+=", w)]
            if not words:
                continue
            for word in words:
                path = os.path.join(self.source, word)
                if re.match(r"(devtools|examples|tests|doc)/[\w./-]+$", word) and not os.path.exists(path):
                    self.fail(block, f"there is no {word}")
                    return False
            if words[0] in UNRUN:
                reason = reason or UNRUN[words[0]]
            elif "pci:" in line:
                reason = reason or "takes a device"
            elif re.search(r"(^| )(-i|\.\.\.)( |$)", line):
                reason = reason or "is interactive"
        return reason

    def script(self, lines):
        """The paths are those of this run, and a server that is started is there before it is used."""
        out = ["trap 'kill $(jobs -p) 2> /dev/null || true' EXIT"]
        for line in lines:
            line = re.sub(r"(^|\s)build/", rf"\1{self.build}/", line.replace("/tmp/", "$PWD/"))
            out.append(line)
            socket = re.search(r"--socket (\S+).*&$", line)
            if socket:
                out.append(f"until [ -S {socket[1]} ]; do sleep 0.01; done")
        return "\n".join(out)

    def session(self, block, lines):
        options, commands = SESSION, []
        for line in lines:
            if line.startswith(PROMPT):
                commands.append(line[len(PROMPT) :].split("   #")[0])
            elif line.startswith("ims-testpmd ") and not commands:
                options = line.split(" ", 1)[1]
        # They measure for as long as they say; tests/e2e/testpmd has them all.
        kept = [c for c in commands if not c.startswith(("bench ", "watch "))]
        self.counts["commands not run, take long"] += len(commands) - len(kept)
        eal, _, own = options.partition("-- ")
        eal = re.sub(r"-l \S+|--no-\w+|-m \d+", "", eal)
        cpus = sorted(os.sched_getaffinity(0))
        lcores = ",".join(f"{i}@{cpus[i % len(cpus)]}" for i in range(3))
        own = re.sub(r"(^| )(-i|cpu=\d+)", "", own)
        argv = ["ims-testpmd", *EAL.split(), "--lcores", lcores, "--log-level=*:error", *eal.split()]
        with tempfile.NamedTemporaryFile("w", suffix=".cli") as f:
            f.write("\n".join(kept) + "\n")
            f.flush()
            self.run(block, argv + ["--", *own.split(), "--cmdline-file", f.name])
        self.counts["sessions"] += 1

    def run(self, block, argv):
        with tempfile.TemporaryDirectory() as d:
            process = subprocess.Popen(
                argv,
                cwd=d,
                env=dict(self.env, XDG_RUNTIME_DIR=d),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            try:
                out, _ = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                out, _ = process.communicate()
                return self.fail(block, f"does not end\n{out}")
        if process.returncode:
            self.fail(block, f"ends with {process.returncode}\n{out}")


def main(args):
    listing = "--list" in args
    args = [arg for arg in args if arg != "--list"]
    source, build = os.path.abspath(args[0]), os.path.abspath(args[1])
    files = args[2:]
    if not files:
        files = ["README.md"]
        for d, _, names in sorted(os.walk(os.path.join(source, "doc/guides"))):
            files += [os.path.relpath(os.path.join(d, n), source) for n in sorted(names) if n.endswith(".rst")]
    checker = Checker(source, build)
    blocks = []
    for name in files:
        blocks += (md_blocks if name.endswith(".md") else rst_blocks)(os.path.join(source, name), name)
    for block in blocks:
        before = checker.counts.copy()
        checker.check(block)
        if listing:
            print(block.where, block.kind, ", ".join((checker.counts - before).keys()))
    print(len(blocks), "blocks:", ", ".join(f"{n} {what}" for what, n in sorted(checker.counts.items()) if n))
    for failure in checker.failures:
        print(failure)
    # A pattern that finds nothing would be content with anything.
    return 1 if checker.failures or not blocks else 0


sys.exit(main(sys.argv[1:]))
