#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors
#
# test_devsrv.sh DEVSRV SECCOMP: options, exit codes and messages, signals, and the socket's file.

devsrv=$1
dir=$(mktemp -d) || exit 1
sock=$dir/s
pid= # the server that runs
failed=0

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	[ -z "$pid" ] || kill -9 "$pid"
	rm -rf "$dir"
}
trap cleanup EXIT

fail() {
	echo "FAIL: $*"
	failed=1
}

# expect CODE MESSAGE ARGS...: ends with this code and this one line on stderr, nothing on stdout.
expect() {
	code=$1
	message=$2
	shift 2
	timeout 60 "$devsrv" "$@" > "$dir/out" 2> "$dir/err" < /dev/null
	got=$?
	[ "$got" = "$code" ] || fail "$*: exit code $got, expected $code"
	[ "$(cat "$dir/err")" = "ims-devsrv: $message" ] ||
		fail "$*: says '$(cat "$dir/err")', expected 'ims-devsrv: $message'"
	[ ! -s "$dir/out" ] || fail "$*: prints $(cat "$dir/out")"
}

# serve ARGS...: started, and ready within 20 s; its process is $pid.
serve() {
	: > "$dir/log" # the last server's says "ready" as well
	"$devsrv" "$@" > "$dir/log" 2> "$dir/errlog" < /dev/null &
	pid=$!
	n=0
	while ! grep -q ready "$dir/log" && [ $n -lt 2000 ] && kill -0 "$pid" 2> /dev/null; do
		sleep 0.01
		n=$((n + 1))
	done
	[ "$(cat "$dir/log")" = "ims-devsrv: ${2%%,*} ready on $sock" ] ||
		fail "$*: not ready: $(cat "$dir/log" "$dir/errlog")"
}

# The process that serves, a child of $pid.
server() {
	tr -d ' ' < /proc/"$pid"/task/"$pid"/children
}

# ends SIGNAL CODE
ends() {
	kill -"$1" "$pid"
	wait "$pid" 2> /dev/null
	got=$?
	pid=
	[ "$got" = "$2" ] || fail "SIG$1: exit code $got, expected $2"
}

# Options that are wrong: 2.
expect 2 "--model '': expected a model's name; try --help"
expect 2 "--model '': expected a model's name; try --help" --socket "$sock"
expect 2 "--socket and --fd '': expected one of them" --model timer_ims
expect 2 "--socket and --fd '': expected one of them" --model timer_ims --socket "$sock" --fd 3
expect 2 "argument 'more': expected options only" --model timer_ims --dump-config more
for fd in x 3x -1 65536 ''; do
	expect 2 "--fd '$fd': expected the number of an open socket" --model timer_ims --fd "$fd"
done
for mode in 8 rw 1000 ''; do
	expect 2 "--mode '$mode': expected an octal file mode such as 0600" --model timer_ims \
		--socket "$sock" --mode "$mode"
done
expect 2 "--seccomp 'maybe': expected on or off" --model timer_ims --socket "$sock" --seccomp maybe
expect 2 "model timer_ims: timers=0: expected a number from 1 to 4096" \
	--model timer_ims,timers=0 --socket "$sock"
expect 2 "model timer_ims: timers=4097: expected a number from 1 to 4096" \
	--model timer_ims,timers=4097 --dump-config
expect 2 "model timer_ims: engine=warp: expected timerfd or spin" \
	--model timer_ims,engine=warp --dump-config
expect 2 "model timer_ims: unknown key 'fast=1', expected timers, engine, cpu or mmap" \
	--model timer_ims,fast=1 --dump-config
expect 2 "model queue_dev: queues=16385: expected a number from 1 to 16384" \
	--model queue_dev,queues=16385 --dump-config
expect 2 "model queue_dev: subdevs=0: expected a number from 1 to 1024" \
	--model queue_dev,subdevs=0 --dump-config
expect 2 "model queue_dev: eqs=257: expected a number from 1 to 256" \
	--model queue_dev,eqs=257 --dump-config
expect 2 "model queue_dev: msix=2049: expected a number from 0 to 2048" \
	--model queue_dev,msix=2049 --dump-config
expect 2 "model queue_dev: engine=spin: expected sleep or poll" \
	--model queue_dev,engine=spin --dump-config
expect 2 "model queue_dev: engine=: expected sleep or poll" --model queue_dev,engine --dump-config
expect 2 "model queue_dev: ims=0,msix=0: expected one of them, or nothing could interrupt" \
	--model queue_dev,ims=0,msix=0 --dump-config
expect 2 "model queue_dev: queue_dev: Invalid argument" --model queue_dev,cpu=1023 --dump-config
expect 2 "model queue_dev: unknown key 'timers=1', expected queues, subdevs, eqs, msix, ims, \
engine, idle_us, cpu, inject or mmap" --model queue_dev,timers=1 --dump-config
timeout 60 "$devsrv" --no-such-option > "$dir/out" 2> "$dir/err" && fail "--no-such-option is taken"
grep -qx "ims-devsrv: try --help" "$dir/err" || fail "--no-such-option: $(cat "$dir/err")"
[ ! -e "$sock" ] || fail "a wrong option has left a socket"

# A model that does not exist: 3.
expect 3 "unknown model 'nosuch' (known: timer_ims queue_dev)" --model nosuch --socket "$sock"
expect 3 "unknown model '' (known: timer_ims queue_dev)" --model ,timers=1 --dump-config

