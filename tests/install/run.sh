#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# What gets installed is enough to build and run the first example, outside of the tree, and a program with
# librte_ims_ethdev.
#
#   run.sh SOURCE_DIR BUILD_DIR

set -eu

src=$1 build=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

DESTDIR=$dir/root meson install -C "$build" --no-rebuild --quiet
pc=$(dirname "$(find "$dir/root" -name librte_ims.pc)")
prefix=$dir/root$(sed -n 's/^prefix=//p' "$pc/librte_ims.pc")
libdir=$(dirname "$pc")
export PKG_CONFIG_PATH=$pc

# The .pc file says where things will be; here they are below $dir/root.
sed -i "s|^prefix=.*|prefix=$prefix|" "$pc"/*.pc
cp "$src/examples/timer_intr/main.c" "$dir/main.c"
# shellcheck disable=SC2046 # flags
${CC:-cc} -DALLOW_EXPERIMENTAL_API "$dir/main.c" -o "$dir/timer_intr" \
	$(pkg-config --cflags --libs librte_pmd_timer_ims) -Wl,-rpath,"$libdir" -Wl,-rpath-link,"$libdir"
IMS_DEVSRV=$prefix/bin/ims-devsrv "$dir/timer_intr" --no-huge --no-pci --no-shconf -m 64 -l 0 |
	grep -x 'tick 10'

cat > "$dir/ethdev.c" << END
#include <rte_ims_ethdev.h>

int
main(void)
{
	return rte_ims_ethdev_rxq_del(NULL) >= 0;
}
END
# shellcheck disable=SC2046 # flags
${CC:-cc} -DALLOW_EXPERIMENTAL_API $(pkg-config --cflags librte_ims_ethdev) "$dir/ethdev.c" -o "$dir/ethdev" \
	$(pkg-config --libs librte_ims_ethdev) -L"$libdir" -Wl,-rpath,"$libdir" -Wl,-rpath-link,"$libdir"
"$dir/ethdev"
