#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# Install what building and testing need: packages of Debian 12, nothing else. Where all of them are
# installed this asks for no privilege and touches no network.
#
#   install-deps.sh [--print] [build] [test] [fuzz] [static] [scan] [guest] [bench] [package]
#
# test has build in it; without a group: build.
#
#   --print     only name the packages

set -eu

build="build-essential meson ninja-build pkg-config libdpdk-dev libnuma-dev libhwloc-dev libjson-c-dev libseccomp-dev"
test="babeltrace2 libcmocka-dev libevent-dev pciutils clang-format-14 python3 spin valgrind"
static="cppcheck clang-tidy-14"
scan="clang-tools-14"
fuzz="clang-14 libclang-rt-14-dev"
package="debhelper lintian abigail-tools libcmocka-dev pciutils doxygen graphviz python3-sphinx"
guest="dpdk-dev qemu-system-x86 busybox-static cpio kmod xz-utils debootstrap"

print=no
if [ "${1:-}" = --print ]; then
	print=yes
	shift
fi

wanted=""
for group in "${@:-build}"; do
	case $group in
	build) wanted+=" $build" ;;
	test) wanted+=" $build $test" ;;
	fuzz) wanted+=" $build $fuzz" ;;
	static) wanted+=" $build $static" ;;
	scan) wanted+=" $build $scan" ;;
	guest) wanted+=" $guest" ;;
	bench) wanted+=" libevent-dev" ;;
	package) wanted+=" $build $package" ;;
	*)
		echo "install-deps: unknown group '$group', expected build, test, fuzz, static, scan, guest, bench or package" >&2
		exit 2
		;;
	esac
done

if [ $print = yes ]; then
	echo "${wanted# }"
	exit 0
fi

missing=()
for pkg in $wanted; do
	dpkg-query -W -f '${Status}' "$pkg" 2> /dev/null | grep -q 'install ok installed' ||
		missing+=("$pkg")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "install-deps: installing ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo > /dev/null; then
		echo "install-deps: not root and no sudo; run as root:" >&2
		echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
		exit 1
	fi
	as_root=(sudo)
fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
	apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
