"""The hold: who is held, who is let in, who is found out, and what that costs Postfix."""

import re
import time

import lab as L
import smtp
from case import case

# The peer's words; the time is what remains.
COME_BACK = r"^451 4\.7\.1 Greylisting in action, please come back in (\d\d):(\d\d):(\d\d)$"


def remaining_sec(reply):
    """The seconds that a greylisting reply names, or None."""
    found = re.search(COME_BACK, reply.text)
    return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3]) if found else None


@case("(a) an ordinary server passes untouched", weight_sec=6)
def ordinary_server(lab, check):
    lab.tarsier(L.conf())
    lab.postfix()
    for n, source in enumerate((L.GOOD, L.GOOD)):
        subject = "ordinary %d" % n
        answer, end = lab.send(source, subject)
        check.reply(answer, 250, "RCPT answered at once", most_sec=1.5)
        check.that(end and end.code == 250, "accepted", end)
        text = lab.delivered(subject)
        check.that(text, "delivered")
        check.that(text and "X-Greylist" not in text, "no header of the filter that did not apply", text)


@case("(b) an end user's line that waits is let in, and not held the next time", weight_sec=14)
def patient_client(lab, check):
    lab.tarsier(L.conf(hold="4s"))
    lab.postfix()
    answer, end = lab.send(L.DSL, "waited")
    check.reply(answer, 250, "let in after the hold", least_sec=3.8, most_sec=6)
    check.that(end and end.code == 250, "the message is accepted", end)
    text = lab.delivered("waited")
    check.that(text and "\nX-Greylist: Message whitelisted by tarpit 4s" in text, "delivered, X-Greylist tells why", text)
    check.log(lab.wait_log(r"skipping greylist because .*tarpit"), "the log says why", lab.log())
    answer, _ = lab.send(L.DSL, "again")
    check.reply(answer, 250, "same tuple: not held again", most_sec=1.5)
    text = lab.delivered("again")
    check.that(text and "auto-whitelisted" in text, "delivered, X-Greylist says auto-whitelisted", text)
    answer, _ = lab.send(L.DSL, "other", sender="c@example.org", recipient="d@example.net")
    check.reply(answer, 250, "other tuple of a patient client: not held", most_sec=1.5)


@case("a restart forgets no patience", weight_sec=10)
def patience_survives_restart(lab, check):
    lab.tarsier(L.conf(hold="3s"))
    lab.postfix()
    answer, _ = lab.send(L.DSL, "one")
    check.reply(answer, 250, "served", least_sec=2.8)
    check.that(lab.stop_tarsier() is not None, "stopped")
    lab.tarsier()
    answer, _ = lab.send(L.DSL, "two", sender="c@example.org")
    check.reply(answer, 250, "not held after the restart", most_sec=1.5)


@case("(c) who hangs up frees its smtpd at once and is greylisted when it comes back", weight_sec=22)
def hanging_up(lab, check):
    lab.tarsier(L.conf(hold="20s", greylist="10s"))
    lab.postfix(processes="1")  # one smtpd: whoever is free can be seen from the next greeting
    start = time.monotonic()
    check.that(lab.leave(L.DSL, after=2), "held")
    with lab.client(L.GOOD) as c:
        check.reply(c.greeting, 220, "smtpd is free again within about a second", most_sec=2.2)
        c.quit()
    check.log(lab.wait_maillog(r"milter-reject: RCPT from p1234\S+: 421 4\."), "its RCPT was answered 421", lab.maillog())
    check.that(lab.settled(), "nothing queued")
    early = lab.greylisted(L.DSL)
    left = remaining_sec(early)
    check.reply(early, 451, "early: greylisted, without a hold", COME_BACK, most_sec=1.5)
    elapsed = time.monotonic() - start
    check.that(left is not None and abs(10 - elapsed - left) <= 2, "the remaining time counts from the first visit", (left, elapsed))
    check.log(lab.wait_log(r"from <a@example\.org> to <b@example\.net> delayed for 00:00:\d\d \(ACL \d+\)"), "the log says so", lab.log())
    again = lab.greylisted(L.DSL)
    check.reply(again, 451, "early again", COME_BACK, most_sec=1.5)
    check.that(left is not None and (remaining_sec(again) or 99) <= left, "the clock is not started anew", (left, again))
    time.sleep(max(0, start + 11.5 - time.monotonic()))
    answer, _ = lab.send(L.DSL, "late")
    check.reply(answer, 250, "late: let in at once", most_sec=1.5)
    text = lab.delivered("late")
    check.that(text and "\nX-Greylist: Delayed for 00:00:1" in text, "delivered, X-Greylist tells the delay", text)
    answer, _ = lab.send(L.DSL, "later")
    check.reply(answer, 250, "whitelisted from then on", most_sec=1.5)
    check.that(lab.delivered("later"), "delivered")


