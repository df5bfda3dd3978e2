#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# A program ends with 0, and a text is in what it prints.
#
#   prints.sh TEXT PROGRAM ARG...

set -eu -o pipefail

text=$1
shift
"$@" 2>&1 | tee /dev/stderr | grep -F "$text" > /dev/null
