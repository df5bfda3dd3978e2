#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# matrix.sh CONFORMANCE GUIDE [--write]: the guide's table is the one that the program prints.

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
"$1" --matrix | sed 's/^/   /' > "$dir/is"
sed -n '/^\.\. csv-table/,/^[^ .]/s/^   "/   "/p' "$2" > "$dir/told"
if [ "$3" = --write ]; then
	sed -i -e "/^   \"VERSION\", /{
		r $dir/is
	}" -e '/^   "/d' "$2"
	exit
fi
diff "$dir/told" "$dir/is" || {
	echo "the table of $2 is an old one: $0 $1 $2 --write" >&2
	exit 1
}