@case("(c) the same with a reset instead of a polite end", weight_sec=10)
def hanging_up_rst(lab, check):
    lab.tarsier(L.conf(hold="20s"))
    lab.postfix(processes="1")
    check.that(lab.leave(L.DSL, after=2, rst=True), "held")
    with lab.client(L.GOOD) as c:
        check.reply(c.greeting, 220, "smtpd is free again within about a second", most_sec=2.2)
        c.quit()
    check.reply(lab.greylisted(L.DSL), 451, "greylisted when it comes back", COME_BACK, most_sec=1.5)


@case("(c) a client that only closes its sending half counts as gone", weight_sec=8)
def half_close(lab, check):
    lab.tarsier(L.conf(hold="20s"))
    lab.postfix()
    with lab.client(L.DSL) as c:
        c.open()
        c.send("RCPT TO:<b@example.net>\r\nDATA\r\n")
        check.that(c.reply(timeout=1).code == -2, "held")
        c.half_close()
        check.reply(c.reply(), 421, "421 within about a second", most_sec=4)


def _blind(lab, source, subject, bdat, pause, rst=False, greet=False):
    c = lab.client(source, greet=greet)
    c.send(smtp.dialogue("a@example.org", "b@example.net", subject, bdat))
    time.sleep(pause)
    if rst:
        c.rst()
    else:
        c.fin()


@case("(d) whole dialogue sent blindly, then FIN: during the hold, or before the greeting", weight_sec=18)
def blind_fin(lab, check):
    lab.tarsier(L.conf(hold="6s"))
    lab.postfix()
    for n, (bdat, pause) in enumerate(((False, 0), (True, 0), (False, 1.5), (True, 1.5))):
        _blind(lab, L.pool(10 + n), "fin %d" % n, bdat, pause)
    check.that(lab.wait_maillog("disconnect from", 10, count=4), "all four are gone", lab.maillog())
    time.sleep(6)  # longer than the hold: nothing may come to life afterwards
    for n, what in enumerate(("DATA, at once", "BDAT, at once", "DATA, during the hold", "BDAT, during the hold")):
        check.that(lab.not_delivered("fin %d" % n), "nothing delivered: " + what, lab.maillog()[-2000:])


@case("(d) whole dialogue sent blindly, then RST", weight_sec=18)
def blind_rst(lab, check):
    lab.tarsier(L.conf(hold="6s"))
    lab.postfix()
    for n, (bdat, pause) in enumerate(((False, 0), (True, 0), (False, 1.5), (True, 1.5), (True, 0.02))):
        _blind(lab, L.pool(20 + n), "rst %d" % n, bdat, pause, rst=True)
    lab.wait_maillog("disconnect from", 10, count=5)
    time.sleep(6)
    for n in range(5):
        check.that(lab.not_delivered("rst %d" % n), "nothing delivered of client %d" % n, lab.maillog()[-2000:])


