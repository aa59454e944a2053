#!/bin/sh
# smoke.sh LOAD REFERENCE BADCHILD - the load generator and the least possible milter agree with each other: sessions, messages,
# refusals, holds. The bad child does all that it is there for.
set -eu
load=$1 reference=$2 badchild=$3
dir=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || :; wait; rm -rf "$dir"' EXIT

start() { # PROGRAM NAME OPTIONS...
    program=$1 name=$2
    shift 2
    "$program" --listen "unix:$dir/$name" "$@" >"$dir/$name.said" &
    pid=$!
    pids="$pids $pid"
    tries=0
    until [ -S "$dir/$name" ]; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { echo "$program does not start"; exit 1; }
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

start "$reference" all
start "$reference" few --steps 3f0 --macros 'rcpt=i {rcpt_addr}' --macros 'connect={client_addr} {client_port}'
start "$reference" grey --rcpt 451
start "$reference" accept --accept HELO
start "$reference" hold --rcpt hold --progress 1

# CONNECT HELO MAIL 3×RCPT DATA 10×HEADER EOH 4×BODY EOM
report=$("$load" --connect "unix:$dir/all" --sessions 100 --rcpts 3 --message --body 200000)
expect sessions=100 replies=2300 messages=100 rcpt_continue=300 errors=0
case $report in *session_p50_us=0.0*) echo "no time of a session: $report"; exit 1 ;; esac
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
# … and for as long as it is told, not for ever
report=$(timeout -s KILL 10 "$load" --connect "unix:$dir/nobody" --seconds 1 2>&1 | tr '\n' ' ')
expect sessions=0 last_error=ENOENT
case $report in *"no filter answers there: No such file"*) ;; *) echo "does not say that nobody is there: $report"; exit 1 ;; esac
report=$(timeout -s KILL 10 "$load" --connect inet:1@127.0.0.1 --seconds 1 2>&1 | tr '\n' ' ')
expect sessions=0 last_error=ECONNREFUSED

# Straight at the load, which calls what it cannot take an error; nothing stalls, so that it ends.
start "$badchild" bad --stall 0 --refuse --seed 7
"$load" --connect "unix:$dir/bad" --sessions 1000 --message >"$dir/report" || :
kill "$pid"
wait "$pid"
report=$(cat "$dir/bad.said")
expect connections=1000 restarts=0 stalled=0 deaf=0
for kind in behaved edited died noisy lying refused; do
    case $report in *" $kind=0"*) echo "nothing $kind: $report"; exit 1 ;; esac
done
case $(cat "$dir/report") in *" edits=0 "*) echo "no edits: $(cat "$dir/report")"; exit 1 ;; esac
start "$badchild" away --stall 500 --restart 50
"$load" --connect "unix:$dir/away" --seconds 1 --rate 500 --concurrent 500 --message >/dev/null || :
kill "$pid"
wait "$pid"
report=$(cat "$dir/away.said")
for kind in restarts stalled deaf; do
    case $report in *" $kind=0"*) echo "no $kind: $report"; exit 1 ;; esac
done
echo "load, reference and bad child are what they say"
