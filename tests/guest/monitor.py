#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# Pass on what a guest asks of its own machine: lines "guest: qmp {...}" of its console go to QEMU's
# monitor. Ends with QEMU.
#
#   monitor.py SOCKET CONSOLE

import json
import os
import re
import socket
import sys
import time

path, console = sys.argv[1:]


def connect():
    for _ in range(300):
        try:
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(path)
            return sock
        except OSError:
            time.sleep(0.1)
    sys.exit(1)


monitor = connect().makefile("rw")


def answer():
    """The next line that is no event."""
    while True:
        line = monitor.readline()
        if not line:
            sys.exit(0)
        message = json.loads(line)
        if "event" not in message:
            return message


def command(text):
    try:
        monitor.write(text + "\n")
        monitor.flush()
        return answer()
    except OSError:
        sys.exit(0)


answer()
command('{"execute": "qmp_capabilities"}')
done = 0
while os.path.exists(path):
    asked = re.findall(rb"guest: qmp (\{.*\})", open(console, "rb").read())
    for text in asked[done:]:
        reply = command(text.decode())
        print("monitor:", text.decode(), json.dumps(reply), flush=True)
        done += 1
    command('{"execute": "query-status"}')
    time.sleep(0.1)
