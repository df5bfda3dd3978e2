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
cache=$("$here/../../devtools/guest-setup.sh" --print)
root=$cache/qemu
if [ ! -f "$root/.ready" ] || [ ! -f "$cache/kernel-6.1/vmlinux" ]; then
	echo "vfio_user.sh: run devtools/guest-setup.sh first" >&2
	exit 1
fi
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)

# QEMU sees its own root only: what it needs goes there.
dir=$(mktemp -d "$root/run/ims/XXXXXX")
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
"$here/mkinitrd.sh" "$dir/initrd" "$(echo "$cache"/kernel-6.1/root/lib/modules/*)" \
	"vfio-pci vfio_iommu_type1" "$dir/script" "$@"
ln "$cache/kernel-6.1/vmlinux" "$dir/vmlinux" 2> /dev/null ||
	cp "$cache/kernel-6.1/vmlinux" "$dir/vmlinux"

"$devsrv" --model "$model" --socket "$dir/dev.sock" --mode 0666 > "$dir/devsrv.log" 2>&1 &
pid=$!
for _ in $(seq 100); do
	[ -S "$dir/dev.sock" ] && break
	sleep 0.05
done

accel=tcg,thread=multi
in_root=/run/ims/$(basename "$dir")
timeout 150 "${as_root[@]}" chroot "$root" qemu-system-x86_64 -accel $accel -cpu max -smp 2 -m 1G \
	-object memory-backend-memfd,id=m0,size=1G,share=on \
	-machine q35,memory-backend=m0,kernel-irqchip=split \
	-device intel-iommu,intremap=on,caching-mode=on \
	-nodefaults -display none -serial stdio -no-reboot \
	-kernel "$in_root/vmlinux" -initrd "$in_root/initrd" \
	-append "console=ttyS0 panic=-1 intel_iommu=on quiet" \
	-device "{\"driver\":\"vfio-user-pci\",\"socket\":{\"path\":\"$in_root/dev.sock\",\"type\":\"unix\"}}" \
	< /dev/null > "$dir/console" 2>&1 || echo "vfio_user.sh: QEMU ended with $?"
tr -d '\r' < "$dir/console" > "$dir/log"
cat "$dir/log"

if ! kill "$pid"; then
	echo "vfio_user.sh: the device process has died"
	cat "$dir/devsrv.log"
	exit 1
fi
wait "$pid" || { echo "vfio_user.sh: the device process ended with $?"; exit 1; }
pid=
grep -q '^guest: end' "$dir/log" || { echo "vfio_user.sh: the guest did not come to its end"; exit 1; }
grep -q '^guest: .* rc 0 ' "$dir/log" || { echo "vfio_user.sh: no test ran"; exit 1; }
if grep -E '^guest: (dmesg|module|no device|cannot)|^guest: .* rc [1-9]' "$dir/log"; then
	echo "vfio_user.sh: failed, see the lines above"
	exit 1
fi
