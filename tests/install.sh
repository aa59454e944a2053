#!/bin/sh
# install.sh SOURCE - what `make` builds and what `make install` puts where.
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
that "and completion for the shells" test -s "$room/root/usr/local/share/bash-completion/completions/tarsier" -a -s "$room/root/usr/local/share/zsh/site-functions/_tarsier"
echo '# mine' >"$room/root/etc/tarsier/tarsier.conf"
that "make PREFIX=/opt/t install, after that" menu PREFIX=/opt/t install
that "goes there" test -x "$room/root/opt/t/sbin/tarsierd" -a -f "$room/root/opt/t/share/man/man8/tarsierd.8"
that "and its unit starts what is there" grep -q '^ExecStart=/opt/t/sbin/tarsierd$' "$room/root/opt/t/lib/systemd/system/tarsierd.service"
that "and reloads with it" grep -q '^ExecReload=/opt/t/bin/tarsier reload$' "$room/root/opt/t/lib/systemd/system/tarsierd.service"
that "a configuration that is there stays" grep -q '^# mine$' "$room/root/etc/tarsier/tarsier.conf"
rm -rf "$room/root/opt"
that "without PREFIX the last one counts" menu install
that "for it is the build's" test -x "$room/root/opt/t/sbin/tarsierd"

echo "1..$n"
