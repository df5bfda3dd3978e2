#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# ims-bench measures each of its figures, and nothing is lost. Goals are not judged here: the machine
# is busy with other tests.
#
#   bench.sh IMS-BENCH [ARG...]

set -eu

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
rc=0
"$@" -- --quick --json "$out/figures.json" > "$out/table" || rc=$?
cat "$out/table"
[ $rc -eq 0 ] || [ $rc -eq 3 ]
python3 - "$out/figures.json" << 'EOF'
import json
import math
import sys

figures = json.load(open(sys.argv[1]))
expected = """
    adaptive_1k_p99_ns adaptive_sat_ratio attach_detach_ns cpu_1k_pct_adaptive cpu_1k_pct_interrupt
    cpu_1k_pct_poll cpu_idle_pct_adaptive cpu_idle_pct_interrupt demux_1_ns demux_64_ns demux_4096_ns
    demux_16384_ns events_per_s_eventfd events_per_s_memory floor_cacheline_ns floor_epoll_ns
    floor_exchange_ns floor_socket_ns idle_wakes_per_s_adaptive idle_wakes_per_s_interrupt ims_adaptive_p50_ns
    ims_eventfd_ns ims_eventfd_socket_ns ims_memory_64vec_ns ims_memory_ns interrupt_1k_p50_ns
    interrupt_1k_p99_ns interrupt_sat_ratio move_lost move_ns nap_1k_p50_ns peer_eal_intr_ns peer_epoll_4096_ns
    peer_events_per_s_epoll peer_libevent_ns peer_rte_epoll_ns peer_setup_4096_fds peer_setup_4096_ms poll_1k_p50_ns poll_1k_p99_ns
    pool_getput_ns queue_events_per_s_eventfd queue_events_per_s_memory setup_4096_fds setup_4096_ms
    switch_lost
""".split()
missing = [key for key in expected if key not in figures]
assert not missing, missing
for key, value in figures.items():
    assert math.isfinite(value) and value >= 0, (key, value)
    if key.endswith("_lost"):
        assert value == 0, (key, value)
assert figures["setup_4096_fds"] < 16
assert figures["peer_setup_4096_fds"] == 4096
EOF