@case("(d) FIN before the 220, all of smtpd's processes busy", weight_sec=16)
def blind_before_greeting(lab, check):
    lab.tarsier(L.conf(hold="3s"))
    lab.postfix(processes="1")
    first = lab.client(L.pool(30))
    first.open()
    first.send("RCPT TO:<b@example.net>\r\n")
    # These wait in the listen queue while the only smtpd is held; they send all and go.
    _blind(lab, L.pool(31), "queue 1", True, 0.3)
    _blind(lab, L.pool(32), "queue 2", True, 0.3, rst=True)
    _blind(lab, L.GOOD, "good but gone", True, 0.3, rst=True)
    check.reply(first.reply(), 250, "who stays is served", least_sec=2.8)
    check.reply(first.data("stayed"), 250, "and delivers")
    first.quit()
    check.that(lab.delivered("stayed"), "delivered")
    lab.wait_maillog("disconnect from", 10, count=3)
    check.that(lab.not_delivered("queue 1"), "FIN in the queue: nothing delivered")
    check.that(lab.not_delivered("queue 2"), "RST in the queue: nothing delivered")
    unknown = "connect from unknown[unknown]" in lab.maillog()
    if unknown:
        check.that(lab.not_delivered("good but gone"), "gone before Postfix asked for its address: refused, whoever it was")


@case("(d) RST, and a new connection from the same port: not taken for the old one", weight_sec=14)
def same_port(lab, check):
    lab.tarsier(L.conf(hold="5s"))
    lab.postfix()
    c = lab.client(L.DSL)
    port = c.source_port
    c.ehlo()
    c.send("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n")
    body = smtp.message("impostor")
    c.send("BDAT %d LAST\r\n%sQUIT\r\n" % (len(body), body))
    time.sleep(1)
    c.rst()
    second = lab.client(L.DSL, source_port=port)
    check.that(second.greeting.code == 220, "a second connection from the same port", second.greeting)
    check.log(lab.wait_maillog(r"milter-reject: RCPT from p1234\S+: 421 ", 3), "the first is found gone within seconds", lab.maillog())
    time.sleep(5)
    second.quit()
    check.that(lab.not_delivered("impostor"), "and delivers nothing", lab.maillog()[-2000:])


@case("(e) a hold longer than milter_command_timeout ends by tarsier, not by a time-out", weight_sec=48, limit_sec=180)
def longer_than_timeout(lab, check):
    lab.tarsier(L.conf(hold="40s"))
    lab.postfix()
    check.that(L.run("postconf", "-h", "milter_command_timeout").strip() == "30s", "Postfix waits its default 30 s")
    answer, end = lab.send(L.DSL, "forty")
    check.reply(answer, 250, "let in after 40 s", least_sec=39.5, most_sec=43)
    text = lab.delivered("forty")
    check.that(text and "Message whitelisted by tarpit 40s" in text, "delivered, by tarsier's word", text)
    check.that("can't read SMFIC" not in lab.maillog(), "no time-out in Postfix's log", lab.maillog()[-1500:])


@case("(e) default action accept: nobody gets in by a time-out", weight_sec=12)
def accept_is_no_way_in(lab, check):
    lab.tarsier(L.conf(hold="6s", extra="progress every 1s"))
    lab.postfix(main="milter_command_timeout = 3s\nmilter_default_action = accept")
    answer, _ = lab.send(L.DSL, "kept waiting")
    check.reply(answer, 250, "the hold is served in full", least_sec=5.8, most_sec=9)
    text = lab.delivered("kept waiting")
    check.that(text and "Message whitelisted by tarpit 6s" in text, "by tarsier's word", text)


