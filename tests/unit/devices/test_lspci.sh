#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# test_lspci.sh DEVSRV MODEL GOLDEN: configuration space as lspci reads it. Names of vendors and
# classes come from a data base that changes, so none is used.

command -v lspci > /dev/null || {
	echo "lspci is missing (package pciutils)"
	exit 77
}

# Later ones write the same in other words.
lspci --version | grep -q ' 3\.9\.' || {
	echo "lspci 3.9 is missing: this is $(lspci --version)"
	exit 77
}

dump=$("$1" --model "$2" --dump-config) || exit 1
out=$(echo "$dump" | lspci -vv -n -O hwdb.disable=1 -i /dev/null -F /dev/stdin 2> /dev/null) ||
	exit 1
echo "$out" | diff -u "$3" -
