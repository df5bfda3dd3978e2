# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
"""Drive ims-testpmd: by files, by pipes and, as a user does, at a terminal."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

PROMPT = "ims-testpmd> "
# Under sanitizers all is slower; nothing here waits for a timeout unless it fails.
TIMEOUT = 60
DEV = "emu:timer_ims,timers=64"

prog = None
devsrv = None
work = None


def lcores():
    cpus = sorted(os.sched_getaffinity(0))
    return ",".join(str(c) for c in cpus[:2])


def four_lcores():
    """Main and three workers, on as many CPUs as there are."""
    cpus = sorted(os.sched_getaffinity(0))
    return ",".join(f"{lcore}@{cpus[i % len(cpus)]}" for i, lcore in enumerate((0, 1, 5, 6)))


def eal(lcore_list=None):
    lcore_list = lcore_list or lcores()
    return [
        prog, "--no-huge", "--no-pci", "-m", "64", "--lcores" if "@" in lcore_list else "-l",
        lcore_list, "--no-shconf",
        "--log-level=lib.eal:error", "--log-level=lib.telemetry:error", "--",
    ]


class Result:
    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        # TELEMETRY and EAL say things of their own, and so does a CPU's absence of features.
        self.err = [
            line for line in err.splitlines() if line and not re.match(r"EAL: |TELEMETRY: ", line)
        ]


def run(*args, stdin="", lcore_list=None, **kwargs):
    p = subprocess.run(
        eal(lcore_list) + list(args), input=stdin, capture_output=True, text=True,
        timeout=TIMEOUT, **kwargs
    )
    return Result(p.returncode, p.stdout, p.stderr)


class until:
    """Commands on a pipe that are given again and again until fn(what they wrote) is true."""

    def __init__(self, *commands, fn):
        self.commands = commands
        self.fn = fn


def column(name, table="VECTOR", row=0):
    """A function for what a command wrote: a number in its table."""
    return lambda text: int(rows(text, table)[row][name])


def at_least(n, *args, **kwargs):
    get = column(*args, **kwargs)
    return lambda text: get(text) >= n


def grows(n, *args, **kwargs):
    """By so much since the first look."""
    get, first = column(*args, **kwargs), []

    def fn(text):
        first.append(get(text))
        return first[-1] >= first[0] + n

    return fn


class Talk:
    """A run whose commands are given as what came before them has been answered."""

    def __init__(self, args, lcore_list=None, **kwargs):
        self.err = tempfile.TemporaryFile("w+")
        self.p = subprocess.Popen(eal(lcore_list) + list(args), stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=self.err, **kwargs)
        self.out = ""
        self.marks = 0

    def say(self, *commands):
        try:
            self.p.stdin.write("".join(c + "\n" for c in commands).encode())
            self.p.stdin.flush()
        except BrokenPipeError:
            pass  # its exit code tells

    def read_to(self, mark, end):
        """False: it has ended."""
        fd = self.p.stdout.fileno()
        while mark not in self.out:
            if not select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
                self.p.kill()
                self.p.wait()
                raise AssertionError(f"{mark!r} did not come in {self.out}")
            data = os.read(fd, 65536)
            if not data:
                return False
            self.out += data.decode(errors="replace")
        return True

    def mark(self, end):
        self.marks += 1
        mark = f"# mark {self.marks}\n"
        self.say(mark[:-1])
        return self.read_to(mark, end)

    def until(self, step):
        end = time.monotonic() + TIMEOUT
        going = self.mark(end)
        before = self.out
        while going:
            self.say(*step.commands)
            going = self.mark(end)
            if not going or step.fn(self.out[len(before):]):
                return
            if time.monotonic() > end:
                self.p.kill()
                self.p.wait()
                raise AssertionError(f"{step.commands} show to the end:\n{self.out[len(before):]}")
            self.out = before
            time.sleep(0.02)

    def close(self):
        out, _ = self.p.communicate(timeout=TIMEOUT)
        self.err.seek(0)
        with self.err:
            return Result(self.p.returncode, self.out + out.decode(errors="replace"),
                          self.err.read())


def pipe(*lines, dev=DEV, options=(), **kwargs):
    """Commands on a pipe."""
    args = (["--dev", dev] if dev else []) + list(options)
    if not any(isinstance(line, until) for line in lines):
        return run(*args, stdin="".join(line + "\n" for line in lines), **kwargs)
    talk = Talk(args, **kwargs)
    for line in lines:
        if isinstance(line, until):
            talk.until(line)
        else:
            talk.say(line)
    return talk.close()


def script(*lines, name="test.cli", dev=DEV, options=(), **kwargs):
    """Commands in a file; gives the result and the file's path."""
    path = os.path.join(work, name)
    with open(path, "w") as f:
        f.write("".join(line + "\n" for line in lines))
    args = ["--dev", dev] if dev else []
    return run(*args, "--cmdline-file", path, *options, **kwargs), path


