#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# The screens in the guides are real: run doc/guides/screens/*.cli and write beside each what the tool
# has printed, NAME.txt. The first line of a .cli file names the device, or is "# none"; what comes before
# a line "# screen" is run and not shown. Files of a screen go to a directory of its own.
#
#   doc-screens.sh                write them anew
#   doc-screens.sh --check        only see that they would have the same commands, and that these succeed
#
# IMS_BUILD: the build directory, default: build. A command that fails ends it with exit code 1.

set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=$(realpath "${IMS_BUILD:-$here/build}")
screens=$here/doc/guides/screens
check=false
case ${1:-} in
--check) check=true ;;
'') ;;
*)
	sed -n '5,14s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -m 700 "$tmp/run"
export XDG_RUNTIME_DIR=$tmp/run
export IMS_DEVSRV=${IMS_DEVSRV:-$build/devices/ims-devsrv}

# Main lcore and two workers, on two CPUs or on one.
mapfile -t cpus < <(taskset -cp $$ | sed 's/.*: //' | tr ',' '\n' |
	awk -F- '{ for (i = $1; i <= ($2 == "" ? $1 : $2); i++) print i }')
other=${cpus[1]:-${cpus[0]}}
lcores=0@${cpus[0]},1@$other,2@${cpus[0]}

commands() {
	grep '^ims-testpmd> ' "$1" || true
}

for cli in "$screens"/*.cli; do
	name=$(basename "$cli" .cli)
	device=$(sed -n '1s/^# //p' "$cli")
	dev=(--dev "$device")
	[ "$device" != none ] || dev=()
	mkdir "$tmp/$name"
	(
		cd "$tmp/$name"
		"$build/app/ims-testpmd/ims-testpmd" --no-huge --no-pci -m 64 --lcores "$lcores" \
			--no-shconf --log-level='*:error' -- "${dev[@]}" --cmdline-file "$cli"
	) > "$tmp/all.txt" 2> "$tmp/err.txt" || {
		cat "$tmp/err.txt" >&2
		echo "doc-screens: $name.cli has failed" >&2
		exit 1
	}
	# Without the setup, and without the comments.
	awk '/^ims-testpmd> # screen/ { n = NR } { line[NR] = $0 }
		END { for (i = n + 1; i <= NR; i++) print line[i] }' "$tmp/all.txt" |
		grep -v '^ims-testpmd> #' | sed 's/ *$//' > "$tmp/$name.txt"
	if ! $check; then
		cp "$tmp/$name.txt" "$screens/$name.txt"
	elif [ "$(commands "$tmp/$name.txt")" != "$(commands "$screens/$name.txt")" ]; then
		echo "doc-screens: $name.txt is not what $name.cli gives: run devtools/doc-screens.sh" >&2
		exit 1
	fi
done
if $check; then
	for txt in "$screens"/*.txt; do
		[ -f "${txt%.txt}.cli" ] || {
			echo "doc-screens: nothing gives $(basename "$txt")" >&2
			exit 1
		}
	done
fi
