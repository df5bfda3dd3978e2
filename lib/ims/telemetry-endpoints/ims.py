# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
"""What dpdk-telemetry-exporter.py tells Prometheus, OpenMetrics and Graphite of librte_ims.

The exporter loads this file; info() and metrics() are what it calls.
"""

# Of each kind of thing: the command that lists it, the one that shows it, and its numbers:
# key in the answer, metric, type, what it is.
KINDS = {
    "device": ("/ims/devices", "/ims/device", (
        ("vectors", "device_vectors", "gauge", "Vectors of the device."),
        ("removed", "device_removed", "gauge", "1: the device is gone."),
        ("timeouts", "device_timeouts", "counter", "Commands that were not answered, or could not be sent, in time."),
        ("late_replies", "device_late_replies", "counter", "Answers that nobody waited for."),
        ("reordered_replies", "device_reordered_replies", "counter", "Answers before that to an earlier command."),
        ("bad_replies", "device_bad_replies", "counter", "Answers that did not fit their command."),
        ("bad_requests", "device_bad_requests", "counter", "Requests that are none of a device's."),
        ("surplus_fds", "device_surplus_fds", "counter", "Descriptors that nobody wanted."),
        ("unread_replies", "device_unread_replies", "counter", "Answers that the device's process had no room for."),
        ("malformed", "device_malformed", "counter", "Bytes that are no message: the device was removed."),
        ("stray_messages", "device_stray_messages", "counter", "Messages for handles that are not given out."),
        ("dma_faults", "device_dma_faults", "counter", "Accesses of the device to memory that is not mapped."),
    )),
    "pool": ("/ims/pools", "/ims/pool", (
        ("shared", "pool_shared_vectors", "gauge", "Vectors that users of the pool share."),
        ("exclusive", "pool_exclusive_vectors", "gauge", "Vectors that have one user."),
        ("dedicated", "pool_dedicated_vectors", "gauge", "Vectors whose eventfd is the user's."),
        ("users", "pool_users", "gauge", "Users of shared vectors."),
        ("shared_for_want", "pool_shared_for_want", "counter", "Times that there was no vector left but to share."),
        ("moves", "pool_moves", "counter", "Vectors moved to another lcore."),
    )),
    "wait": ("/ims/waits", "/ims/wait", (
        ("memory_vectors", "wait_memory_vectors", "gauge", "Vectors delivered to memory."),
        ("eventfd_vectors", "wait_eventfd_vectors", "gauge", "Vectors delivered to eventfds."),
        ("events", "wait_events", "counter", "Vectors whose handlers were run."),
        ("polls", "wait_polls", "counter", "Polls."),
        ("busy_polls", "wait_busy_polls", "counter", "Polls that found something."),
        ("sleeps", "wait_sleeps", "counter", "Sleeps."),
        ("wakes", "wait_wakes", "counter", "Times that a sleep ended."),
        ("switches", "wait_switches", "counter", "Times that the adaptive policy went over."),
        ("spurious", "wait_spurious", "counter", "Events that may have been handled already."),
        ("stray", "wait_stray", "counter", "Events of vectors that had left the set."),
        ("asleep_ns", "wait_asleep_ns", "counter", "Time asleep, in nanoseconds."),
    )),
}
VECTOR = (
    ("events", "vector_events", "counter", "Times that the handlers were run."),
    ("spurious", "vector_spurious", "counter", "Of these, those that came masked, moved or switched."),
    ("unhandled", "vector_unhandled", "counter", "Of these, those that found no object attached."),
    ("stale", "vector_stale", "counter", "Times that the kernel had changed the message."),
)


def info():
    """Metric -> what it is, and its type."""
    numbers = [n for _, _, kind in KINDS.values() for n in kind] + list(VECTOR)
    return {metric: (text, kind) for _, metric, kind, text in numbers}


def _values(answer, numbers, labels):
    return [(metric, answer[key], labels) for key, metric, _, _ in numbers]


def _vectors(sock, dev):
    """All of them: an answer has room for so many, the next one begins with the last of these."""
    ids = sock.cmd("/ims/vectors", dev) or []
    while True:
        more = sock.cmd("/ims/vectors", f"{dev}@{ids[-1] + 1}") if ids else None
        if not more:
            return ids
        ids += more


def metrics(sock):
    """[(metric, value, labels)]; what went away between two questions is left out."""
    values = []
    for kind, (names, show, numbers) in KINDS.items():
        for name in sock.cmd(names) or []:
            answer = sock.cmd(show, name)
            if answer:
                values += _values(answer, numbers, {kind: name})
    for dev in sock.cmd("/ims/devices") or []:
        for i in _vectors(sock, dev):
            vec = sock.cmd("/ims/vector", i)
            if vec:
                values += _values(vec, VECTOR, {"device": dev, "vector": vec["name"], "wait": vec["wait"]})
    return values
