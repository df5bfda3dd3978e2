#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# Prepare what the guest tests boot: kernels of Debian 12 (unpacked, not installed) and a QEMU that
# has vfio-user-pci (11.1 or later), from Debian packages in a root of its own. Done once, about a
# minute; kept outside the tree and reused. The system's own packages and sources are not touched.
#
#   guest-setup.sh [--print]        --print: only the directory's name

set -eu

cache=${IMS_GUEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/rte_ims-guest}
if [ "${1:-}" = --print ]; then
	echo "$cache"
	exit 0
fi
mkdir -p "$cache"

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)

# The kernel that Debian 12 runs. Its bzImage takes seconds to unpack itself under emulation: QEMU
# boots the ELF image inside as it is (PVH).
kernel_setup() {
	local dir=$cache/kernel-6.1 pkg
	[ -f "$dir/vmlinux" ] && return
	echo "guest-setup: kernel 6.1"
	rm -rf "$dir" && mkdir -p "$dir/deb"
	pkg=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-6.1[^ ]*\).*/\1/p' |
		head -n 1)
	if [ -z "$pkg" ]; then
		"${as_root[@]}" apt-get update -qq
		pkg=$(apt-cache depends linux-image-amd64 |
			sed -n 's/.*Depends: \(linux-image-6.1[^ ]*\).*/\1/p' | head -n 1)
	fi
	(cd "$dir/deb" && apt-get download -qq "$pkg" 2> /dev/null)
	dpkg -x "$dir"/deb/*.deb "$dir/root"
	python3 - "$dir"/root/boot/vmlinuz-* "$dir/vmlinux.tmp" << 'EOF'
import lzma
import sys

data = open(sys.argv[1], "rb").read()
start = data.find(b"\xfd7zXZ\0")
if start < 0:
    sys.exit("guest-setup: the kernel is not packed with xz")
open(sys.argv[2], "wb").write(lzma.LZMADecompressor().decompress(data[start:]))
EOF
	mv "$dir/vmlinux.tmp" "$dir/vmlinux"
	rm -rf "$dir/deb"
}

qemu_setup() {
	local root=$cache/qemu
	[ -f "$root/.ready" ] && return
	echo "guest-setup: QEMU with vfio-user-pci"
	"${as_root[@]}" rm -rf "$root"
	"${as_root[@]}" debootstrap --variant=minbase trixie "$root" > "$cache/debootstrap.log" 2>&1 || {
		tail -n 5 "$cache/debootstrap.log" >&2
		exit 1
	}
	mirror=$("${as_root[@]}" awk '$1 == "deb" { print $2; exit }' "$root/etc/apt/sources.list")
	echo "deb $mirror trixie-backports main" |
		"${as_root[@]}" tee "$root/etc/apt/sources.list.d/backports.list" > /dev/null
	"${as_root[@]}" chroot "$root" apt-get update -qq
	"${as_root[@]}" chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
		--no-install-recommends -t trixie-backports qemu-system-x86 > /dev/null 2>&1
	"${as_root[@]}" chroot "$root" apt-get clean
	"${as_root[@]}" mkdir -p "$root/run/ims"
	"${as_root[@]}" chmod 1777 "$root/run/ims"
	"${as_root[@]}" touch "$root/.ready"
}

kernel_setup
qemu_setup
