#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# hardening.sh FORTIFY SOFT FILE...: what the build promises of each library and program (meson.build), and that
# none can start a shell. FORTIFY is false where there are no checked functions (sanitizers, -O0). SOFT has
# none of it, and shows that each check can fail.

export LC_ALL=C
fortify=$1 soft=$2
shift 2

imports() {
	nm -D --undefined-only "$1" | sed 's/.* //; s/@.*//' | grep -Ex "$2"
}

# The library starts ims-devsrv for "emu:" by its path, which is no shell's affair.
shell() {
	case $1 in
	*/librte_ims.so*) imports "$1" 'system|popen|wordexp|exec[lv]p?e?|fexecve|execveat|posix_spawnp' ;;
	*) imports "$1" 'system|popen|wordexp|exec[lv]p?e?|fexecve|execveat|posix_spawnp?' ;;
	esac
}

# Each check succeeds if FILE is well.
relro() { readelf -lW "$1" | grep -q ' *GNU_RELRO '; }
now() { readelf -dW "$1" | grep -Eq 'BIND_NOW|Flags:.* NOW'; }
stack() { readelf -lW "$1" | grep 'GNU_STACK' | grep -q ' RW  *0x'; }
pie() { readelf -hW "$1" | grep -q 'Type: *DYN'; }
protector() { imports "$1" '__stack_chk_fail(_local)?' > /dev/null; }
fortified() { imports "$1" '__[a-z]+_chk' > /dev/null; }
noshell() { ! shell "$1" > /dev/null; }

checks="relro now stack pie protector noshell"
[ "$fortify" = false ] || checks="$checks fortified"

bad=0
for file in "$@"; do
	for check in $checks; do
		$check "$file" || {
			echo "$file: $check"
			bad=1
		}
	done
done
for check in $checks; do
	! $check "$soft" || {
		echo "$soft is soft, and yet passes: $check"
		bad=1
	}
done
[ $bad = 0 ] && echo "$# files: $checks"
exit $bad
