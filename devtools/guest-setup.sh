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

# An apt of its own, which also knows backports: the system's sources stay as they are.
apt_state() {
	local state=$cache/apt mirror
	[ -f "$state/.ready" ] && return
	rm -rf "$state" && mkdir -p "$state"/{lists/partial,cache/archives/partial}
	mirror=$(grep -rhsoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list \
		/etc/apt/sources.list.d | head -n 1 | tr -d ' ')
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
		"${mirror:-http://deb.debian.org/debian} bookworm-backports main" > "$state/sources.list"
	: > "$state/status"
	apt_private get update -qq
	touch "$state/.ready"
}

# apt_private get|cache ARG...
apt_private() {
	local state=$cache/apt tool=apt-$1
	shift
	"$tool" -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::State::Lists="$state/lists" -o Dir::State::status="$state/status" \
		-o Dir::Cache="$state/cache" -o APT::Sandbox::User=root "$@"
}

# unpack_kernel DIR: its bzImage takes seconds to unpack itself under emulation, so QEMU boots the
# ELF image inside as it is (PVH).
unpack_kernel() {
	local dir=$1
	dpkg -x "$dir"/deb/*.deb "$dir/root"
	python3 - "$(echo "$dir"/root/boot/vmlinuz-*)" "$dir/vmlinux.tmp" << 'EOF'
import lzma
import sys

data = open(sys.argv[1], "rb").read()
start = data.find(b"\xfd7zXZ\0")
if start >= 0:
    data = lzma.LZMADecompressor().decompress(data[start:])
# else: packed some other way (zstd); QEMU boots the bzImage, which unpacks itself
open(sys.argv[2], "wb").write(data)
EOF
	mv "$dir/vmlinux.tmp" "$dir/vmlinux"
	rm -rf "$dir/deb"
}

apt_system() {
	local tool=apt-$1
	shift
	"$tool" "$@"
}

# kernel_setup VERSION APT: the newest image of a version that this apt knows
kernel_setup() {
	local version=$1 apt=$2 dir=$cache/kernel-$1 pkg
	[ -f "$dir/vmlinux" ] && return
	echo "guest-setup: kernel $version"
	rm -rf "$dir" && mkdir -p "$dir/deb"
	# The meta package names the image. Only looked up, never resolved: what is installed here, and
	# in which state, does not matter.
	pkg=$("$apt" cache show linux-image-amd64 |
		sed -n "s/^Depends: \(linux-image-$version[^ ,]*\).*/\1/p" | sort -V | tail -n 1)
	[ -n "$pkg" ] || {
		echo "guest-setup: no package of Linux $version is known to apt; try apt-get update" >&2
		exit 1
	}
	(cd "$dir/deb" && "$apt" get download -qq "$pkg" 2> /dev/null) || {
		echo "guest-setup: cannot download $pkg; try apt-get update" >&2
		exit 1
	}
	unpack_kernel "$dir"
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
	"${as_root[@]}" touch "$root/.ready"
}

apt_state
kernel_setup 6.1 apt_system
kernel_setup 6.12 apt_private
qemu_setup
