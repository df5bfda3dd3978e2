#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# What a compiler does not see: cppcheck over library, drivers, device models, examples and test programs, and
# clang-tidy with clang's static analyzer (.clang-tidy says what it looks for). Anything found is an
# error; a finding is mended, or told at its line why it is none.
#
#   check-static.sh [--quick] [FILE...]       --quick: cppcheck only

set -eu
cd "$(dirname "$0")/.."

tidy=yes files=()
for arg in "$@"; do
	case $arg in
	--quick) tidy=no ;;
	-*)
		echo "check-static.sh: unknown option '$arg', expected --quick" >&2
		exit 2
		;;
	*) files+=("$arg") ;;
	esac
done
[ ${#files[@]} -gt 0 ] || mapfile -t files < <(git ls-files 'lib/*.c' 'drivers/*.c' 'devices/*.c' \
	'examples/*.c' 'tests/conformance/*.c' 'tests/fuzz/*.c')

devtools/install-deps.sh static
bad=0
includes=()
for dir in lib/vfio lib/ims devices devices/vfu drivers/queue_dev drivers/timer_ims drivers/nvme \
	tests/conformance tests/fuzz; do
	includes+=(-I "$dir")
done
cppcheck -j "$(nproc)" --quiet --std=c11 --platform=unix64 --enable=warning,performance,portability \
	--inline-suppr --error-exitcode=1 --include=devtools/cppcheck.h "${includes[@]}" \
	--template='{file}:{line}: {id}: {message}' "${files[@]}" || bad=1

if [ $tidy = yes ]; then
	[ -f build/build.ninja ] || meson setup build > /dev/null
	printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy-14 -p build --quiet \
		2> /dev/null || bad=1
fi
[ $bad = 0 ] && echo "check-static: ${#files[@]} files, nothing found"
exit $bad
