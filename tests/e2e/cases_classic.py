"""The way in from the classic set-up: milter-greylist's file bare, and included below the filter block."""

import os
import re
import signal
import time

import lab as L
from case import case

# Of the same build as the how-tos' file; the hold is short here.
CLASSIC = """\
# taRgrey as it is set up behind milter-manager
pidfile "/run/milter-greylist.pid"
socket "{socket}" 660
dumpfile "/var/lib/milter-greylist/db/greylist.db" 600
dumpfreq 1
user "{user}"
quiet

list "my network" addr {{ \\
        127.0.0.1/8      \\
        10.0.0.0/8       \\ # and a remark
        192.168.0.0/24   \\
}}
list "broken mta" addr {{   \\
        192.0.2.17/32      \\ # gives up at once
        198.51.100.200/29  \\
}}
list "grey users" rcpt {{  \\
        user1@example.net \\
        user2@example.net \\
}}

racl whitelist list "my network"
racl whitelist list "broken mta"
#racl greylist list "grey users" delay 30m autowhite 3d
racl continue from /.*/ addheader "X-Greylist-Peer: %i"
racl whitelist tarpit {hold}
racl greylist default
"""

MAIN = """\
milter_command_timeout = 150
milter_protocol = 6
milter_default_action = tempfail
milter_mail_macros = {auth_author} {auth_type} {auth_authen}
"""

QUIET = r"^451 4\.7\.1 Greylisting in action, please come back later$"

FILTER = """\
filter "greylist" {
    builtin greylist
    when remote and unauthenticated and s25r
}
include "/etc/mail/greylist.conf"
"""

# As the README has it. Neither the user nor the socket's directory of the included file need be there.
OWN = """socket none
pidfile none
user "tarsier"
"""
DUMP = "/var/lib/milter-greylist/db/greylist.db"


def classic(hold="4s", user="tarsier", socket=L.SOCKET):
    return CLASSIC.format(socket=socket, hold=hold, user=user)


@case("classic greylist.conf, bare: loads, warns, means what it says", weight_sec=16)
def classic_bare(lab, check):
    L.write("/etc/mail/greylist.conf", classic())
    status, said = lab.tool("tarsierd", "--check", "-f", "/etc/mail/greylist.conf")
    check.that(status == 0, "--check accepts it", said)
    check.that(re.search(r"warning", said) and "filter" in said and "s25r" in said, "and warns, with the filter block to add", said)
    check.that("dumpfreq" in said, "and notes what has no job here", said)
    lab.tarsier(path="/etc/mail/greylist.conf")
    check.log(lab.wait_log(r"warning.*\n?", 3), "the start warns too", lab.log())
    lab.postfix(main=MAIN)
    answer, end = lab.send(L.GOOD, "bare")
    check.reply(answer, 250, "an ordinary server is held too: so the file says", least_sec=3.8, most_sec=7)
    text = lab.delivered("bare")
    check.that(text and "X-Greylist-Peer: %s" % L.GOOD in text, "its addheader is there", text)
    check.that(text and "Message whitelisted by tarpit 4s" in text, "its X-Greylist too", text)
    answer, _ = lab.send("198.51.100.201", "broken", sender="x@example.org")
    check.reply(answer, 250, "the list's networks pass at once", most_sec=1.5)
    text = lab.delivered("broken")
    check.that(text and "Sender IP whitelisted, not delayed by" in text, "for the reason given", text)
    check.that(lab.leave(L.DSL, after=1.5, sender="y@example.org"), "an end user's line is held")
    check.log(lab.wait_maillog("421 ", 3), "and found gone", lab.maillog())
    check.reply(lab.greylisted(L.DSL, "y@example.org"), 451, "greylisted, quietly", QUIET, most_sec=1.5)


@case("classic greylist.conf below the filter block: ordinary servers are not delayed", weight_sec=12)
def classic_included(lab, check):
    L.write("/etc/mail/greylist.conf", classic(user="nobody-has-this", socket="/run/not-there/either/greylist.sock"))
    L.write("/etc/tarsier/tarsier.conf", FILTER + OWN)
    L.write(DUMP, "%s\t<known@example.org>\t<inbox@example.net>\t%d AUTO\n" % (L.DSL, time.time() + 9000))
    os.chmod(DUMP, 0o600)
    os.chmod(os.path.dirname(DUMP), 0o700)
    status, said = lab.tool("tarsierd", "--check", "-f", "/etc/tarsier/tarsier.conf")
    check.that(status == 0 and "held too" not in said, "--check: no warning about ordinary servers", said)
    lab.tarsier()
    check.log(lab.wait_log(r"is imported: 0 greylisted, 1 auto-whitelisted", 3), "the dump of mode 600 is imported", lab.log())
    lab.postfix(main=MAIN)
    answer, _ = lab.send(L.GOOD, "not delayed")
    check.reply(answer, 250, "an ordinary server is not delayed", most_sec=1.5)
    text = lab.delivered("not delayed")
    check.that(text and "X-Greylist" not in text, "and its mail not touched", text)
    answer, _ = lab.send(L.DSL, "held")
    check.reply(answer, 250, "an end user's line is held", least_sec=3.8, most_sec=7)
    text = lab.delivered("held")
    check.that(text and "X-Greylist-Peer: %s" % L.DSL in text, "delivered with the file's header", text)


@case("classic: an error in the included file costs nothing", weight_sec=8)
def classic_reload(lab, check):
    L.write("/etc/mail/greylist.conf", classic())
    L.write("/etc/tarsier/tarsier.conf", FILTER)
    lab.tarsier()
    lab.postfix(main=MAIN)
    # An edit of the included file that the peer would have died of.
    L.write("/etc/mail/greylist.conf", classic() + "racl greylist tarpit\n")
    lab.tarsierd.send_signal(signal.SIGHUP)
    line = classic().count("\n") + 1
    check.log(lab.wait_log(r"/etc/mail/greylist\.conf:%d:\d+: error" % line), "the included file's own line is named", lab.log())
    time.sleep(0.5)
    check.that(lab.tarsierd.poll() is None, "the daemon runs on")
    check.that(lab.leave(L.DSL, after=1.5), "by the old rules")