@case("(f) two recipients, two messages, RSET, QUIT after a served hold", weight_sec=16)
def one_connection(lab, check):
    lab.tarsier(L.conf(hold="3s"))
    lab.postfix()
    with lab.client(L.DSL) as c:
        c.open()
        check.reply(c.rcpt("b@example.net"), 250, "first recipient: held", least_sec=2.8, most_sec=5)
        check.reply(c.rcpt("c@example.net"), 250, "second recipient: the wait is served", most_sec=1.5)
        check.reply(c.rcpt("nosuch@example.net"), 550, "Postfix's own refusals stay Postfix's")
        check.reply(c.data("first"), 250, "first message accepted")
        c.mail("other@example.org")
        check.reply(c.rcpt("d@example.net"), 250, "second message: not held", most_sec=1.5)
        check.reply(c.command("RSET"), 250, "RSET")
        c.mail("third@example.org")
        check.reply(c.rcpt("e@example.net"), 250, "after RSET: not held", most_sec=1.5)
        check.reply(c.data("third"), 250, "third accepted")
        c.ehlo("new.name.example.org")
        c.mail("fourth@example.org")
        check.reply(c.rcpt("f@example.net"), 250, "after a new EHLO: not held", most_sec=1.5)
        c.quit()
    check.that(lab.delivered("first"), "first delivered")
    check.that(lab.delivered("third"), "third delivered")
    # A caller that checks an address and says QUIT: the served hold is no failure, and earns nothing.
    with lab.client(L.pool(40)) as c:
        c.open("callout@example.org")
        check.reply(c.rcpt("b@example.net"), 250, "address check: held", least_sec=2.8, most_sec=5)
        c.quit()
    answer, _ = lab.send(L.pool(40), "after callout", sender="callout@example.org")
    check.reply(answer, 250, "its mail afterwards: held again, not greylisted", least_sec=2.8, most_sec=5)


def breaks_data(lab, check):
    """A client that stands its hold, and sends the message along with DATA without being asked to go on."""
    with lab.client(L.DSL) as c:
        c.open()
        check.reply(c.rcpt("b@example.net"), 250, "held, and let in at the end", least_sec=2.8, most_sec=5)
        c.send("DATA\r\n" + smtp.message("broken") + ".\r\n")
        answer = c.reply()
        check.that(answer and answer.code in (503, 554), "Postfix refuses it", answer)


@case("who waits and then breaks the protocol at DATA is as unknown as before", weight_sec=16)
def breaks_protocol(lab, check):
    lab.tarsier(L.conf(hold="3s"))
    lab.postfix(main="smtpd_forbid_unauth_pipelining = yes\n")
    breaks_data(lab, check)
    check.log(lab.wait_log(r"has waited, and no DATA has come: it is not remembered"), "the log says so", lab.log())
    breaks_data(lab, check)  # held again
    answer, end = lab.send(L.DSL, "well", sender="a@example.org")
    check.reply(answer, 250, "held again", least_sec=2.8, most_sec=5)
    check.that(end and end.code == 250, "this time it comes to DATA", end)
    answer, _ = lab.send(L.DSL, "again")
    check.reply(answer, 250, "and is known", most_sec=1.5)
    check.that(lab.not_delivered("broken"), "nothing of the broken ones is delivered")


@case("the same where a restriction of DATA says so; BDAT confirms as DATA does", weight_sec=16)
def breaks_restriction(lab, check):
    lab.tarsier(L.conf(hold="3s"))
    lab.postfix(main="smtpd_data_restrictions = reject_unauth_pipelining\n")
    breaks_data(lab, check)
    body = smtp.message("by bdat")
    with lab.client(L.DSL) as c:
        c.open()
        check.reply(c.rcpt("b@example.net"), 250, "held again", least_sec=2.8, most_sec=5)
        c.send("BDAT %d LAST\r\n%s" % (len(body), body))
        check.reply(c.reply(), 250, "accepted")
    answer, _ = lab.send(L.DSL, "again")
    check.reply(answer, 250, "and is known", most_sec=1.5)


@case("(f) pipelined recipients are held once", weight_sec=8)
def pipelined(lab, check):
    lab.tarsier(L.conf(hold="3s"))
    lab.postfix()
    with lab.client(L.DSL) as c:
        c.ehlo()
        c.send("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\nDATA\r\n")
        check.reply(c.reply(), 250, "MAIL")
        check.reply(c.reply(), 250, "first", least_sec=2.8, most_sec=5)
        check.reply(c.reply(), 250, "second", most_sec=5)
        check.reply(c.reply(), 354, "DATA", most_sec=5.5)
        c.send(smtp.message("pipelined") + ".\r\n")
        check.reply(c.reply(), 250, "accepted")
        c.quit()
    check.that(lab.delivered("pipelined"), "delivered")


