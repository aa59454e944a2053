#!/bin/bash
# inside.sh - run by systemd in a booted Debian 12 (tools/check-package): install, use, break, upgrade, remove and purge
# the package.
#
# /root/old.deb is the version before, /root/new.deb the one of now. Everything else that it needs is installed. Output is
# TAP. The only times that count here are systemd's own (RestartSec=, a watchdog); what is waited for is looked at until it
# is so.
set -u
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
n=0 failed=0
conf=/etc/tarsier/tarsier.conf
at=/var/spool/postfix/tarsier/tarsier.sock

# that TEXT COMMAND...: one case
that() {
    local text=$1
    shift
    n=$((n + 1))
    if "$@" >/root/said 2>&1; then
        echo "ok $n - $text"
    else
        echo "not ok $n - $text"
        failed=$((failed + 1))
        { tail -n 20 /root/said; journalctl -q -n 15 --no-pager -u tarsierd.service -u tarsierd.socket; } | sed 's/^/# /'
    fi
}
not() { ! "$@"; }
# until_so COMMAND...: for up to a minute
until_so() {
    for _ in $(seq 300); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.2
    done
    "$@"
}
show() { systemctl show -P "$1" tarsierd.service; }
is() { [ "$(show "$1")" = "$2" ] || { show "$1"; return 1; }; }
active() { is ActiveState active && systemctl -q is-active tarsierd.socket; }
files() { find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /root -o -path /var/log \
    -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/lib/postfix \
    -o -path /var/lib/systemd/catalog -o -path /var/mail \) -prune -o -print |
    grep -v -e '^/var/spool/postfix/[^t]' -e '^/var/spool/postfix/trace' | sort; }
accounts() { cat /etc/passwd /etc/group /etc/shadow /etc/gshadow | sort; }
package() { dpkg --force-confdef --force-confold "$@"; }

# smtp LINE...: one dialogue, each line sent when the reply to the one before has come; prints the replies
smtp() {
    local line reply
    exec 7<>/dev/tcp/127.0.0.1/25 || return 1
    for line in '' "$@" QUIT; do
        [ -z "$line" ] || printf '%s\r\n' "$line" >&7
        while read -r -u 7 -t 60 reply; do
            reply=${reply%$'\r'}
            case $reply in ???-*) ;; *) break ;; esac
        done
        printf '%s\n' "$reply"
    done
    exec 7>&-
}
says() { local words=$1; shift; smtp "$@" | tee /root/said2; grep -q "$words" /root/said2; }
stranger=('XCLIENT NAME=dhcp-12-34.isp.example ADDR=192.0.2.7' 'EHLO x' 'MAIL FROM:<a@example.org>' 'RCPT TO:<root@localhost>')
friend=('EHLO x' 'MAIL FROM:<a@example.org>' 'RCPT TO:<root@localhost>' DATA $'Subject: x\r\n\r\nx\r\n.')

systemctl is-system-running --wait >/dev/null 2>&1
files >/root/files.before
accounts >/root/accounts.before

# --- install ----------------------------------------------------------------------------------------------------------
that "install on an unconfigured machine" package -i /root/old.deb
if [ $failed != 0 ]; then echo "1..$n"; exit 1; fi
that "it runs" until_so active
that "with nothing of Postfix's changed" test ! -e /etc/postfix/main.cf
that "not as root" test "$(ps -o user= -p "$(show MainPID)")" = tarsier
that "without a capability" grep -q '^CapPrm:.0*$' "/proc/$(show MainPID)/status"
that "the socket is for Postfix alone" test "$(stat -c '%U %G %a' $at)" = 'tarsier postfix 660'
that "in a directory where smtpd gets at it" test "$(stat -c '%U %G %a' ${at%/*})" = 'tarsier postfix 2750'
that "the store is there" test -e /var/lib/tarsier/data.mdb
that "clients can be watched" not journalctl -q -u tarsierd.service --grep 'cannot be watched'
that "no warning at the start" not journalctl -q -u tarsierd.service --grep 'warning|not used|no .listen. line'
that "the command tarsier reaches it" tarsier status
score=$(systemd-analyze security tarsierd.service | sed -n 's/.*Overall exposure level.*: \([0-9.]*\) .*/\1/p')
that "systemd-analyze security says at most 2.0 (it says $score)" awk "BEGIN { exit !(\"$score\" != \"\" && \"$score\" + 0 <= 2.0) }"

# --- use --------------------------------------------------------------------------------------------------------------
cat >/etc/postfix/main.cf <<END
compatibility_level = 3.6
myhostname = mx.example.net
mydestination = localhost
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_authorized_xclient_hosts = 127.0.0.1
smtpd_milters = unix:tarsier/tarsier.sock
milter_default_action = tempfail
END
touch -d '1 minute ago' /etc/postfix/main.cf
that "Postfix starts" systemctl restart postfix@-.service
that "its own host's mail passes" until_so says '^250 2.0.0 Ok: queued' "${friend[@]}"
that "an end user's line is put off" says '^451 4.7.1 Greylisting in action' "${stranger[@]}"

