"""tarsier replay on the log that a real Postfix has written."""

import json

import lab as L
from case import case

SHIPPED = """\
filter "greylist" {
    builtin greylist
    when remote and unauthenticated and (generic_rdns or unknown_client)
}
autowhite 35d
hostkey domain
racl whitelist tarpit 125s
racl greylist default
"""


@case("replay reads what Postfix writes, and tells who would have met what", weight_sec=15)
def replay_reads_the_log(lab, check):
    L.write("/etc/postfix/checks", "/^Subject: refused/ REJECT no\n")
    lab.postfix(milters="", main="header_checks = regexp:/etc/postfix/checks")
    clients = [
        (L.GOOD, "good"),
        (L.farm(1), "farm"),
        (L.DSL, "line"),
        (L.NO_PTR, "nameless"),
        (L.NO_PTR, "nameless again"),
        (L.FORGED, "forged"),
        (L.FORWARD_FAILS, "name fails for now"),
    ]
    if lab.has_ipv6:
        clients.append((L.GOOD6, "good, IPv6"))
    for source, subject in clients:
        reply, end = lab.send(source, subject)
        check.that(reply.code == 250 and end and end.code == 250, "accepted: " + subject, (reply, end))
    lab.send(L.DSL, "refused")  # by the header check, at the end
    check.reply(lab.greylisted(L.NO_PTR, recipient="nosuch@example.net"), 550, "an unknown recipient")
    with lab.client(L.GOOD) as broken:
        broken.open()
        broken.rcpt("b@example.net")
        broken.fin()
    L.run("sendmail", "-f", "root@example.net", "b@example.net")
    lab.settled()
    L.write("/etc/tarsier/replay.conf", SHIPPED)
    status, said = lab.tool("tarsier", "replay", "-f", "/etc/tarsier/replay.conf", "--json", L.MAIL_LOG)
    if not check.that(status == 0, "it runs", said):
        return
    got = json.loads(said)
    want = {
        "unread": 0,
        "deliveries": len(clients),
        "suspects": 4,  # a name that fails for now is a mail server's: it passes
        "deferred": 1,  # the first one's retry has made the network known for the sender's domain
        "refused": 2,
        "refused_suspects": 2,
        "unfinished": 1,
        "users": 0,
        "perhaps_temp": 2,
        "helo_known": 0,
    }
    wrong = {key: (got.get(key), value) for key, value in want.items() if got.get(key) != value}
    check.that(not wrong, "the counts (got, want)", "%s\n%s\n%s" % (wrong, said, lab.maillog()[-6000:]))
    status, screen = lab.tool("tarsier", "replay", "-f", "/etc/tarsier/replay.conf", L.MAIL_LOG)
    check.that(L.DSL_NAME in screen and L.NO_PTR in screen and L.GOOD_NAME not in screen, "who would have met it", screen)
    check.that(all(len(line) <= 80 for line in screen.splitlines()), "within 80 columns", screen)
