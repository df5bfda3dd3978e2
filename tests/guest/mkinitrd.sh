#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# Make a guest's initramfs: busybox, the kernel modules named, programs with the libraries they need,
# and the script that the guest runs.
#
#   mkinitrd.sh OUT MODULES_DIR "MODULE..." SCRIPT PROGRAM...
#
# PROGRAM is a path, the name of an installed program, one of DPDK's plug-ins: librte_NAME, or libgcc_s, which
# a program that ends threads loads.

set -eu

out=$1 modules=$2 wanted=$3 script=$4
shift 4
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
mkdir -p "$root"/{bin,lib,lib64,prog,modules,etc}

cp /bin/busybox "$root/bin/busybox"
install -m 755 "$here/init" "$root/init"
cp "$script" "$root/script"

# In the order given, with the modules each needs in front of it.
order=()
add_module() {
	local m=$1 dep file
	for o in "${order[@]}"; do
		[ "$o" = "$m.ko" ] && return
	done
	file=$(find "$modules" -name "$m.ko" -o -name "$m.ko.xz" | head -n 1)
	if [ -z "$file" ]; then
		grep -q "/$m.ko" "$modules/modules.builtin" && return
		echo "mkinitrd: no module $m in $modules" >&2
		exit 1
	fi
	case $file in
	*.xz) xz -dc "$file" > "$root/modules/$m.ko" ;;
	*) cp "$file" "$root/modules/$m.ko" ;;
	esac
	for dep in $(modinfo -F depends "$root/modules/$m.ko" | tr ',' ' '); do
		add_module "$dep"
	done
	order+=("$m.ko")
}
for m in $wanted; do
	add_module "$m"
done
printf '%s\n' "${order[@]}" > "$root/modules/order"

for p in "$@"; do
	case $p in
	librte_*) p=$(find /usr/lib /usr/local/lib -path "*/dpdk/pmds-*/$p.so.??" | head -n 1) ;;
	libgcc_s) p=$(ldconfig -p | sed -n 's/.*x86-64.* => \(.*libgcc_s.so.1\)$/\1/p' | head -n 1) ;;
	*/*) ;;
	*) p=$(command -v "$p") ;;
	esac
	cp "$p" "$root/prog/"
	ldd "$p" | awk '$3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' | while read -r lib; do
		case $lib in
		*/ld-linux*) cp -Ln "$lib" "$root/lib64/" ;;
		*) cp -Ln "$lib" "$root/lib/" ;;
		esac
	done
done

(cd "$root" && find . | cpio -o -H newc --quiet) > "$out"
