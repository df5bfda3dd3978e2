#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# What a compiler does not see: cppcheck and clang-tidy over everything, scan-build over a build of all that is
# installed (.clang-tidy says what is looked for). Anything found is an error; a finding is mended, or told at its
# line why it is none.
#
#   check-static.sh [--quick | --full] [FILE...]
#
#   FILE     these, and not by scan-build but by clang-tidy with the same analyzer
#   --quick  cppcheck only
#   --full   the analyzer over cmocka's tests too, which takes as long as all else

set -eu
cd "$(dirname "$0")/.."

tidy=yes full=no scan=no files=()
# What scan-build can see, and cmocka's tests.
installed='^(lib|drivers|devices|app)/'
cmocka='^tests/(unit|e2e|fault|guest)/'

for arg in "$@"; do
	case $arg in
	--quick) tidy=no ;;
	--full) full=yes ;;
	-*)
		echo "check-static.sh: unknown option '$arg', expected --quick or --full" >&2
		exit 2
		;;
	*) files+=("$arg") ;;
	esac
done
[ ${#files[@]} -gt 0 ] || scan=$tidy
[ ${#files[@]} -gt 0 ] || mapfile -t files < <(git ls-files '*.c')

# A file that several programs are made of is looked at once. (clang-tidy 14 also remembers what va_start()
# was from one file to the next, and is wrong: hence a process for each.)
once_each() {
	mkdir -p build/once
	python3 - build/compile_commands.json > build/once/compile_commands.json << 'EOF'
import json
import sys

commands = {c["file"]: c for c in json.load(open(sys.argv[1]))}
json.dump(list(commands.values()), sys.stdout)
EOF
}

# tidy OPTION...: the files named on stdin
tidy() {
	xargs -r -P "$(nproc)" -n 1 clang-tidy-14 -p build/once --quiet --extra-arg=-Wno-error "$@" 2> /dev/null
}

# without -CHECK...: .clang-tidy, but for those
without() {
	sed "s/^  -bugprone-assignment-in-if-condition\$/&$(printf ', %s' "$@")/" .clang-tidy
}

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

# Nobody's name of a file or device becomes a command.
if git grep -nE '\b(system|popen|wordexp)\(' -- 'lib/*.c' 'drivers/*.c' 'devices/*.c' 'app/*.c'; then
	echo "check-static: no shell"
	bad=1
fi

# Timeouts do not go by a clock that somebody sets.
if git grep -nE '\b(gettimeofday|timespec_get|time|ftime|(sem|mq)_timed[a-z]+|pthread_[a-z]+_timed[a-z]*lock)\(|CLOCK_REALTIME' -- \
	'lib/*.[ch]' 'drivers/*.[ch]' 'devices/*.[ch]' 'app/*.[ch]' 'examples/*.[ch]'; then
	echo "check-static: no wall clock"
	bad=1
fi

if [ $tidy = yes ]; then
	[ -f build/build.ninja ] || meson setup build > /dev/null
	once_each
	[ $scan = yes ] || installed='^$'
	printf '%s\n' "${files[@]}" | grep -E "$installed" | tidy --config="$(without -clang-analyzer-\*)" || bad=1
	printf '%s\n' "${files[@]}" | grep -Ev "$installed|$cmocka" | tidy || bad=1
	# Offsets into what a test itself has made do not overflow.
	tests=(-bugprone-implicit-widening-of-multiplication-result)
	[ $full = yes ] || tests+=(-clang-analyzer-\*)
	printf '%s\n' "${files[@]}" | grep -E "$cmocka" | tidy --extra-arg=-include \
		--extra-arg="$PWD/devtools/cmocka_tidy.h" --config="$(without "${tests[@]}")" || bad=1
fi
if [ $scan = yes ]; then
	devtools/install-deps.sh scan
	rm -rf build-scan
	scan-build-14 meson setup build-scan -Dbuildtype=debug -Dtests=false > /dev/null
	scan-build-14 --status-bugs --exclude /usr ninja -C build-scan --quiet || bad=1
fi
[ $bad = 0 ] && echo "check-static: ${#files[@]} files, nothing found"
exit $bad
