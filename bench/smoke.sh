#!/bin/sh
# smoke.sh LOAD REFERENCE - the load generator and the least possible milter agree with each other: sessions, messages, refusals, holds.
set -eu
load=$1 reference=$2
dir=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || :; wait; rm -rf "$dir"' EXIT

start() { # NAME OPTIONS...
    name=$1
    shift
    "$reference" --listen "unix:$dir/$name" "$@" &
    pids="$pids $!"
    tries=0
    until [ -S "$dir/$name" ]; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { echo "the reference does not start"; exit 1; }
        sleep 0.05
    done
}

expect() { # WORDS; the report is in $report
    for word; do
        case " $report " in
        *" $word "*) ;;
        *) echo "want $word in: $report"; exit 1 ;;
        esac
    done
}

start all
start few --steps 3f0 --macros 'rcpt=i {rcpt_addr}' --macros 'connect={client_addr} {client_port}'
start grey --rcpt 451
start accept --accept HELO
start hold --rcpt hold --progress 1

# CONNECT HELO MAIL 3×RCPT DATA 10×HEADER EOH 4×BODY EOM
report=$("$load" --connect "unix:$dir/all" --sessions 100 --rcpts 3 --message --body 200000)
expect sessions=100 replies=2300 messages=100 rcpt_continue=300 errors=0
# CONNECT HELO MAIL RCPT EOM
report=$("$load" --connect "unix:$dir/few" --sessions 100 --message --show-terms | tr '\n' ' ')
expect sessions=100 replies=500 messages=100 errors=0 steps=3f0 'macros=rcpt=i {rcpt_addr}'
report=$("$load" --connect "unix:$dir/grey" --sessions 100 --message --kind suspicious)
expect sessions=100 replies=400 messages=0 rcpt_451=100 errors=0
report=$("$load" --connect "unix:$dir/accept" --sessions 100 --message)
expect sessions=100 replies=200 accept=100 accept_at=HELO errors=0
report=$("$load" --connect "unix:$dir/hold" --hold 200 --seconds 2 | tail -n 1)
expect held=200 rcpt_continue=0 errors=0
case $report in *progress=0*) echo "no PROGRESS: $report"; exit 1 ;; esac
report=$("$load" --connect "unix:$dir/nobody" --sessions 3 || :)
expect sessions=0 errors=3 last_error=ENOENT
echo "load and reference agree"