@case("QUIT and RSET sent while held do not end the hold early, nor count as leaving", weight_sec=10)
def blind_quit_while_held(lab, check):
    lab.tarsier(L.conf(hold="3s"))
    lab.postfix()
    with lab.client(L.DSL) as c:
        c.open()
        c.send("RCPT TO:<b@example.net>\r\nRSET\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nQUIT\r\n")
        check.reply(c.reply(), 250, "held in full", least_sec=2.8, most_sec=5)
        for what in ("RSET", "MAIL", "RCPT"):
            check.reply(c.reply(), 250, what, most_sec=5.5)
        check.reply(c.reply(), 221, "QUIT", most_sec=5.5)
    answer, _ = lab.send(L.DSL, "then")
    check.reply(answer, 250, "no DATA has come: held again, not greylisted", least_sec=2.8, most_sec=5)
    answer, _ = lab.send(L.DSL, "known")
    check.reply(answer, 250, "known as patient", most_sec=1.5)


@case("(g) parallel connections of one client are released with the first", weight_sec=16)
def siblings(lab, check):
    lab.tarsier(L.conf(hold="5s"))
    lab.postfix()
    a, b, other = lab.client(L.DSL), lab.client(L.DSL), lab.client(L.pool(50))
    for c, sender in ((a, "a@example.org"), (b, "b@example.org"), (other, "o@example.org")):
        c.open(sender)
    a.send("RCPT TO:<b@example.net>\r\n")
    time.sleep(2)
    b.send("RCPT TO:<c@example.net>\r\n")
    other.send("RCPT TO:<b@example.net>\r\n")
    check.reply(a.reply(), 250, "the first after its full hold", least_sec=4.8, most_sec=7)
    check.reply(b.reply(), 250, "its sibling together with it", least_sec=2, most_sec=4.2)
    check.reply(a.data("sibling a"), 250, "a's message")
    check.reply(b.data("sibling b"), 250, "b's message")
    check.reply(other.reply(), 250, "another client after its own full hold", least_sec=4.8, most_sec=7)
    for c in (a, b, other):
        c.quit()
    check.that(lab.delivered("sibling a") and lab.delivered("sibling b"), "both delivered")
    check.reply(lab.greylisted(L.DSL, "b@example.org", "c@example.net"), 250, "the sibling's tuple is remembered", most_sec=1.5)


@case("(g) when the first leaves, the oldest sibling goes on with its own clock", weight_sec=14)
def sibling_goes_on(lab, check):
    lab.tarsier(L.conf(hold="5s"))
    lab.postfix()
    a, b = lab.client(L.DSL), lab.client(L.DSL)
    a.open("a@example.org")
    b.open("b@example.org")
    a.send("RCPT TO:<b@example.net>\r\n")
    time.sleep(1.5)
    b.send("RCPT TO:<c@example.net>\r\n")
    time.sleep(1)
    a.fin()
    check.reply(b.reply(), 250, "held for its own full time", least_sec=4.8, most_sec=7)
    check.reply(b.data("oldest sibling"), 250, "accepted")
    b.quit()
    check.that(lab.delivered("oldest sibling"), "delivered")


@case("a sibling that has gone is not released with the others", weight_sec=12)
def gone_sibling(lab, check):
    lab.tarsier(L.conf(hold="5s"))
    lab.postfix()
    a = lab.client(L.DSL)
    a.open()
    a.send("RCPT TO:<b@example.net>\r\n")
    time.sleep(1)
    _blind(lab, L.DSL, "gone sibling", True, 3.7, rst=True, greet=True)
    check.reply(a.reply(), 250, "the first is served", most_sec=7)
    a.quit()
    check.that(lab.not_delivered("gone sibling"), "the one that left just before delivers nothing")


