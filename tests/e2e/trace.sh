#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# What babeltrace2 reads of a run of ims-testpmd with the library's trace points on.
#
#   trace.sh IMS-TESTPMD

set -eu

# 2.1.1 and 2.1.2 abort on what DPDK writes, with no trace point of ours in it too.
if babeltrace2 --version | grep -q ' 2\.1\.'; then
	echo "babeltrace2 2.0 is missing: this is $(babeltrace2 --version | head -n 1)"
	exit 77
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
printf '%s\n' 'vec alloc 0 any' 'vec delivery 0 memory' 'vec delivery 0 eventfd' 'vec free 0' quit |
	"$1" --no-huge --no-pci --no-shconf -m 64 -l 0,1 --log-level='*:error' --trace=lib.ims \
		--trace-dir="$dir" -- --dev emu:timer_ims > "$dir/out"
babeltrace2 "$dir"/rte-* > "$dir/trace"
cat "$dir/trace"

# expect PATTERN...: lines with these, in this order
expect() {
	local pattern line=0 next
	for pattern; do
		next=$(tail -n +$((line + 1)) "$dir/trace" | grep -m1 -n "$pattern" | cut -d: -f1) ||
			true
		[ -n "$next" ] || {
			echo "trace.sh: not there, or too late: $pattern" >&2
			exit 1
		}
		line=$((line + next))
	done
}
expect 'lib.ims.dev.open: .*name = "emu:timer_ims", rc = 0' \
	'lib.ims.vec.alloc: .*store = "ims-bar"' \
	'lib.ims.wait.add: .*rc = 0' \
	'lib.ims.slot.message: .*rc = 0' \
	'lib.ims.vec.deliver: .*delivery = 0x1, rc = 0' \
	'lib.ims.vec.deliver: .*delivery = 0x0, rc = 0' \
	'lib.ims.slot.send: .*send = 0x0, rc = 0' \
	'lib.ims.vec.free: ' \
	'lib.ims.dev.close: '
