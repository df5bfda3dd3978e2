#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# Build, and run the unit and end-to-end tests, with the DPDK and the compiler of other Debian releases,
# each in a root of its own. The roots are made once (3 minutes and 1 GB each), kept outside the tree and
# reused; remove them to have newer packages. What is tracked in the tree is tested, as it is there.
#
#   check-dpdk.sh [RELEASE...]       default: trixie sid
#   check-dpdk.sh --print            only the directory's name

set -eu
cd "$(dirname "$0")/.."

cache=${IMS_DPDK_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/rte_ims-dpdk}
case ${1:-} in
--print)
	echo "$cache"
	exit 0
	;;
-h | --help)
	sed -n '/^#   check-dpdk.sh/,/^$/s/^# \{0,3\}//p' "$0"
	exit 0
	;;
esac
mkdir -p "$cache"

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)

mirror=$(grep -rhsoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d |
	head -n 1 | tr -d ' ')

# The formatter's version is part of the style; the models have nothing of DPDK.
packages=$(devtools/install-deps.sh --print test | tr ' ' '\n' | grep -vE '^(clang-format-.*|spin)$')

# in_root ROOT COMMAND...: the mounts are gone when it ends
in_root() {
	local root=$1
	shift
	# shellcheck disable=SC2016 # for the inner shell
	"${as_root[@]}" unshare --mount bash -eu -c '
		root=$1
		shift
		for dir in dev proc sys; do
			mount --rbind "/$dir" "$root/$dir"
		done
		exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
			DEBIAN_FRONTEND=noninteractive "$@"' in_root "$root" "$@"
}

root_make() {
	local release=$1 root=$cache/$1
	echo "check-dpdk: a root with $release"
	"${as_root[@]}" rm -rf "$root"
	"${as_root[@]}" debootstrap --variant=minbase "$release" "$root" \
		${mirror:+"$mirror"} > "$cache/$release.log" 2>&1 || {
		tail -n 5 "$cache/$release.log" >&2
		exit 1
	}
	# The mirror of a release in development may be behind by weeks.
	echo 'Acquire::Check-Valid-Until "false";' |
		"${as_root[@]}" tee "$root/etc/apt/apt.conf.d/90mirror" > /dev/null
}

# Made once; packages that the tree has come to need since are added.
root_setup() {
	local release=$1 root=$cache/$1
	[ -f "$root/.ready" ] && [ "$(cat "$root/.ready")" = "$packages" ] && return
	[ -f "$root/.ready" ] || root_make "$release"
	in_root "$root" apt-get update -qq
	# shellcheck disable=SC2086 # a list
	in_root "$root" apt-get install -y -qq --no-install-recommends $packages >> "$cache/$release.log" 2>&1 || {
		tail -n 5 "$cache/$release.log" >&2
		exit 1
	}
	in_root "$root" apt-get clean
	echo "$packages" | "${as_root[@]}" tee "$root/.ready" > /dev/null
}

check() {
	local release=$1 root=$cache/$1
	"${as_root[@]}" rm -rf "$root/src"
	"${as_root[@]}" mkdir "$root/src"
	git ls-files -z | tar --null --files-from=- -c | "${as_root[@]}" tar -x --no-same-owner -C "$root/src"
	in_root "$root" sh -euc '
		cd /src
		echo "DPDK $(pkg-config --modversion libdpdk), $(cc --version | head -n 1), meson $(meson --version)"
		meson setup build -Dbuildtype=debugoptimized -Dwerror=true > setup.log || { cat setup.log; exit 1; }
		ninja -C build --quiet
		meson test -C build --no-rebuild --print-errorlogs --suite unit --suite e2e'
}

[ $# -gt 0 ] || set -- trixie sid
failed=()
for release in "$@"; do
	root_setup "$release"
	echo "check-dpdk: $release"
	check "$release" || failed+=("$release")
done
[ ${#failed[@]} -eq 0 ] || {
	echo "check-dpdk: failed with ${failed[*]}" >&2
	exit 1
}
