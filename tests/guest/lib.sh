# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# What the guest tests share; sourced with `here` set to this folder.

cache=$("$here/../../devtools/guest-setup.sh" --print)

# Software emulation does, everywhere. IMS_GUEST_ACCEL=kvm is faster where KVM works: that there is
# a /dev/kvm does not say so, a nested one may fail in the middle of a boot.
accel="-accel tcg,thread=multi -cpu max"
[ "${IMS_GUEST_ACCEL:-tcg}" != kvm ] ||
	accel="-accel kvm,kernel-irqchip=split -cpu host"

fail() {
	echo "guest test: $*"
	exit 1
}

# need FILE: made by guest-setup.sh
need() {
	[ -e "$1" ] || fail "$1 is missing, run devtools/guest-setup.sh first"
}

# Sets qemu to the newer one's command. It runs on the libraries it came with, and needs no privilege for that.
newer_qemu() {
	local root=$cache/qemu
	need "$root/.ready"
	qemu=("$root/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu"
		"$root/usr/bin/qemu-system-x86_64" -L "$root/usr/share/qemu" -L "$root/usr/share/seabios")
}

# judge LOG: the guest came to its end, every check passed, and the kernel had nothing to complain of. With a line
# "guest: skip REASON" of a guest that passed the test is skipped.
judge() {
	cat "$1"
	grep -q '^guest: end' "$1" || fail "the guest did not come to its end"
	grep -q '^guest: .* rc 0 ' "$1" || fail "no test ran"
	! grep -E '^guest: (dmesg|module|no device|cannot)|^guest: .* rc [1-9]' "$1" ||
		fail "failed, see the lines above"
	! grep '^guest: skip' "$1" || exit 77
}
