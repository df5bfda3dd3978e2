#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# Measure, on two CPUs, what this library costs and what its peers cost, in one run.
#
#   bench.sh [--quick] [--json FILE] [--report FILE.html] [SUBJECT...]
#
# Ends with 3 if a figure misses its goal. doc/guides/tools/ims_bench.rst explains the figures.

set -eu
case ${1:-} in
-h | --help)
	sed -n '/^#   bench.sh/,/^$/s/^# \{0,3\}//p' "$0"
	exit 0
	;;
esac
root=$(cd "$(dirname "$0")/.." && pwd)

(
	cd "$root"
	devtools/install-deps.sh build bench
	[ -f build/build.ninja ] || meson setup build > /dev/null
	ninja -C build --quiet
) >&2

# The device and the peers' other side on the first CPU that we may use, we on the second.
mapfile -t cpus < <(taskset -cp $$ | sed 's/.*: //' | tr ',' '\n' |
	awk -F- '{ for (i = $1; i <= ($2 == "" ? $1 : $2); i++) print i }')
if [ ${#cpus[@]} -lt 2 ]; then
	echo "bench.sh: it takes two CPUs, there is only ${cpus[0]}" >&2
	exit 1
fi
runtime=$(mktemp -d)
trap 'rm -rf "$runtime"' EXIT
XDG_RUNTIME_DIR=$runtime "$root/build/app/ims-bench/ims-bench" --no-huge --no-pci -m 512 --no-shconf \
	-l "${cpus[0]},${cpus[1]}" --main-lcore "${cpus[1]}" --log-level='*:error' -- "$@"
