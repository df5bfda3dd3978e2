#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# See it run: install what is missing, build, and drive two devices, each played by a process of its own:
# timers that have only IMS, and thousands of queues that have MSI-X and IMS. No hardware, no hugepages;
# privileges only to install packages. Ends at a prompt when standard input is a terminal.

set -eu
cd "$(dirname "$0")/.."

say() {
	printf '\n=== %s\n' "$*"
}

say "packages"
devtools/install-deps.sh build

say "build (release)"
if [ ! -f build/build.ninja ]; then
	meson setup build > build.log 2>&1 || {
		cat build.log >&2
		exit 1
	}
	rm -f build.log
fi
ninja -C build

# The first CPU that we may use is for the main lcore, which sleeps, and for the devices; the benches
# poll on the others, at most three of them.
mapfile -t cpus < <(taskset -cp $$ | sed 's/.*: //' | tr ',' '\n' |
	awk -F- '{ for (i = $1; i <= ($2 == "" ? $1 : $2); i++) print i }')
lcores=$(IFS=,; echo "${cpus[*]:0:4}")
runtime=$(mktemp -d)
trap 'rm -rf "$runtime"' EXIT
export XDG_RUNTIME_DIR=$runtime

testpmd() {
	build/app/ims-testpmd/ims-testpmd --no-huge --no-pci -m 64 -l "$lcores" --no-shconf \
		--log-level='*:error' -- "$@"
}

say "vectors of a device that has neither MSI nor MSI-X"
testpmd --dev emu:timer_ims,timers=64 --cmdline-file devtools/demo.cli

say "latency and loss, memory polled and eventfd slept on, beside the machine's own floors"
echo "bench timer 0 1 100us 2" > "$runtime/bench.cli"
testpmd --dev "emu:timer_ims,timers=64,engine=spin,cpu=${cpus[0]}" --cmdline-file "$runtime/bench.cli"

say "a thousand queues on the shared vectors of a pool"
testpmd --dev emu:queue_dev --cmdline-file devtools/demo_queues.cli

if [ -t 0 ]; then
	say "your turn: help lists the commands, Tab completes, quit ends"
	testpmd -i --dev emu:timer_ims,timers=64 --dev emu:queue_dev
fi
