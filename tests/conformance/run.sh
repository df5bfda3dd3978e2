#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# run.sh CONFORMANCE DEVSRV MODEL: our own server, in which nothing may deviate.

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
"$1" --strict --socket "$dir/s" -- "$2" --model "$3" --socket "$dir/s"
