#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# The e2e programs against the devices of a stock QEMU, through the guest kernel's own vfio-pci,
# behind an emulated VT-d.
#
#   stock.sh KERNEL SCRIPT QEMU_ARGS PROGRAM...
#
# KERNEL is a directory of the guest cache. QEMU_ARGS are added to the machine; DISK in them stands
# for a fresh 64 MiB disk image. A line "guest: qmp {...}" of the guest is passed on to QEMU's
# monitor. The guest has IMS_GUEST_SECONDS, 120 unless set. IMS_GUEST_NEWER_QEMU: run the QEMU of the guest cache.

set -eu

kernel=$1 script=$2 args=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

qemu=(qemu-system-x86_64)
[ -z "${IMS_GUEST_NEWER_QEMU:-}" ] || newer_qemu
kernel=$cache/$kernel
need "$kernel/vmlinux"
dir=$(mktemp -d)
monitor=
trap 'rm -rf "$dir"; [ -z "$monitor" ] || kill "$monitor" 2> /dev/null || true' EXIT

truncate -s 64M "$dir/disk"
"$here/mkinitrd.sh" "$dir/initrd" "$(echo "$kernel"/root/*lib/modules/*)" \
	"vfio-pci vfio_iommu_type1 $(sed -n 's/^# modules: //p' "$script")" "$script" "$@"
"$here/monitor.py" "$dir/qmp" "$dir/console" &
monitor=$!
run() {
	# shellcheck disable=SC2086 # lists
	timeout "${IMS_GUEST_SECONDS:-120}" "${qemu[@]}" $accel -smp 2 -m 1G -machine q35 \
		-nodefaults -display none -serial stdio -no-reboot -qmp unix:$dir/qmp,server=on,wait=off \
		-kernel "$kernel/vmlinux" -initrd "$dir/initrd" \
		-append "console=ttyS0 panic=-1 no_timer_check intel_iommu=on quiet" \
		${args//DISK/$dir/disk} < /dev/null > "$dir/console" 2>&1
}
rc=0
run || rc=$?
# QEMU itself has crashed (7.2 does so once in a hundred times when memory is unmapped under a device).
if [ $rc = 139 ] || [ $rc = 134 ]; then
	echo "QEMU has died of signal $((rc - 128)): once more"
	rm -f "$dir/qmp"
	kill "$monitor" 2> /dev/null || true
	"$here/monitor.py" "$dir/qmp" "$dir/console" &
	monitor=$!
	rc=0
	run || rc=$?
fi
[ $rc = 0 ] || echo "QEMU ended with $rc"
tr -d '\r' < "$dir/console" > "$dir/log"
judge "$dir/log"