@case("holds per client and holds max: past a bound greylisting answers at once", weight_sec=16)
def bounds(lab, check):
    lab.tarsier(L.conf(hold="6s", greylist="30s", extra="holds per-client 2\nholds max 3"))
    lab.postfix()
    clients = []

    def come(source, sender):
        c = lab.client(source)
        c.open(sender)
        c.send("RCPT TO:<b@example.net>\r\n")
        clients.append(c)
        return c

    come(L.DSL, "s1@example.org"), come(L.DSL, "s2@example.org")
    time.sleep(0.3)
    third = come(L.DSL, "s3@example.org")
    check.reply(third.reply(), 451, "a third of one client: greylisted at once", COME_BACK, most_sec=1.5)
    come(L.pool(60), "s4@example.org")
    time.sleep(0.3)
    over = come(L.pool(61), "s5@example.org")
    check.reply(over.reply(), 451, "past the bound of all: greylisted at once", COME_BACK, most_sec=1.5)
    check.reply(clients[0].reply(), 250, "who is held is served", most_sec=9)
    for c in clients:
        c.fin()


@case("(h) a temporary DNS failure is no missing name", weight_sec=14)
def dns_failure(lab, check):
    lab.tarsier(L.conf(hold="4s"))
    lab.postfix()
    answer, _ = lab.send(L.PTR_FAILS, "ptr fails")
    check.reply(answer, 250, "no reverse name for now: passes", most_sec=1.5)
    check.that(lab.delivered("ptr fails"), "delivered")
    answer, _ = lab.send(L.FORWARD_FAILS, "forward fails")
    check.reply(answer, 250, "a server's name that cannot be verified for now: passes", most_sec=1.5)
    answer, _ = lab.send(L.DSL_FORWARD_FAILS, "dsl forward fails")
    check.reply(answer, 250, "an end user's name that cannot be verified for now: held", least_sec=3.8, most_sec=7)


@case("no name, a forged one, one without an address: held as rule 0", weight_sec=12)
def no_name(lab, check):
    lab.tarsier(L.conf(hold="3s"))
    lab.postfix()
    for source, what in ((L.NO_PTR, "no name"), (L.FORGED, "forged"), (L.NO_FORWARD, "no address")):
        answer, _ = lab.send(source, what, sender="x@example.org")
        check.reply(answer, 250, "%s: held" % what, least_sec=2.8, most_sec=6)


@case("(i) IPv6: passes, holds, finds out who left, knows the /64", weight_sec=16)
def ipv6(lab, check):
    if not lab.has_ipv6:
        check.that(True, "no IPv6 on this machine # SKIP")
        return
    lab.tarsier(L.conf(hold="4s"))
    lab.postfix()
    answer, _ = lab.send(L.GOOD6, "six good")
    check.reply(answer, 250, "an ordinary server at once", most_sec=1.5)
    check.that(lab.leave("2001:db8:c::5", after=1.5), "no name: held")
    check.log(lab.wait_maillog(r"milter-reject: RCPT from unknown\[2001:db8:c::5\]: 421 ", 3), "gone: 421", lab.maillog())
    check.reply(lab.greylisted("2001:db8:c::6"), 451, "its /64 is known as one that left", COME_BACK, most_sec=1.5)
    answer, _ = lab.send(L.DSL6, "six waits")
    check.reply(answer, 250, "an end user's line waits", least_sec=3.8, most_sec=7)
    check.that(lab.delivered("six waits"), "delivered")
    answer, _ = lab.send(L.DSL6_NEIGHBOUR, "six neighbour", sender="n@example.org")
    check.reply(answer, 250, "another address of its /64: known as patient", most_sec=1.5)


