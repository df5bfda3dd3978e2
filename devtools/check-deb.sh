#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# Build the Debian packages, have lintian look at them, and build every example with what is in them, by
# pkg-config alone. Nothing is installed on this machine.
#
#   check-deb.sh [DIR]          DIR: keep the packages there

set -eu
cd "$(dirname "$0")/.."

keep=${1:-}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

[ "$(dpkg-parsechangelog -S Version)" = "$(cat VERSION)" ] || {
	echo "check-deb: debian/changelog does not have the version in VERSION" >&2
	exit 1
}

mkdir "$dir/rte-ims"
git ls-files -z | tar --null --files-from=- -c | tar -x -C "$dir/rte-ims"
(cd "$dir/rte-ims" && dpkg-buildpackage -us -uc -b) > "$dir/build.log" 2>&1 || {
	tail -n 40 "$dir/build.log" >&2
	exit 1
}
lintian --allow-root --fail-on error,warning "$dir"/*.changes

root=$dir/root
for deb in "$dir"/*.deb; do
	case $deb in
	*-dbgsym_*) ;;
	*)
		dpkg -x "$deb" "$root"
		dpkg -I "$deb" | sed -n 's/^ \(Package\|Depends\): /check-deb: &/p'
		;;
	esac
done
libdir=$(dirname "$(dirname "$(find "$root" -name librte_ims.pc)")")

# The .pc files say where things will be; here they are below the root.
sed -i "s|^prefix=.*|prefix=$root/usr|" "$libdir"/pkgconfig/*.pc
export PKG_CONFIG_PATH=$libdir/pkgconfig

# The driver that an example is for is the one whose header it has.
for src in examples/*/main.c; do
	name=$(basename "$(dirname "$src")")
	driver=$(sed -n 's/^#include <\(rte_pmd_.*\)\.h>$/lib\1/p' "$src")
	# shellcheck disable=SC2046 # flags
	${CC:-cc} -Wall -Werror -DALLOW_EXPERIMENTAL_API $(pkg-config --cflags "${driver:-librte_ims}") "$src" \
		-o "$dir/$name" $(pkg-config --libs "${driver:-librte_ims}") -Wl,-rpath-link,"$libdir"
	echo "check-deb: built examples/$name"
done

LD_LIBRARY_PATH=$libdir IMS_DEVSRV=$root/usr/bin/ims-devsrv "$dir/timer_intr" --no-huge --no-pci --no-shconf \
	--no-telemetry -m 64 -l 0 | grep -x 'tick 10'
if [ -n "$keep" ]; then
	mkdir -p "$keep"
	cp "$dir"/*.deb "$dir"/*.changes "$keep"
fi
