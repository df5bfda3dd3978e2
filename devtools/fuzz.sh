#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# Fuzz with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer.
#
#   fuzz.sh [--build | --seconds N] [--jobs N] [--merge] [TARGET...]
#
# Default: 5 seconds for each target of tests/fuzz, as many targets at once as there are CPUs. With more at
# once than CPUs a hang is found as late as it is for one with a CPU to itself: the limit grows.
#
# New inputs go to build-fuzz/corpus/TARGET and are used again by the next run; one that fails is left in
# build-fuzz/TARGET-*. Mend it, and keep it in tests/fuzz/corpus/TARGET. --merge: also keep there what covers
# code that nothing there covers yet (small inputs only). --build: build the targets, and run none.

set -eu
cd "$(dirname "$0")/.."

seconds=5 merge=no only_build=no jobs=$(nproc) targets=()
while [ $# -gt 0 ]; do
	case $1 in
	--seconds)
		seconds=${2:?--seconds wants a number}
		shift
		;;
	--jobs)
		jobs=${2:?--jobs wants a number}
		shift
		;;
	--merge) merge=yes ;;
	--build) only_build=yes ;;
	-*)
		echo "fuzz.sh: unknown option '$1', expected --build, --seconds N, --jobs N or --merge" >&2
		exit 2
		;;
	*) targets+=("$1") ;;
	esac
	shift
done
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(ls tests/fuzz/corpus)

build=build-fuzz
devtools/install-deps.sh fuzz
[ -f $build/build.ninja ] || CC=clang-14 meson setup $build -Dfuzz=enabled -Dbuildtype=debugoptimized \
	-Db_sanitize=address,undefined -Db_lundef=false > /dev/null
ninja -C $build --quiet fuzz
[ $only_build = no ] || exit 0

# UBSan's findings end a run as ASan's do. 10 s for one input is a hang, 512 MB a leak.
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export ASAN_OPTIONS=allocator_may_return_null=1:handle_sigbus=0
hang=$((10 * (jobs > $(nproc) ? jobs : 1)))

# fuzz TARGET: a line of what came out, rc 1 if something was found
fuzz() {
	local target=$1 found=$build/corpus/$1 log=$build/$1.log rc=0 runs cov cpu
	local TIMEFORMAT='%U %S' entropic=1
	# Where an input goes through the whole library, weighing its features takes most of the time.
	case $target in
	stores | queue_dev_cmd | nvme_driver) entropic=0 ;;
	esac
	mkdir -p "$found"
	{ time $build/tests/fuzz/fuzz_"$target" -max_total_time="$seconds" -timeout="$hang" -rss_limit_mb=512 \
		-max_len=4096 -entropic=$entropic -print_final_stats=1 -artifact_prefix=$build/"$target"- \
		"$found" "tests/fuzz/corpus/$target" > "$log" 2>&1 < /dev/null; } 2> "$log.time" || rc=1
	if [ $rc = 0 ]; then
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
		cov=$(grep -o 'cov: [0-9]* ft: [0-9]*' "$log" | tail -n 1)
		cpu=$(awk '{ printf "%.0f", $1 + $2 }' "$log.time")
		echo "$target: $runs executions in $seconds s, $cpu s of CPU, $cov"
	else
		printf '%s\n' "$target: FAILED, see $log" "$(tail -n 25 "$log")"
	fi
	if [ $merge = yes ]; then
		$build/tests/fuzz/fuzz_"$target" -merge=1 -max_len=512 "tests/fuzz/corpus/$target" \
			"$found" > /dev/null 2>&1 < /dev/null
	fi
	return $rc
}

failed=0 running=0
for target in "${targets[@]}"; do
	if [ $running -ge "$jobs" ]; then
		wait -n || failed=1
		running=$((running - 1))
	fi
	fuzz "$target" &
	running=$((running + 1))
done
while [ $running -gt 0 ]; do
	wait -n || failed=1
	running=$((running - 1))
done
exit $failed
