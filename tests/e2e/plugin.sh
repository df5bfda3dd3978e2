#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# Run a program with a driver that EAL loads. EAL refuses plug-ins that lie below a directory that all
# can write to, /tmp for example: then the driver is tried from a private place.
#
#   plugin.sh PROGRAM DRIVER.so

set -eu

program=$1 driver=$(realpath "$2")

safe() {
	local dir=$1
	while :; do
		[ -z "$(find "$dir" -maxdepth 0 -perm -o=w)" ] || return 1
		[ "$dir" != / ] || return 0
		dir=$(dirname "$dir")
	done
}

if ! safe "$(dirname "$driver")"; then
	dir=$(mktemp -d "${HOME:-/nowhere}/.rte_ims-plugin-XXXXXX" 2> /dev/null) || dir=
	if [ -z "$dir" ] || ! safe "$dir"; then
		echo "skipped: no directory for a plug-in that EAL would trust"
		exit 77
	fi
	trap 'rm -rf "$dir"' EXIT
	cp "$driver" "$dir/"
	driver=$dir/$(basename "$driver")
fi
"$program" "$driver"
