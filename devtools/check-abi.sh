#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# Is a program that was linked with the libraries of an earlier revision served by those of this tree? New
# functions are no change; a change of what there was needs a new major version, which is a new soname.
#
#   check-abi.sh [REVISION]     default: the last release, a tag; before the first one nothing is compared
#
# Takes abigail-tools.

set -eu
cd "$(dirname "$0")/.."

case ${1:-} in
-h | --help)
	sed -n '/^#   check-abi.sh/,/^$/s/^# \{0,3\}//p' "$0"
	exit 0
	;;
esac
command -v abidiff > /dev/null || {
	echo "check-abi: no abidiff: install abigail-tools" >&2
	exit 1
}
revision=${1:-$(git describe --tags --abbrev=0 2> /dev/null || true)}
[ -n "$revision" ] || {
	echo "check-abi: no release yet, so NOTHING WAS COMPARED; name a revision to compare with" >&2
	exit 77
}
revision=$(git rev-parse --short "$revision^{commit}")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# install_as NAME: what lies in $dir/NAME-src is built and installed into $dir/NAME
install_as() {
	local log=$dir/$1.log
	{
		meson setup "$dir/$1-build" "$dir/$1-src" --prefix=/usr -Dbuildtype=debugoptimized -Dtests=false &&
			DESTDIR=$dir/$1 meson install -C "$dir/$1-build"
	} > "$log" 2>&1 && return
	tail -n 20 "$log" >&2
	exit 1
}

soname() {
	objdump -p "$1" | sed -n 's/^ *SONAME *//p'
}

mkdir "$dir/old-src" "$dir/new-src"
git archive "$revision" | tar -x -C "$dir/old-src"
git ls-files -z | tar --null --files-from=- -c | tar -x -C "$dir/new-src"
install_as old
install_as new

bad=0
while read -r old; do
	so=$(readlink -f "$old")
	name=$(basename "$old" .so)
	new=$(find "$dir/new" -name "$name.so")
	if [ -z "$new" ]; then
		echo "check-abi: $name is gone since $revision"
		bad=1
		continue
	fi
	rc=0
	abidiff --no-added-syms --drop-private-types --headers-dir1 "$dir/old/usr/include" \
		--headers-dir2 "$dir/new/usr/include" "$so" "$(readlink -f "$new")" > "$dir/report" || rc=$?
	if [ $((rc & 3)) -ne 0 ]; then
		cat "$dir/report" >&2
		exit 1
	fi
	if [ $rc -eq 0 ]; then
		echo "check-abi: $name: as at $revision"
	elif [ "$(soname "$so")" != "$(soname "$new")" ]; then
		echo "check-abi: $name: changed since $revision, and so has its soname"
	else
		cat "$dir/report"
		echo "check-abi: $name: changed since $revision, and its soname has not"
		bad=1
	fi
done < <(find "$dir/old" -name 'lib*.so' | sort)
exit $bad