@case("(j) STARTTLS: held and watched inside TLS", weight_sec=16)
def starttls(lab, check):
    L.run(
        *"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=mx.example.net".split(),
        *("-keyout", "/etc/postfix/key.pem", "-out", "/etc/postfix/cert.pem"),
    )
    lab.tarsier(L.conf(hold="4s"))
    lab.postfix(
        main="smtpd_tls_security_level = may\nsmtpd_tls_cert_file = /etc/postfix/cert.pem\n"
        "smtpd_tls_key_file = /etc/postfix/key.pem",
        processes="-",
    )
    with lab.client(L.DSL) as c:
        c.ehlo()
        check.reply(c.starttls(), 220, "STARTTLS")
        c.open()
        check.reply(c.rcpt("b@example.net"), 250, "held", least_sec=3.8, most_sec=7)
        check.reply(c.data("in tls"), 250, "accepted")
        c.quit()
    check.that(lab.delivered("in tls"), "delivered")
    with lab.client(L.pool(70)) as c:
        c.ehlo()
        c.starttls()
        c.open("left@example.org")
        c.send("RCPT TO:<b@example.net>\r\n")
        check.that(c.reply(timeout=1.5).code == -2, "another one is held")
        c.fin()
    check.log(lab.wait_maillog(r"milter-reject: RCPT from host198-51-100-70\S+: 421 ", 3), "gone inside TLS: 421", lab.maillog())


@case("(n) XCLIENT: cannot be watched, is counted, and the next line decides", weight_sec=10)
def xclient(lab, check):
    lab.tarsier(L.conf(hold="4s"))
    lab.postfix(main="smtpd_authorized_xclient_hosts = " + L.RELAY)
    with lab.client(L.RELAY) as c:
        c.ehlo()
        answer = c.command("XCLIENT NAME=%s ADDR=198.51.100.80 PORT=4000" % "host198-51-100-80.dynamic.isp.example")
        check.reply(answer, 220, "XCLIENT is taken")
        c.open()
        check.reply(c.rcpt("b@example.net"), 451, "no hold: greylisted at once", COME_BACK, most_sec=1.5)
        c.quit()
    check.log(lab.wait_log(r"cannot be watched"), "the log says that the client could not be watched", lab.log())
    with lab.client(L.RELAY) as c:
        c.ehlo()
        c.command("XCLIENT NAME=%s ADDR=%s" % (L.GOOD_NAME, L.GOOD))
        c.open()
        check.reply(c.rcpt("b@example.net"), 250, "an ordinary server by XCLIENT passes", most_sec=1.5)
        c.quit()


@case("(n) holds unwatched hold: held all the same", weight_sec=10)
def xclient_held(lab, check):
    lab.tarsier(L.conf(hold="4s", extra="holds unwatched hold"))
    lab.postfix(main="smtpd_authorized_xclient_hosts = " + L.RELAY)
    with lab.client(L.RELAY) as c:
        c.ehlo()
        c.command("XCLIENT NAME=host198-51-100-80.dynamic.isp.example ADDR=198.51.100.80 PORT=4000")
        c.open()
        check.reply(c.rcpt("b@example.net"), 250, "held and let in", least_sec=3.8, most_sec=7)
        c.quit()


@case("an authenticated client is not the filter's affair", weight_sec=6)
def authenticated(lab, check):
    lab.tarsier(L.conf(hold="4s"))
    lab.postfix(main="smtpd_authorized_xclient_hosts = %s\nsmtpd_sasl_auth_enable = yes" % L.RELAY)
    with lab.client(L.RELAY) as c:
        c.ehlo()
        answer = c.command("XCLIENT NAME=host198-51-100-80.dynamic.isp.example ADDR=198.51.100.80 LOGIN=somebody")
        check.reply(answer, 220, "XCLIENT LOGIN is taken")
        c.open()
        check.reply(c.rcpt("b@example.net"), 250, "passes at once", most_sec=1.5)
        check.reply(c.data("authenticated"), 250, "accepted")
        c.quit()
    check.that(lab.delivered("authenticated"), "delivered")


@case("a big message of a held client arrives whole, with the header", weight_sec=10)
def big_message(lab, check):
    lab.tarsier(L.conf(hold="2s"))
    lab.postfix()
    line = "x" * 76 + "\r\n"
    with lab.client(L.DSL, quiet=True) as c:
        c.open()
        check.reply(c.rcpt("b@example.net"), 250, "held", least_sec=1.8)
        check.reply(c.data("big", line * 20000), 250, "1.5 MB accepted")
        c.quit()
    text = lab.delivered("big")
    check.that(text and text.count("x" * 76) == 20000 and "X-Greylist: Message whitelisted by tarpit 2s" in text, "whole")