def rows(text, first):
    """The rows of the table whose head begins with this word, as dicts."""
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if line.split()[:1] == [first]:
            names = line.split()
            found = []
            for row in lines[i + 1:]:
                cells = re.split(r"\s{2,}", row.strip())
                if len(cells) != len(names):
                    break
                found.append(dict(zip(names, cells)))
            return found
    raise AssertionError(f"no table {first} in:\n{text}")


def documents(text):
    """The JSON documents between the lines of other commands."""
    found, decoder, at = [], json.JSONDecoder(), text.find("\n{")
    while at >= 0:
        doc, end = decoder.raw_decode(text, at + 1)
        found.append(doc)
        at = text.find("\n{", end)
    return found


class Terminal:
    """ims-testpmd on a terminal of its own."""

    def __init__(self, *args, lcore_list=None):
        self.out = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            cmd = eal(lcore_list) + list(args)
            try:
                os.execv(cmd[0], cmd)
            finally:
                os._exit(127)

    def _read(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        # Ends of lines, and what the line editor moves the cursor with; they may come in pieces.
        self.out += data.decode(errors="replace")
        self.out = re.sub(r"\r+\n", "\n", re.sub(r"\x1b(M|E|\[0K)", "", self.out))
        return bool(data)

    def expect(self, pattern, timeout=TIMEOUT):
        """Wait for a regular expression, give what came up to its end."""
        end = time.monotonic() + timeout
        while True:
            m = re.search(pattern, self.out)
            if m:
                text, self.out = self.out[:m.end()], self.out[m.end():]
                return text
            left = end - time.monotonic()
            if left <= 0 or (not self._read(left) and not re.search(pattern, self.out)):
                raise AssertionError(f"no {pattern!r} in {self.out!r}")

    def prompt(self):
        return self.expect(re.escape(PROMPT) + "$")

    def type(self, text):
        os.write(self.fd, text.encode())

    def command(self, line):
        """Type a line, give what the command wrote."""
        self.type(line + "\r")
        self.expect(re.escape(line) + "\n")
        return self.prompt()[: -len(PROMPT)]

    def interrupt(self, pattern):
        """Ctrl-C until this comes: one that comes before the command has begun is not for it."""
        end = time.monotonic() + TIMEOUT
        while True:
            self.type("\x03")
            try:
                return self.expect(pattern, timeout=5)
            except AssertionError:
                if time.monotonic() > end:
                    raise

    def until(self, line, fn):
        """Give it again until fn(what it wrote) is true."""
        end = time.monotonic() + TIMEOUT
        while not fn(out := self.command(line)):
            if time.monotonic() > end:
                raise AssertionError(f"{line} shows to the end: {out}")
            time.sleep(0.02)
        return out

    def close(self):
        """The exit code after all output was read."""
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end and self._read(1):
            pass
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError("did not end")

    def attr(self):
        return termios.tcgetattr(self.fd)


def children(pid):
    while True:
        found = []
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as f:
                    found += [int(c) for c in f.read().split()]
            return found
        except (FileNotFoundError, ProcessLookupError):
            # The thread has ended: its children are another one's, which may have been listed.
            if not os.path.exists(f"/proc/{pid}"):
                raise


def resources(pid):
    """What a leak would add to: descriptors, memory maps, threads, children."""
    with open(f"/proc/{pid}/maps") as f:
        maps = [line.split(None, 5)[-1].strip() for line in f]
    return {
        "fds": len(os.listdir(f"/proc/{pid}/fd")),
        "memfds": sum("memfd" in m for m in maps),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "children": len(children(pid)),
    }


def same_resources(test, pid, before):
    """What is on its way out has gone, what has leaked stays."""
    end = time.monotonic() + TIMEOUT
    while resources(pid) != before and time.monotonic() < end:
        time.sleep(0.02)
    test.assertEqual(resources(pid), before)


def main():
    """The test's own arguments: the tool and the device model's program, then unittest's."""
    global prog, devsrv, work
    prog, devsrv = (os.path.abspath(p) for p in sys.argv[1:3])
    del sys.argv[1:3]
    os.environ["IMS_DEVSRV"] = devsrv
    # Short, for sockets; and with a blank, which paths may have.
    work = tempfile.mkdtemp(prefix="ims tool-")
    runtime = os.path.join(work, "run")
    os.mkdir(runtime, 0o700)
    os.environ.setdefault("XDG_RUNTIME_DIR", runtime)
    os.environ["TERM"] = "xterm"
    try:
        unittest.main(verbosity=2)
    finally:
        shutil.rmtree(work, ignore_errors=True)
