#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# record.py LISTEN SERVER DIR MODEL: stand between a vfio-user client and a server, and keep what they say as
# seeds: DIR/vfu_server (what clients send) and DIR/vfio_client (what servers answer). MODEL, timer_ims or
# queue_dev, is what serves and is served when it is played.

import array
import os
import select
import socket
import struct
import sys

HEADER = struct.Struct("<HHIII")
MODELS = ["timer_ims", "queue_dev"]  # as in fuzz_vfu_server.c
LIMIT = 3000  # bytes of a seed: the beginning says what there is to say
MAX_PIECE = 4000
F_REPLY, F_ERROR, F_MORE, F_MAP = 1, 2, 4, 8


def receive(sock):
    data, ancillary, _, _ = sock.recvmsg(65536, socket.CMSG_SPACE(16 * 4))
    fds = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return data, list(fds)


def send(sock, data, fds):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sock.sendmsg([data], rights)
    for fd in fds:
        os.close(fd)


def is_file(fds):
    return any(os.readlink(f"/proc/self/fd/{fd}").startswith("/") for fd in fds)


def client_piece(data, fds):
    return struct.pack("<BBH", 0x55 if is_file(fds) else 0, len(fds), len(data)) + data


def server_records(data, fds):
    """The server's messages, each as a record of what fuzz_vfio_client.c is to answer."""
    out = b""
    while len(data) >= HEADER.size:
        _, _, size, kind, _ = HEADER.unpack_from(data)
        reply = kind & 0xF == 1
        flags = (F_REPLY | (F_ERROR if kind & 0x20 else 0)) if reply else F_MORE
        payload = data[HEADER.size if reply else 0 : size][:MAX_PIECE]
        flags |= F_MAP if is_file(fds) else 0
        out += struct.pack("<BBH", flags, len(fds), len(payload)) + payload
        data, fds = data[size:], []
    return out


def main():
    listen, server, folder, model = sys.argv[1:]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(listen)
    listener.listen()
    client, _ = listener.accept()
    upstream = socket.socket(socket.AF_UNIX)
    upstream.connect(server)
    seeds = {"vfu_server": bytes([MODELS.index(model)]), "vfio_client": b""}
    while True:
        for sock in select.select([client, upstream], [], [])[0]:
            data, fds = receive(sock)
            if not data:
                for name, seed in seeds.items():
                    with open(f"{folder}/{name}/{os.path.basename(listen)}", "wb") as f:
                        f.write(seed)
                return
            piece = client_piece(data, fds) if sock is client else server_records(data, fds)
            name = "vfu_server" if sock is client else "vfio_client"
            if len(seeds[name]) + len(piece) <= LIMIT:
                seeds[name] += piece
            send(upstream if sock is client else client, data, fds)


main()
