#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# A device model attached to QEMU by vfio-user-pci, driven by the e2e programs through the guest
# kernel's own vfio-pci, behind an emulated VT-d with interrupt remapping.
#
#   vfio_user.sh IMS_DEVSRV MODEL VENDOR:DEVICE SCRIPT PROGRAM...
#
# SCRIPT is run by the guest with $dev set to the device's address.

set -eu

devsrv=$1 model=$2 id=$3 script=$4
shift 4
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

kernel=$cache/kernel-6.1
need "$kernel/vmlinux"
newer_qemu

dir=$(mktemp -d)
pid=
cleanup() {
	[ -z "$pid" ] || kill "$pid" 2> /dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT

{
	echo "dev=\$(find_dev $id)"
	echo 'bind $dev'
	cat "$script"
} > "$dir/script"
"$here/mkinitrd.sh" "$dir/initrd" "$(echo "$kernel"/root/lib/modules/*)" \
	"vfio-pci vfio_iommu_type1" "$dir/script" "$@"

"$devsrv" --model "$model" --socket "$dir/dev.sock" > "$dir/devsrv.log" 2>&1 &
pid=$!
for _ in $(seq 100); do
	[ -S "$dir/dev.sock" ] && break
	sleep 0.05
done

timeout 150 "${qemu[@]}" -accel tcg,thread=multi -cpu max \
	-smp 2 -m 1G -object memory-backend-memfd,id=m0,size=1G,share=on \
	-machine q35,memory-backend=m0,kernel-irqchip=split \
	-device intel-iommu,intremap=on,caching-mode=on \
	-nodefaults -display none -serial stdio -no-reboot \
	-kernel "$kernel/vmlinux" -initrd "$dir/initrd" \
	-append "console=ttyS0 panic=-1 no_timer_check intel_iommu=on quiet" \
	-device "{\"driver\":\"vfio-user-pci\",\"socket\":{\"path\":\"$dir/dev.sock\",\"type\":\"unix\"}}" \
	< /dev/null > "$dir/console" 2>&1 || echo "QEMU ended with $?"
tr -d '\r' < "$dir/console" > "$dir/log"

kill "$pid" || fail "the device process has died: $(cat "$dir/devsrv.log")"
wait "$pid" || fail "the device process ended with $?"
pid=
judge "$dir/log"
