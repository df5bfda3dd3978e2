#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# Install what is missing, build, and run the tests.
#
#   test.sh [--quick | --no-guest | --full]
#
#   --quick     unit and end-to-end tests and models only
#   --no-guest  all but the guest suites
#   --full      also what takes long: a million moves, a soak of half an hour and two of five minutes (with IMS or
#               MSI-X alone), each call of the system failing once, a NIC beside dpdk-testpmd, all end-to-end tests
#               under ASan+UBSan, they and the unit tests under TSan, the distribution's archive, Debian packages,
#               the ABI; and the static analyzers over cmocka's tests, too
#
# Without --full, up to three tests of a group that failed are run three times more, alone: many run side by
# side, and on a loaded machine one may miss its time. It is named at the end as unsteady. A crash, or
# what a sanitizer or valgrind reports, is a failure always.
#
# IMS_WERROR=1 makes warnings errors. The last line says how many tests passed, failed, were skipped.

set -eu
cd "$(dirname "$0")/.."

guest=yes sanitize=short fuzz=good static=good
for arg in "$@"; do
	case $arg in
	--quick) guest=no sanitize=no ;;
	--no-guest) guest=no ;;
	--full) sanitize=full ;;
	-h | --help)
		sed -n '/^#   test.sh/,/^$/s/^# \{0,3\}//p' "$0"
		exit 0
		;;
	*)
		echo "test.sh: unknown argument '$arg', expected --quick, --no-guest or --full" >&2
		exit 2
		;;
	esac
done

say() {
	printf '\n=== %s\n' "$*"
}

logs=()

# Exits with 99 for what it finds. Threads that poll share one CPU there.
valgrind="valgrind --quiet --error-exitcode=99 --fair-sched=yes --leak-check=full --show-leak-kinds=definite
	--errors-for-leak-kinds=definite"

# setup DIR OPTION...: configure a build directory, once
setup() {
	local dir=$1
	shift
	if [ -f "$dir/build.ninja" ]; then
		meson configure "$dir" "$@" > /dev/null
	else
		meson setup "$dir" "$@" > "$dir.log" 2>&1 || {
			cat "$dir.log" >&2
			exit 1
		}
		rm -f "$dir.log"
	fi
}

# run NAME DIR ARG...: meson test, which first builds what the tests need; keep its log
run() {
	local name=$1 dir=$2
	shift 2
	rm -f "$dir/meson-logs/$name"*.json
	# Many wait for a device that does not answer, or for a time.
	meson test -C "$dir" --print-errorlogs --logbase "$name" \
		--num-processes "${processes:-$((2 * $(nproc) + 1))}" --timeout-multiplier 2 \
		${wrapper:+--wrapper "$wrapper"} "$@" | grep --line-buffered -v '^\[[0-9]*/[0-9]*\] ' || true
	local log=("$dir/meson-logs/$name"*.json) # the wrapper's name is in it
	logs+=("${log[0]}")
	[ "$sanitize" = full ] || [ ! -f "${log[0]}" ] || again "$name" "$dir" "${log[0]}"
}

# again NAME DIR LOG: those that failed beside others, alone and three times
again() {
	local name=$1 dir=$2 log=$3 tests
	mapfile -t tests < <(devtools/test_results.py again "$log")
	[ ${#tests[@]} -gt 0 ] && [ ${#tests[@]} -le 3 ] || return 0
	say "once more, alone: ${tests[*]}"
	meson test -C "$dir" --no-rebuild --print-errorlogs --logbase "$name-again" --num-processes 1 \
		--timeout-multiplier 10 --repeat 3 ${wrapper:+--wrapper "$wrapper"} "${tests[@]}" || true
}

say "packages"
groups=(test)
[ "$guest" = yes ] && groups+=(guest)
[ "$sanitize" = full ] && groups+=(package)
devtools/install-deps.sh "${groups[@]}"

say "build (release)"
werror=false
[ "${IMS_WERROR:-0}" = 1 ] && werror=true
setup build -Dtests=true -Dwerror=$werror
ninja -C build --quiet

if [ "$sanitize" != no ]; then
	setup build-asan -Dwerror=$werror -Dbuildtype=debugoptimized -Db_sanitize=address,undefined \
		-Db_lundef=false
	# Many tests wait: what CPU time they leave is for what is needed next.
	nice -n 19 ninja -C build-asan --quiet > /dev/null &
	asan_build=$!
fi

say "unit and end-to-end tests, models"
run quick build --suite unit --suite e2e --suite model

if [ "$sanitize" != no ]; then
	say "the same with AddressSanitizer and UndefinedBehaviorSanitizer"
	wait $asan_build || true # it is built again, or fails, now
	nice -n 19 devtools/fuzz.sh --build &
	fuzz_build=$!
	asan_suites=(--suite unit --suite e2e)
	[ "$sanitize" = full ] || asan_suites+=(--no-suite slow)
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 processes=$((3 * $(nproc))) \
		run asan build-asan "${asan_suites[@]}" --timeout-multiplier 3

	# A minute by the clock: it has what CPU time valgrind leaves, and all of it after that.
	wait $fuzz_build || true # likewise
	mkdir -p build-fuzz
	nice -n 19 devtools/fuzz.sh --seconds 60 --jobs 10 > build-fuzz/run.log 2>&1 &
	fuzz_run=$!

	say "parts, a soak and a reset under valgrind"
	wrapper="$valgrind" run valgrind build --timeout-multiplier 10 store store_bar obj dma kernel \
		devices-vfu_msg timer-timerfd queue-small soak-mixed

	say "fuzzing, a minute for each target"
	wait $fuzz_run || fuzz=failed
	cat build-fuzz/run.log

	say "vectors and wait sets with ThreadSanitizer"
	setup build-tsan -Dwerror=$werror -Dbuildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false
	tsan_suites=(--suite tsan)
	[ "$sanitize" = full ] && tsan_suites=(--suite unit --suite e2e --no-suite no-tsan)
	TSAN_OPTIONS=suppressions=$PWD/tests/tsan.supp processes=$((3 * $(nproc))) \
		run tsan build-tsan "${tsan_suites[@]}" --timeout-multiplier 5
fi

if [ "$sanitize" = full ]; then
	say "what takes long"
	run long build --suite long

	say "static analyzers"
	devtools/check-static.sh --full || static=failed
fi

if [ "$guest" = yes ]; then
	say "guests (QEMU, a stock kernel's vfio-pci)"
	devtools/guest-setup.sh
	guest_suites=(--suite guest --suite guest-vfio-user)
	[ "$sanitize" = full ] && guest_suites+=(--suite guest-long)
	processes=$(nproc) run guest build "${guest_suites[@]}"
fi

say "result"
rc=0
devtools/test_results.py sum "${logs[@]}" || rc=1
[ $fuzz = good ] || {
	echo "fuzzing failed"
	rc=1
}
[ $static = good ] || {
	echo "the static analyzers failed"
	rc=1
}
exit $rc
