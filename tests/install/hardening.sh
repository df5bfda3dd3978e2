#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# hardening.sh FORTIFY LINKED SOFT FILE...: what the build promises of each library and program (meson.build),
# and that none can start a shell. FORTIFY is false where there are no checked functions (sanitizers, -O0).
# LINKED is static where librte_ims is in the programs that use it, else shared. SOFT has none of it, and
# shows that each check can fail.

export LC_ALL=C
fortify=$1 linked=$2 soft=$3
shift 3

imports() {
	nm -D --undefined-only "$1" | sed 's/.* //; s/@.*//' | grep -Ex "$2"
}

# The library starts ims-devsrv for "emu:" by its path, which is no shell's affair. What a program does that
# has the library in it cannot be told from that: there posix_spawn() is not judged.
spawns() {
	case $linked:$1 in
	*/librte_ims.so*) ;;
	static:*/ims-testpmd | static:*/ims-bench) ;;
	*) false ;;
	esac
}

shell() {
	calls='system|popen|wordexp|exec[lv]p?e?|fexecve|execveat|posix_spawnp'
	spawns "$1" || calls="$calls|posix_spawn"
	imports "$1" "$calls"
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
[ "$linked" = shared ] || echo "posix_spawn() of ims-testpmd and ims-bench is not judged: the library is in them"
[ $bad = 0 ] && echo "$# files: $checks"
exit $bad
