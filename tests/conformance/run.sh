#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# run.sh CONFORMANCE SERVER MODEL: our own server, in which nothing may deviate but what is told below.

conformance=$1 server=$2 model=$3
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

# registers ADDRESS COUNT COMMAND RESULT of dma_dev.c
dma_dev() {
	echo "0:0/8=IOVA,0:8/4=COUNT,0:0xc/4=$1,0:0x10/4?"
}

case $model in
timer_ims)
	# Slot 1 (address, data, unmasked); timer 0 (slot 1, after 1 ns, once, enabled), which is then started.
	set -- --dma-write "0:0x10010/4=IOVA,0:0x10014/4=0,0:0x10018/4=1,0:0x1001c/4=0,\
0:0x40004/4=1,0:0x40008/8=1,0:0x40010/8=1,0:0x40000/4=1,0:0x40/4=0" -- "$server" --model "$model" --socket "$dir/s"
	;;
dma_dev)
	set -- --only DMA_ --dma-read "$(dma_dev 1)" --dma-write "$(dma_dev 2)" -- "$server" "$dir/s"
	;;
*)
	set -- -- "$server" --model "$model" --socket "$dir/s"
	;;
esac
# It asks for memory that the client has not exported: conformance.rst says why.
"$conformance" --strict --but "memory that is" --socket "$dir/s" "$@"
