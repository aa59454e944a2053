#!/bin/sh
# install.sh SOURCE - what `make` builds and what `make install` puts where, and what the unit does at a reload.
#
# Everything goes into a temporary directory; nothing of this machine is touched. Output is TAP.
set -u
source=$1
room=$(mktemp -d) || exit 1
trap 'rm -rf "$room"' EXIT
n=0

# that TEXT COMMAND...: one case
that() {
    text=$1
    shift
    n=$((n + 1))
    if "$@" >"$room/said" 2>&1; then
        echo "ok $n - $text"
    else
        echo "not ok $n - $text"
        sed 's/^/# /' "$room/said" | tail -n 40
    fi
}

# make in the clone; without LTO, which is nothing to the question and half of the time
menu() {
    env -u MAKEFLAGS -u PREFIX make -C "$source" B="$room/build" SETUP=-Db_lto=false DESTDIR="$room/root" "$@"
}

built() { find "$room/build" -type f -perm -100 ! -name '*.so*' ! -path '*/meson-*' -printf '%P\n' | sort | tr '\n' ' '; echo; }
only_programs() { built; test "$(built)" = "src/cli/tarsier src/daemon/tarsierd "; }

that "make builds" menu
that "two programs, no tests and no benchmarks" only_programs
that "make install" menu install
that "goes to /usr/local by default" test -x "$room/root/usr/local/sbin/tarsierd" -a -x "$room/root/usr/local/bin/tarsier"
that "with the configuration" cmp -s "$source/dist/tarsier.conf" "$room/root/etc/tarsier/tarsier.conf"
echo '# mine' >"$room/root/etc/tarsier/tarsier.conf"
that "make PREFIX=/opt/t install, after that" menu PREFIX=/opt/t install
that "goes there" test -x "$room/root/opt/t/sbin/tarsierd" -a -f "$room/root/opt/t/share/man/man8/tarsierd.8"
that "and its unit starts what is there" grep -q '^ExecStart=/opt/t/sbin/tarsierd$' "$room/root/opt/t/lib/systemd/system/tarsierd.service"
that "a configuration that is there stays" grep -q '^# mine$' "$room/root/etc/tarsier/tarsier.conf"
rm -rf "$room/root/opt"
that "without PREFIX the last one counts" menu install
that "for it is the build's" test -x "$room/root/opt/t/sbin/tarsierd"

# The unit's own lines of a reload, one after the other until one fails, as systemd runs them: with no more than the unit's
# capabilities, and where we are root as another user, as the daemon is.
unit=$room/root/opt/t/lib/systemd/system/tarsierd.service
limits= other=
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    limits="setpriv --reuid=nobody --clear-groups --bounding-set=-all$(sed -n 's/^CapabilityBoundingSet=//p' "$unit" | tr 'A-Z ' 'a-z\n' | sed 's/^cap_/,+/' | tr -d '\n') --"
    other='setpriv --reuid=nobody --clear-groups --'
    chmod 711 "$room"
fi
touch "$room/hangups"
chmod 666 "$room/hangups"
$other sh -c 'trap "echo hangup >>$0; exit" HUP; for n in $(seq 400); do sleep 0.05; done' "$room/hangups" &
MAINPID=$!
trap 'kill $MAINPID 2>/dev/null; rm -rf "$room"' EXIT

reload() {
    sed -n 's/^ExecReload=//p' "$unit" >"$room/lines"
    while read -r line; do
        case $line in
        /opt/t/sbin/tarsierd*) line="$room/root$line -f $1" ;;
        '/bin/kill -HUP $MAINPID') line="/bin/kill -HUP $MAINPID" ;;
        *) echo "unknown line: $line"; return 1 ;;
        esac
        $limits $line || return 1
    done <"$room/lines"
    test -s "$room/lines"
}
fails_at() { ! reload "$1" && kill -0 $MAINPID && test ! -s "$room/hangups" && grep -q "$1:2:" "$room/said"; }
printf 'socket "%s/s"\nracl greylist defualt\n' "$room" >"$room/broken.conf"
printf 'socket "%s/s"\nuser "nobody"\nracl greylist default\n' "$room" >"$room/right.conf"
that "reload of a broken file fails, says where, and leaves the daemon alone" fails_at "$room/broken.conf"
that "reload of a right one succeeds" reload "$room/right.conf"
wait $MAINPID 2>/dev/null
that "and reaches it" test "$(cat "$room/hangups")" = hangup
echo "1..$n"