# --- reload -----------------------------------------------------------------------------------------------------------
echo '# mine' >>$conf
echo 'racl whitelist addr 192.0.2.7/32' >/etc/tarsier/conf.d/mine.conf
that "systemctl reload" systemctl reload tarsierd
that "the new rules are in force" until_so says '^250 2.1.5' "${stranger[@]}"
echo 'racl whitelst' >/etc/tarsier/conf.d/broken.conf
pid=$(show MainPID)
that "systemctl reload of a broken file fails" not systemctl reload tarsierd
that "and says where" journalctl -q -u tarsierd.service --grep 'broken.conf:1:6: error'
that "and nothing has changed" says '^250 2.1.5' "${stranger[@]}"
that "it is the same process" is MainPID "$pid"

# --- trouble ----------------------------------------------------------------------------------------------------------
that "a restart with a broken file fails" not systemctl restart tarsierd
tries() { [ "$(show NRestarts)" -ge 7 ]; }
that "it is tried more often than systemd's own limit (5)" until_so tries
that "the socket stays" systemctl -q is-active tarsierd.socket
that "who connects meanwhile is told at once what milter_default_action says" says '^4[25]1 ' "${stranger[@]}"
rm /etc/tarsier/conf.d/broken.conf
that "mended, it runs by itself" until_so active
that "and serves" until_so says '^250 2.1.5' "${stranger[@]}"
pid=$(show MainPID)
kill -SEGV "$pid"
changed() { [ "$(show MainPID)" != "$pid" ] && active; }
that "after a crash it runs again" until_so changed
mkdir -p /run/systemd/system/tarsierd.service.d
printf '[Service]\nWatchdogSec=2\n' >/run/systemd/system/tarsierd.service.d/quick.conf
systemctl daemon-reload
systemctl restart tarsierd
pid=$(show MainPID)
kill -STOP "$pid"
that "a process that hangs is ended by the watchdog, and another one runs" until_so changed
rm -r /run/systemd/system/tarsierd.service.d
systemctl daemon-reload
systemctl restart tarsierd
mount -t tmpfs -o size=8k,mode=700 tmpfs /var/lib/tarsier
that "a full disk of another's: it starts" systemctl restart tarsierd
that "and mail flows" says '^250 2.0.0 Ok: queued' "${friend[@]}"
that "and the log says so" journalctl -q -u tarsierd.service --grep 'mail flows without the store'
umount -l /var/lib/tarsier
chmod 0 /var/lib/tarsier
that "a store's directory with a wrong mode is mended by a restart" systemctl restart tarsierd
that "and used" until_so test "$(stat -c %a /var/lib/tarsier)" = 700
rm $at
that "a socket that was removed is made again" until_so test -S $at
that "and serves" until_so says '^250 2.1.5' "${stranger[@]}"
rm -r ${at%/*}
said() { journalctl -q -u tarsierd.service --grep "$1"; }
that "a directory that was removed: it says that it cannot make it" until_so said 'was removed, and it cannot be made again: cannot make the directory'
that "and Postfix does what milter_default_action says" says '^451 ' "${stranger[@]}"
systemctl stop tarsierd.socket tarsierd.service
that "a new start of the units makes it" systemctl start tarsierd.service
that "and mail is served" until_so says '^250 2.1.5' "${stranger[@]}"
systemctl stop tarsierd.service
systemctl restart tarsierd.socket
that "the first connection starts a stopped tarsierd" until_so says '^250 2.1.5' "${stranger[@]}"
that "which is systemd's doing" until_so active

# --- upgrade ----------------------------------------------------------------------------------------------------------
pid=$(show MainPID)
inode=$(stat -c %i $at)
: >/root/mails
(while [ ! -e /root/enough ]; do smtp "${friend[@]}" | sed -n 6p; done) >/root/mails &
mailer=$!
before() { [ "$(wc -l </root/mails)" -ge "$1" ]; }
that "mail comes" until_so before 5
cursor=$(journalctl -q -n 0 --show-cursor | sed -n 's/^-- cursor: //p')
that "upgrade" package -i /root/new.deb
that "another process runs" until_so changed
more=$(($(wc -l </root/mails) + 5))
that "mail comes still" until_so before $more
touch /root/enough
wait $mailer
that "each of $(wc -l </root/mails) mails was accepted" not grep -v '^250 2.0.0 Ok: queued' /root/mails
that "the socket is the same" test "$(stat -c %i $at)" = "$inode"
that "Postfix has seen no trouble" not journalctl -q --after-cursor "$cursor" --grep 'milter.*(refused|error|unavailable)' -t postfix/smtpd
that "the changed configuration stays" grep -q '^# mine$' $conf
that "and the file of one's own" test -e /etc/tarsier/conf.d/mine.conf
that "dpkg finds no file changed" test -z "$(dpkg -V tarsier | grep -v ' c ')"

# --- remove, purge ----------------------------------------------------------------------------------------------------
echo 'smtpd_milters =' >>/etc/postfix/main.cf
postfix reload >/dev/null 2>&1
that "remove" package -r tarsier
that "it runs no more" not pgrep -x tarsierd
that "nor does its socket" not systemctl -q is-active tarsierd.socket
that "configuration and store stay" test -e $conf -a -e /var/lib/tarsier
that "install it again" package -i /root/new.deb
that "it runs with what was kept" until_so active
that "purge" package -P tarsier
systemctl stop postfix@-.service
rm -f /etc/postfix/main.cf
files >/root/files.after
accounts >/root/accounts.after
that "nothing is left" diff /root/files.before /root/files.after
that "no user and no group" diff /root/accounts.before /root/accounts.after
that "no process" not pgrep -x tarsierd
echo "1..$n"
[ $failed = 0 ]
