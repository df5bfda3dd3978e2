#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# Check a model with SPIN: no assertion fails, no deadlock, the formula, if it has one, holds under
# weak fairness, and all of the model is reached, but for lines with a comment "not reached". Then the
# same model with a bug in it, for each line "BUG=N WHAT: ..." in its comment: SPIN has to find it, as
# WHAT. "BUG=N T_REVERSE WHAT" has it search in another order, in which it finds that one sooner.
#
#   check.sh MODEL.pml [N]        N: only this variant, 0: none; the counterexample is printed

set -eu

model=$(basename "$1") only=${2-}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cp "$(dirname "$1")"/*.pml "$dir"
cd "$dir"

fail() {
	echo "check.sh: $*" >&2
	exit 1
}

# build NAME DEFINE... -- CC_OPTION...: the verifier of a variant
build() {
	local name=$1 defines=()
	shift
	while [ "$1" != -- ]; do
		defines+=("$1")
		shift
	done
	shift
	spin "${defines[@]}" -a "$model" > spin.log 2>&1 || {
		cat spin.log >&2
		fail "spin fails"
	}
	"${CC:-cc}" -w "$@" -o "$name" pan.c
}

# verify NAME OPTION...: its report in NAME.log
verify() {
	local name=$1
	shift
	"./$name" -m1000000 -w24 -v "$@" > "$name.log" 2>&1 || true
	! grep -q 'max search depth too small' "$name.log" || fail "$name: not all was searched"
	grep -q '^State-vector' "$name.log" || {
		cat "$name.log" >&2
		fail "$name: no report"
	}
}

figures() {
	awk '/^State-vector/ { errors = $NF } /states, stored/ { states = $1 }
		/total actual memory/ { memory = $1 } /elapsed time/ { time = $4 }
		END { printf "%s errors, %d states, %.0f MiB, %s s\n", errors, states, memory, time }' "$1.log"
}

# What is not reached and has no comment that says so.
unreached() {
	local file line
	grep -oE '^	[^:]+\.pml:[0-9]+, state' safety.log | tr -d '\t' | sed 's/, state//' | sort -u |
		while IFS=: read -r file line; do
			sed -n "${line}p" "$file" |
				grep -q 'not reached' || echo "$file:$line"
		done
}

if [ -z "$only" ] || [ "$only" = 0 ]; then
	build safety -- -O2 -DSAFETY -DNOCLAIM
	verify safety
	echo "$model: safety: $(figures safety)"
	names=(safety)
	if grep -q '^ltl' "$model"; then
		build live -- -O2 -DNFAIR=3
		verify live -a -f
		echo "$model: liveness: $(figures live)"
		names+=(live)
	fi
	for name in "${names[@]}"; do
		grep -q 'errors: 0$' "$name.log" || {
			grep '^pan:' "$name.log"
			spin -t -p "$model" | tail -n 80
			fail "$name: errors"
		}
	done
	left=$(unreached)
	[ -z "$left" ] || fail "not reached: ${left//$'\n'/ }"
fi

sed -nE 's/^ \* BUG=([0-9]+)( (T_REVERSE))? ([a-z ]+): .*/\1 \3- \4/p' "$model" > bugs
[ -s bugs ] || fail "$model: no variants with a bug"
while read -r n order what; do
	[ -z "$only" ] || [ "$only" = "$n" ] || continue
	if [ "$what" = "acceptance cycle" ]; then
		build "bug$n" -DBUG="$n" -- -O0 -DNFAIR=3
		verify "bug$n" -a -f
	else
		# With the last process first most are found in a hundredth of the time, the others with the
		# last transition first.
		[ "$order" != - ] || order=REVERSE-
		build "bug$n" -DBUG="$n" -- -O0 -DSAFETY -DNOCLAIM -D"${order%-}"
		verify "bug$n"
	fi
	grep -q "^pan:1: $what" "bug$n.log" || fail "BUG=$n is not found: expected $what"
	echo "$model: BUG=$n: $what"
	if [ -n "$only" ]; then
		spin -DBUG="$n" -t -p -g -l "$model" || true
	fi
done < bugs