# What the system refuses: 1.
expect 1 "$dir/no/s: No such file or directory" --model timer_ims --socket "$dir/no/s"
expect 1 "--fd: Bad file descriptor" --model timer_ims --fd 77
long=$dir/$(printf '%0100d' 0)
expect 1 "$long: File name too long" --model timer_ims --socket "$long"
touch "$dir/file"
expect 1 "$dir/file: File exists" --model timer_ims --socket "$dir/file"
[ -e "$dir/file" ] || fail "a file that is no socket was removed"

# What is no error: 0.
"$devsrv" --help | grep -q '^usage: ims-devsrv' || fail "--help"
"$devsrv" --help | grep -q '^model timer_ims:' || fail "--help does not list the models"
"$devsrv" --version | grep -q '^ims-devsrv [0-9]' || fail "--version"
[ "$("$devsrv" --model timer_ims --dump-config | wc -l)" = 17 ] || fail "--dump-config"

# A socket with the mode asked for; gone after SIGTERM and SIGINT.
serve --model timer_ims --socket "$sock"
[ "$(stat -c %F,%a "$sock")" = socket,600 ] || fail "$(stat -c %F,%a "$sock")"
ends TERM 0
[ ! -e "$sock" ] || fail "SIGTERM has left the socket"
serve --model timer_ims,engine=spin --socket "$sock" --mode 0660
[ "$(stat -c %a "$sock")" = 660 ] || fail "--mode 0660: $(stat -c %a "$sock")"

# A server that lives is not pushed aside.
expect 1 "$sock: Address already in use" --model timer_ims --socket "$sock"
[ -S "$sock" ] || fail "the refused server has removed the socket of the other one"
kill -0 "$pid" || fail "the first server has ended"

# SIGUSR1 prints counters, and the server goes on.
kill -USR1 "$pid"
n=0
while ! grep -q : "$dir/errlog" && [ $n -lt 2000 ]; do
	sleep 0.01
	n=$((n + 1))
done
grep -q '^timer_ims: timers 64, active 0, expirations 0, messages: memory 0,' "$dir/errlog" ||
	fail "SIGUSR1: $(cat "$dir/errlog")"
ends INT 0
[ ! -e "$sock" ] || fail "SIGINT has left the socket"

# The other model, whose thread sleeps.
serve --model queue_dev,queues=16,idle_us=0 --socket "$sock"
kill -USR1 "$pid"
n=0
while ! grep -q : "$dir/errlog" && [ $n -lt 2000 ]; do
	sleep 0.01
	n=$((n + 1))
done
grep -q '^queue_dev: subdevs 0, eqs 0, queues 0, completions 0, eqes 0, events 0,' "$dir/errlog" ||
	fail "SIGUSR1: $(cat "$dir/errlog")"
ends TERM 0

# What a killed one has left is replaced; its server has gone with it.
serve --model timer_ims --socket "$sock"
ends KILL 137
[ -S "$sock" ] || fail "SIGKILL: no socket left to test with"
serve --model timer_ims --socket "$sock"
ends TERM 0

# The first process ends as its server does.
serve --model timer_ims --socket "$sock"
kill -KILL "$(server)"
ends 0 137
[ ! -e "$sock" ] || fail "a server that was killed has left the socket"
serve --model timer_ims --socket "$sock"
kill -TERM "$(server)"
ends 0 0
[ ! -e "$sock" ] || fail "a server that has ended has left the socket"

# All its threads are in the sandbox (filter mode, no new privileges), unless that is turned off.
# modes: the values of both in all threads of the server
modes() {
	sed -n 's/^\(NoNewPrivs\|Seccomp\):\t//p' /proc/"$(server)"/task/*/status | sort -u | tr '\n' ' '
}
# A sanitizer calls what it likes in the end.
if [ "$2" = true ]; then
	serve --model queue_dev,queues=16 --socket "$sock" --seccomp on
	[ "$(modes)" = "1 2 " ] || fail "--seccomp on: $(modes)"
	ends TERM 0
	serve --model queue_dev,queues=16 --socket "$sock"
	[ "$(modes)" = "1 2 " ] || fail "seccomp is not the default: $(modes)"
	ends TERM 0
fi
serve --model queue_dev,queues=16 --socket "$sock" --seccomp off
[ "$(modes)" = "0 " ] || [ "$(sed -n 's/^Seccomp:\t//p' /proc/self/status)" != 0 ] ||
	fail "--seccomp off: $(modes)"
ends TERM 0

# Without privileges; they are there only if the tests have them.
if [ "$(id -u)" = 0 ]; then
	chmod 777 "$dir"
	as_nobody="setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all"
	: > "$dir/nobody.log"
	# shellcheck disable=SC2086 # words
	$as_nobody "$devsrv" --model timer_ims --socket "$sock" > "$dir/nobody.log" 2>&1 &
	pid=$!
	n=0
	while ! grep -q ready "$dir/nobody.log" && [ $n -lt 2000 ]; do
		sleep 0.01
		n=$((n + 1))
	done
	[ "$(stat -c %u,%a "$sock")" = 65534,600 ] || fail "as nobody: $(cat "$dir/nobody.log")"
	ends TERM 0
fi

exit $failed
