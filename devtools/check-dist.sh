#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# What `meson dist` packs builds and passes the unit tests. It packs the last commit.
#
#   check-dist.sh BUILD-DIR

set -eu
cd "$(dirname "$0")/.."

build=${1:-build}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

meson dist -C "$build" --no-tests --formats gztar --allow-dirty > "$dir/dist.log" 2>&1 || {
	tail -n 20 "$dir/dist.log" >&2
	exit 1
}
name=rte_ims-$(cat VERSION)
(cd "$build/meson-dist" && sha256sum --check --quiet "$name.tar.gz.sha256sum")
tar -xf "$build/meson-dist/$name.tar.gz" -C "$dir"
meson setup "$dir/build" "$dir/$name" -Dbuildtype=debugoptimized > "$dir/setup.log" || {
	cat "$dir/setup.log" >&2
	exit 1
}
ninja -C "$dir/build" --quiet
meson test -C "$dir/build" --no-rebuild --print-errorlogs --suite unit
