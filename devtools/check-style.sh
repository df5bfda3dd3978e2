#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# What a reviewer should not have to say: formatting, licence lines, include guards, and calls that a
# library must not make.
#
#   check-style.sh [--fix]        --fix: reformat

set -eu
cd "$(dirname "$0")/.."

bad=0
complain() {
	echo "check-style: $*" >&2
	bad=1
}

mapfile -t sources < <(git ls-files '*.c' '*.h')
mapfile -t texts < <(git ls-files '*.c' '*.h' '*.sh' '*.py' '*.pml' 'meson.build' '*/meson.build')

if [ "${1:-}" = --fix ]; then
	clang-format-14 -i "${sources[@]}"
	exit 0
fi

for f in "${sources[@]}"; do
	clang-format-14 --dry-run -Werror "$f" > /dev/null 2>&1 || complain "$f: clang-format differs"
done

# clang-format breaks code, not comments. A text that a program prints is not broken, nor can a macro be.
for f in "${sources[@]}"; do
	expand -t 8 "$f" | grep -vE '"|^#define' | grep -qE '^.{101}' && complain "$f: a line of more than 100 columns"
done

for f in "${texts[@]}"; do
	[ -s "$f" ] || continue
	head -n 3 "$f" | grep -q 'SPDX-License-Identifier: BSD-3-Clause' ||
		complain "$f: no SPDX line at the top"
done

for f in $(git ls-files '*.h'); do
	guard=_$(basename "$f" | tr 'a-z.' 'A-Z_')_
	grep -q "^#ifndef $guard\$" "$f" && grep -q "^#define $guard\$" "$f" ||
		complain "$f: include guard is not $guard"
done

# A library reports, it does not print, exit or run a shell.
if git grep -nE '\b(printf|puts|perror|abort|assert|exit|rte_exit|rte_panic|system|popen)\(' -- \
		'lib/*.c' 'lib/*.h' 'drivers/*.c' | grep -vE 'static_assert'; then
	complain "lib/ and drivers/ must not call these"
fi
# gcc has no fences under ThreadSanitizer: rte_smp_mb(), or an operation on what is shared.
if git grep -n 'atomic_thread_fence(' -- '*.c' '*.h' ':!tests/guest'; then
	complain "ThreadSanitizer does not see fences"
fi
if git grep -n '[[:space:]]$' -- '*.c' '*.h' '*.sh' '*.pml' '*.rst' '*.md' '*/meson.build'; then
	complain "white space at the end of lines"
fi
exit $bad
