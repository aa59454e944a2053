"""Children behind tarsierd: edits of one seen by the next, failures and fallbacks, conditions, clients that leave."""

import os
import re
import signal
import subprocess
import time

import lab as L
import milters as M
from case import case

REJECTS = r"milter-reject: (MAIL|RCPT|DATA|END-OF-MESSAGE|CONNECT|EHLO) "


def transaction(child, connection=1):
    """The last message that a child was told in a connection: its lines from MAIL on, without macros."""
    lines = [line for line in child.log().splitlines() if line.startswith("#%d " % connection)]
    starts = [n for n, line in enumerate(lines) if line.split(" ")[1] == "mail"]
    part = lines[starts[-1] :] if starts else []
    return [re.sub(r"^#\d+ ", "", re.sub(r' (\{\w+\}|\w)="(?:[^"\\]|\\.)*"', "", line)) for line in part]


def headers(child):
    return [line for line in transaction(child) if line.startswith("header")]


# --- (b) two children -------------------------------------------------------------------------------------------------


@case("(b) the second child sees what the first made of the message; \"sees original\" does not", weight_sec=8)
def children_edits(lab, check):
    first = M.Child(
        lab, "first", "at=eom:add:X-New:one", "at=eom:ins:0:X-Top:top", "at=eom:chg:1:Subject:changed", "at=eom:del:1:X-Gone",
        "at=eom:body:New body.\r\n", "at=eom:from:<new@example.org>", "at=eom:addrcpt:<e@example.net>", "at=eom:delrcpt:<c@example.net>",
    )
    second = M.Child(lab, "second", "at=eom:chg:1:X-New:two", "at=eom:add:X-Second:here", "at=eom:delrcpt:<e@example.net>", "at=eom:addrcpt:<f@example.net>")
    third = M.Child(lab, "third", "at=eom:add:X-Third:here")
    M.postfix(lab)
    lab.tarsier(M.conf(first.filter(), second.filter(), third.filter("sees original")))
    for _ in range(2):  # in the first session nothing is known of them yet
        answers = M.send(lab, M.mail("plain", headers="X-Gone: x\r\nX-Gone: y\r\n"), recipients=("b@example.net", "c@example.net"))
        check.reply(answers[-1], 250, "accepted")
    for child in (first, second, third):
        child.wait("^#2 close")
    body = 'eom "15" "%016x"' % fnv("A short text.\r\n")
    check.that(transaction(first, 2)[:3] == ['mail "<a@example.org>"', 'rcpt "<b@example.net>"', 'rcpt "<c@example.net>"'], "the first: as it came", transaction(first, 2))
    check.that(body in transaction(first, 2), "its body", transaction(first, 2))
    seen = transaction(second, 2)
    check.that(seen[0] == 'mail "<new@example.org>"', "the second sees the new sender", seen)
    recipients = [line for line in seen if line.startswith("rcpt")]
    check.that(recipients == ['rcpt "<b@example.net>"', 'rcpt "<e@example.net>"'], "… the new recipients", seen)
    order = [line.split('"')[1] for line in seen if line.startswith("header")]
    check.that(order == ["X-Top", "From", "To", "Subject", "Message-Id", "Date", "X-Gone", "X-New"], "… the new headers", seen)
    check.that('header "Subject" "changed"' in seen and 'header "X-Gone" "y"' in seen, "… changed and deleted", seen)
    check.that('eom "11" "%016x"' % fnv("New body.\r\n") in seen, "… the new body", seen)
    seen = transaction(third, 2)
    order = [line.split('"')[1] for line in seen if line.startswith("header")]
    check.that(seen[:3] == transaction(first, 2)[:3] and body in seen, "the third sees the original", seen)
    check.that(order == ["From", "To", "Subject", "Message-Id", "Date", "X-Gone", "X-Gone"], "… with its headers", seen)
    files = M.take_box("\nSubject: changed\n", 4)
    check.that(len(files) == 4, "delivered to two, twice", files)
    for text in files:
        wanted = ("X-New: two\n", "X-Second: here\n", "X-Third: here\n", "X-Top: top\n", "X-Gone: y\n", "New body.\n", "Return-Path: <new@example.org>\n")
        check.that(all(w in text for w in wanted) and "X-Gone: x" not in text, "with the edits of all three", text)
    found = sorted(re.search(r"^Delivered-To: (.*)$", text, re.M).group(1) for text in files)
    check.that(found == ["b@example.net"] * 2 + ["f@example.net"] * 2, "to those that the edits left", found)


def fnv(text):
    """As milter_child has it of a body."""
    value = 0xCBF29CE484222325
    for byte in text.encode("latin-1"):
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return value


@case("(b) of a child that dies within its edits, refuses, or is only evaluated, nothing is applied", weight_sec=8, expects=REJECTS)
def children_edits_lost(lab, check):
    edits = ("at=eom:add:X-Lost:x", "at=eom:addrcpt:<lost@example.net>", "at=eom:body:lost\r\n")
    dies = M.Child(lab, "dies", *edits, "at=eom:exit")
    looks = M.Child(lab, "looks", *edits, "at=eom:reply:550:5.7.1:no")
    second = M.Child(lab, "second", "at=eom:add:X-Second:here")
    M.postfix(lab)
    lab.tarsier(M.conf(dies.filter(), looks.filter("evaluation yes"), second.filter()))
    check.reply(M.send(lab, M.mail("lost"))[-1], 250, "accepted")
    text = lab.delivered("lost") or ""
    check.that("X-Second: here" in text and "A short text." in text and "X-Lost" not in text, "delivered without lost edits", text)
    check.that(not any("X-Lost" in line for line in second.events("header")), "which the next child does not see", second.log())
    check.that(not M.take_box("Delivered-To: lost@example.net", 0), "and without the lost recipient")
    check.log(lab.wait_log(r'status=failed .* name="dies"'), "statistics: failed", lab.log())
    check.log(lab.wait_log(r'status=reject .*evaluation=yes name="looks"'), "statistics: reject, of one that is evaluated", lab.log())


# --- (d) failures -----------------------------------------------------------------------------------------------------

FALLBACKS = {
    "accept": (250, True),
    "tempfail": (451, False),
    "reject": (550, False),
    "discard": (250, False),
}


def failing(lab, check, kind, *words, start=True, stopped=False, most_sec=3, settings=()):
    """A child that fails so, once with each fallback, beside one that would take everything."""
    children = {}
    for fallback in FALLBACKS:
        children[fallback] = M.Child(lab, "%s-%s" % (kind, fallback), *words, start=start)
        if stopped:
            children[fallback].stop()
    good = M.Child(lab, "good")
    lab.tarsier(
        M.conf(
            *(
                child.filter("when from /^<%s@/" % fallback, "fallback " + fallback, *settings)
                for fallback, child in children.items()
            ),
            good.filter(),
        )
    )
    for fallback, (code, arrives) in FALLBACKS.items():
        subject = "%s %s" % (kind, fallback)
        answers = M.send(lab, M.mail(subject), sender=fallback + "@example.org")
        final = next((r for r in answers if r.code != 250), answers[-1])
        check.reply(final, code, subject, most_sec=most_sec)
        check.that(max(r.sec for r in answers) <= most_sec, "%s: none later than %g s" % (subject, most_sec), "\n".join(map(str, answers)))
        if arrives:
            check.that(lab.delivered(subject), subject + ": delivered")
        else:
            check.that(lab.not_delivered(subject), subject + ": not delivered")
    answers = M.send(lab, M.mail(kind + " beside"), sender="beside@example.org")
    check.reply(answers[-1], 250, kind + ": others are not concerned", most_sec=most_sec)
    lab.stop_tarsier()
    for child in [good, *children.values()]:
        if child.process and child.process.poll() is None:
            child.kill()


@case("(d) a message of 50,000 headers is refused, not passed on by the fallback; 7,000 are judged", weight_sec=8, expects=REJECTS)
def fail_headers(lab, check):
    child = M.Child(lab, "child", "at=eom:add:X-Child:seen")
    M.postfix(lab)
    lab.tarsier(M.conf(child.filter("breaker failures 1", "when msgsize > 100")))
    check.reply(M.send(lab, M.mail("too many", headers="X-Filler: a\r\n" * 50000))[-1], 552, "50,000", "5.3.4 Message headers are too large")
    check.reply(M.send(lab, M.mail("many", headers="X-Filler: a\r\n" * 7000))[-1], 250, "7,000")
    check.that("X-Child: seen" in (lab.delivered("many") or ""), "… which the filter has judged")
    check.that(lab.not_delivered("too many"), "the others are not delivered")
    check.that("fallback" not in lab.log(), "no filter has failed", lab.log())


@case("(d) a missing socket costs no time, and each fallback what it says", weight_sec=6, expects=REJECTS)
def fail_missing(lab, check):
    M.postfix(lab)
    failing(lab, check, "missing", start=False)


@case("(d) a child that says nothing, from its first byte on or at RCPT or at the end of message", weight_sec=20, expects=REJECTS)
def fail_silent(lab, check):
    M.postfix(lab)
    failing(lab, check, "mute", stopped=True, most_sec=4.5, settings=("timeout connect 1s", "timeout command 6s"))
    failing(lab, check, "silent", "at=rcpt:silent", most_sec=4.5, settings=("timeout command 1s",))
    failing(lab, check, "dumb", "at=eom:silent", most_sec=4.5, settings=("timeout end-of-message 1s",))


@case("(d) a child that dies at each stage", weight_sec=20, expects=REJECTS)
def fail_dies(lab, check):
    M.postfix(lab)
    for stage in ("mail", "rcpt", "data", "header", "eoh", "body", "eom"):
        failing(lab, check, "dies at " + stage, "at=%s:exit" % stage)


@case("(d) one child's death does not change another's verdict", weight_sec=8, expects=REJECTS)
def fail_beside(lab, check):
    refuses = ("at=eom@<eom>:reply:550:5.7.1:no eom", "at=rcpt@refused:reply:550:5.7.1:no rcpt", "at=data:wait:300")
    M.postfix(lab)
    for order in (0, 1):
        for stage in ("rcpt", "header", "eom"):
            dies = M.Child(lab, "dies", "at=%s:exit" % stage)
            other = M.Child(lab, "other", *refuses)
            filters = [dies.filter("fallback accept"), other.filter()]
            M.restart(lab, M.conf(*(filters[::-1] if order else filters)))
            answers = M.send(lab, M.mail("<eom>"), recipients=("refused@example.net", "b@example.net"))
            name = "%s dies at %s: " % ("the second" if order else "the first", stage)
            check.reply(answers[1], 550, name + "the other refuses a recipient", "no rcpt", most_sec=2)
            check.reply(answers[-1], 550, name + "and the message", "no eom", most_sec=2)
            for child in (dies, other):
                if child.process.poll() is None:
                    child.kill()


@case("(d) killed between two messages: the next one has the fallback, and a new child is found again", weight_sec=6, expects=REJECTS)
def fail_comes_back(lab, check):
    child = M.Child(lab, "child", "at=eom:add:X-Child:seen")
    M.postfix(lab)
    lab.tarsier(M.conf(child.filter("fallback tempfail", "breaker failures 0")))
    with lab.client(L.GOOD) as c:
        c.open()
        c.rcpt("b@example.net")
        check.reply(c.data("with it"), 250, "a first message")
        c.mail("a@example.org")
        child.kill()
        check.reply(c.rcpt("b@example.net"), 451, "the child killed in the second: fallback", most_sec=2)
        c.command("RSET")
        child.start()
        c.mail("a@example.org")
        check.that(True, "started again")
        c.quit()
    check.reply(M.send(lab, M.mail("again"))[-1], 250, "a new session has it again")
    check.that("X-Child: seen" in (lab.delivered("again") or ""), "and its header")


@case("(d) the breaker: after three failures it is not tried, then found again by itself", weight_sec=10, expects=REJECTS)
def fail_breaker(lab, check):
    child = M.Child(lab, "child", "at=eom:add:X-Child:seen")
    M.postfix(lab)
    settings = ("timeout connect 1s", "timeout command 1s", "breaker failures 3", "breaker pause 2s", "fallback accept")
    lab.tarsier(M.conf(child.filter(*settings)))
    child.stop()
    took = []
    for n in range(5):
        start = time.monotonic()
        M.send(lab, M.mail("failing %d" % n))
        took.append(time.monotonic() - start)
    check.that(all(t > 0.9 for t in took[:3]), "three times it is waited for", took)
    check.that(all(t < 0.95 for t in took[3:]), "then no more", took)
    check.log(lab.wait_log("(?i)child.*(not (asked|tried)|breaker)|breaker"), "the log says so", lab.log())
    child.process.send_signal(signal.SIGCONT)
    found = L.wait_until("probe", 8, lambda: "X-Child" in str(M.send(lab, M.mail("probe")) and L.wait_until("x", 1, lambda: M.take_box("\nSubject: probe\n", 0))), 0.3)
    check.that(found, "when it lives again it is found again", lab.log()[-2000:])


# --- (e) conditions ---------------------------------------------------------------------------------------------------


@case("(e) conditions on recipients: the child is told of those alone", weight_sec=6)
def when_rcpt(lab, check):
    child = M.Child(lab, "child", "at=eom:add:X-Child:seen")
    every = M.Child(lab, "every", "at=eom:add:X-Every:seen")
    M.postfix(lab)
    lists = 'list "some" rcpt { c@example.net d@example.net }\n'
    lab.tarsier(M.conf(child.filter('when list "some"'), every.filter('when every list "some"'), head=lists))
    M.send(lab, M.mail("none"))
    check.that(lab.delivered("none") and not child.connections(), "no such recipient: no connection", child.log())
    M.send(lab, M.mail("one"), recipients=("b@example.net", "c@example.net"))
    text = lab.delivered("one") or ""
    check.that("X-Child: seen" in text and "X-Every" not in text, "one: asked", text)
    check.that([e.split(" ")[1] for e in child.events("rcpt")] == ['"<c@example.net>"'], "and told of that one", child.log())
    check.that(not every.events("rcpt"), "\"every\" is not true", every.log())
    M.send(lab, M.mail("all"), recipients=("c@example.net", "d@example.net"))
    text = lab.delivered("all") or ""
    check.that("X-Child: seen" in text and "X-Every: seen" in text, "all: both are asked", text)
    every.wait("^#1 close")
    check.that(every.stages() == "connect helo mail rcpt rcpt data" + 6 * " header" + " eoh body eom close", "late, from the beginning", every.log())


@case("(e) a condition on a header, or on the body: the child starts late and misses nothing", weight_sec=6)
def when_late(lab, check):
    plain = M.Child(lab, "plain")
    scan = M.Child(lab, "scan", "at=eom:add:X-Scan-Result:clean")
    body = M.Child(lab, "body", "steps=leadspc")
    M.postfix(lab)
    lab.tarsier(M.conf(plain.filter(), scan.filter('when header "X-Scan" /yes/'), body.filter("when body /pass.*phrase/")))
    for _ in range(2):
        M.send(lab, M.mail("late", headers="X-Scan: yes\r\n", body="My pass phrase\r\nis this.\r\n"))
        M.take_box("\nSubject: late\n")
    for child in (plain, scan, body):
        child.wait("^#2 close")

    def told(child):
        return [re.sub(r"^#\d", "#", line) for line in M.same(child.log()).splitlines() if re.match(r"#2 (?!negotiate)", line)]

    check.that(told(scan) == told(plain), "header: the same as one that was there from the beginning", M.difference("\n".join(told(plain)), "\n".join(told(scan))))
    scanned = [line for line in told(body) if "X-Scan-Result" not in line]
    as_plain = [re.sub(r'^(# header "[^"]*" ")', r"\1 ", line) for line in told(plain)]
    check.that(scanned == as_plain, "body: the same, leading space and the header of the one before beside", M.difference("\n".join(as_plain), "\n".join(scanned)))
    M.send(lab, M.mail("without"))
    check.that("X-Scan-Result" not in (lab.delivered("without") or "X-Scan-Result"), "without the header it is not asked")
    check.that(scan.connections() == 2 and body.connections() == 2 and plain.connections() == 3, "nor connected to")


@case("(e) authenticated, DNS lists, names, stress by number and another filter's result", weight_sec=8)
def when_client(lab, check):
    conditions = {
        "auth": "when authenticated",
        "unauth": "when unauthenticated",
        "listed": 'when dnsbl "one"',
        "any-listed": "when dnsbl",
        "not-listed": 'when not dnsbl "one"',
        "s25r": "when s25r",
        "named": "when domain good.example",
        "helo": 'when helo "client.example.org"',
        "stress": "when stress 2",
        "after": 'when filter "auth" continue',
        "missed": 'when not filter "auth" asked',
    }
    children = [M.Child(lab, name, "at=eom:add:X-Asked:" + name) for name in conditions]
    M.postfix(lab, main="smtpd_authorized_xclient_hosts = %s\nsmtpd_sasl_auth_enable = yes" % L.RELAY)
    lists = (
        'dnsrbl "one" list.example 127.0.0.2\ndnsrbl "refusing" refuses.example\n'
        'dnsrbl "other" list.example 127.0.0.9\n'
    )
    lab.tarsier(M.conf(*(child.filter(conditions[child.name]) for child in children), head=lists))

    def asked(subject):
        text = lab.delivered(subject) or ""
        return sorted(re.findall(r"^X-Asked: (\S+)$", text, re.M))

    # of the first session of a child nothing is asked of the MTA that it alone wants: all conditions are ours
    M.send(lab, M.mail("dsl"), source=L.DSL)
    check.that(asked("dsl") == sorted(["unauth", "listed", "any-listed", "s25r", "helo", "missed"]), "an end user's line in a DNS list", asked("dsl"))
    M.send(lab, M.mail("good"))
    check.that(asked("good") == sorted(["unauth", "not-listed", "named", "helo", "missed"]), "a mail server", asked("good"))
    with lab.client(L.RELAY) as c:
        c.ehlo()
        c.command("XCLIENT NAME=%s ADDR=%s LOGIN=joe" % (L.GOOD_NAME, L.GOOD))
        c.command("EHLO other.example.org")
        c.mail("joe@example.org")
        c.rcpt("b@example.net")
        check.reply(c.data("joe"), 250, "an authenticated client")
        c.quit()
    check.that(asked("joe") == sorted(["auth", "not-listed", "named", "after"]), "authenticated", asked("joe"))
    with lab.client(L.GOOD) as other:
        other.ehlo()
        M.send(lab, M.mail("busy"))
        check.that("stress" in asked("busy"), "two connections: stress", asked("busy"))


@case("(e) a DNS list that fails costs its time once, and no mail", weight_sec=14)
def when_dnsbl_fails(lab, check):
    child = M.Child(lab, "child", "at=eom:add:X-Asked:child")
    M.postfix(lab)
    lab.tarsier(M.conf(child.filter("when dnsbl"), head='dnsrbl "broken" broken.example\ndnsrbl "one" list.example\n'))
    answers = M.send(lab, M.mail("first"), source=L.DSL)
    check.reply(answers[-1], 250, "the other list answers", most_sec=9)
    check.that("X-Asked" in (lab.delivered("first") or ""), "and counts")
    answers = M.send(lab, M.mail("second"))
    check.reply(answers[-1], 250, "no list knows it", most_sec=9)
    check.that("X-Asked" not in (lab.delivered("second") or "X-Asked"), "and it is not asked")


# --- (f) clients that leave, greylisting beside ------------------------------------------------------------------------


@case("(f) the client leaves while a slow child is awaited: 421 within two seconds, the child hears of it", weight_sec=12)
def client_gone(lab, check):
    child = M.Child(lab, "child", "at=rcpt@slow:wait:5000", "at=eom@<slow>:wait:5000")
    M.postfix(lab)
    lab.tarsier(M.conf(child.filter()))
    M.send(lab, M.mail("known"))
    for number, stage in enumerate(("RCPT", "END-OF-MESSAGE"), 2):
        with lab.client(L.GOOD) as c:
            c.open()
            if stage == "RCPT":
                c.send("RCPT TO:<slow@example.net>\r\n")
            else:
                c.rcpt("b@example.net")
                c.command("DATA")
                c.send(M.mail("<slow>") + ".\r\n")
            check.that(c.reply(timeout=1).code == -2, "%s: awaited" % stage)
            c.fin()
            start = time.monotonic()
            lab.wait_maillog("milter-reject: %s from .*: (421 |4.7.0 )" % stage, 4)
            took = time.monotonic() - start
            check.that(took < 2.2, "%s: 421 within two seconds" % stage, "%.2f s\n%s" % (took, lab.maillog()[-1500:]))
        check.log(child.wait("^#%d close" % number, 8), "%s: the child is told (when it listens again)" % stage, child.log())
    check.that(lab.not_delivered("<slow>"), "not delivered")
    M.send(lab, M.mail("after"))
    check.that(lab.delivered("after"), "the next client is served")


GREY = (
    'filter "greylist" {\n    builtin greylist\n    when remote and unauthenticated and s25r\n}\n'
    "racl whitelist rcpt always@example.net\nracl whitelist tarpit 3s\nracl greylist default\ngreylist 8s\n"
)


@case("(f) greylisting before a child: holds cost it nothing, and it is told of those let in", weight_sec=14)
def child_and_greylist(lab, check):
    child = M.Child(lab, "child", "at=eom:add:X-Child:seen")
    M.postfix(lab)
    lab.tarsier(M.conf(GREY, child.filter()))
    said = lab.tool("tarsier", "status")[1]
    check.that(re.search(r"^filters .*\bok *$", said, re.M), "tarsier status: nothing is known of its time yet", said)
    check.that(lab.leave(L.pool(1), after=1.2), "one is held, and leaves")
    lab.wait_maillog(r"421 ", 3)
    check.that(child.connections() == 0, "no connection to the child for it", child.log())
    with lab.client(L.pool(1)) as c:
        c.open()
        check.reply(c.rcpt("b@example.net"), 451, "it comes back: greylisted")
        check.that(child.connections() == 0, "no connection to the child for that", child.log())
        check.reply(c.rcpt("always@example.net"), 250, "another recipient is let in")
        check.reply(c.data("let in"), 250, "and the message")
        c.quit()
    child.wait("^#1 close")
    recipients = [e.split(" ")[1] for e in child.events("rcpt")]
    check.that(recipients == ['"<always@example.net>"'], "the child is told of that one only", child.log())
    with lab.client(L.DSL) as c:
        c.open()
        c.send("RCPT TO:<b@example.net>\r\n")
        check.that(c.reply(timeout=1.5).code == -2 and child.connections() == 1, "held: no connection to the child", child.log())
        check.reply(c.reply(), 250, "let in")
        check.reply(c.data("held"), 250, "accepted")
        c.quit()
    child.wait("^#2 close")
    text = lab.delivered("held") or ""
    check.that("X-Child: seen" in text and "X-Greylist: " in text, "delivered, with both headers", text)
    grey = [e for e in child.events("header") if e.startswith('header "X-Greylist"')]
    check.that(len(grey) == 2 and "tarpit" in grey[1], "the child sees X-Greylist", child.log())
    M.send(lab, M.mail("ordinary"))
    check.that("X-Child: seen" in (lab.delivered("ordinary") or ""), "an ordinary server: the child alone")
    said = lab.tool("tarsier", "status")[1]
    check.that(re.search(r"^filters .*\bok \d+ ms *$", said, re.M), "tarsier status tells how long it takes", said)


# --- slow, late and changed children ----------------------------------------------------------------------------------


@case("a child slower than Postfix's own time-out: PROGRESS keeps Postfix waiting", weight_sec=12)
def child_slow(lab, check):
    child = M.Child(
        lab, "child", "at=rcpt@quiet:wait:4000", "at=rcpt@busy:progress:5:800", "at=eom@<quiet>:wait:4000", "at=eom:add:X-Child:seen"
    )
    M.postfix(lab, main="milter_command_timeout = 2s\nmilter_content_timeout = 2s")
    lab.tarsier(M.conf(child.filter("timeout command 10s", "timeout end-of-message 10s"), head="progress every 1s\n"))
    with lab.client(L.GOOD) as c:
        c.open()
        check.reply(c.rcpt("busy@example.net"), 250, "one that says that it is at work", least_sec=3.8)
        check.reply(c.rcpt("quiet@example.net"), 250, "one that says nothing within its own time", least_sec=3.8)
        check.reply(M.data(c, M.mail("<quiet>")), 250, "the same at the end of a message", least_sec=3.8)
        c.quit()
    check.that("X-Child: seen" in (lab.delivered("<quiet>") or ""), "with its edits")


@case("a slow child gives a body of 9 MB to a slow Postfix: it is delivered byte by byte as the child gave it", weight_sec=10)
def child_slow_body(lab, check):
    rows = -(-9000000 // 67)
    wanted = "".join("%010d abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ.\n" % n for n in range(rows))
    child = M.Child(lab, "child", "at=eom:wait:1200", "at=eom:bodybytes:9000000")
    M.postfix(lab, main="milter_default_action = accept")
    lab.tarsier(M.conf(child.filter(), head="progress every 1s\n"))
    with lab.client(L.GOOD) as c:
        c.open()
        c.rcpt(M.RECIPIENT)
        c.command("DATA")
        c.send(M.mail("slow body") + ".\r\n")
        child.wait(r"^#\d+ eom")
        cleanup = [int(pid) for pid in subprocess.run(["pgrep", "-x", "cleanup"], stdout=subprocess.PIPE, text=True).stdout.split()]
        for pid in cleanup:  # it stands still in the middle of the body, while tarsierd's clock for PROGRESS runs out twice
            os.kill(pid, signal.SIGSTOP)
        time.sleep(4)
        for pid in cleanup:
            os.kill(pid, signal.SIGCONT)
        check.reply(c.reply(), 250, "accepted", least_sec=1.2)
        c.quit()
    got = (lab.delivered("slow body") or "").partition("\n\n")[2]
    check.that(got == wanted, "delivered as the child gave it", "%d bytes of %d" % (len(got), len(wanted)))


@case("a child's PROGRESS restarts its clock, but not beyond progress max", weight_sec=10, expects=REJECTS)
def child_progress(lab, check):
    child = M.Child(lab, "child", "at=rcpt@busy:progress:4:600", "at=rcpt@endless:progress:100:500")
    M.postfix(lab)
    lab.tarsier(M.conf(child.filter("timeout command 1s", "progress max 4s", "fallback tempfail")))
    with lab.client(L.GOOD) as c:
        c.open()
        check.reply(c.rcpt("busy@example.net"), 250, "longer than timeout command", least_sec=2.2)
        check.reply(c.rcpt("endless@example.net"), 451, "endless: until progress max", least_sec=3.5, most_sec=6)
        c.quit()


@case("a child that comes up later, and one that wants more after a restart of its own", weight_sec=8)
def child_changes(lab, check):
    child = M.Child(lab, "child", "steps=rcpt_rej", "symlist=rcpt:{client_ptr} {rcpt_addr}", "at=eom:add:X-Child:seen", start=False)
    M.postfix(lab)
    lab.tarsier(M.conf(child.filter("breaker failures 0")))
    M.send(lab, M.mail("without"))
    check.that("X-Child" not in (lab.delivered("without") or "X-Child"), "not there yet: mail flows without it")
    child.start()
    M.send(lab, M.mail("first"))
    check.that("X-Child: seen" in (lab.delivered("first") or ""), "there: asked in the next session", lab.log())
    M.send(lab, M.mail("second"), recipients=("b@example.net", "nosuch@example.net"))
    child.wait("^#2 close")
    wanted = r'#2 rcpt "<nosuch@example\.net>" .*\{client_ptr\}="%s"' % re.escape(L.GOOD_NAME)
    check.that(re.search(wanted, child.log()), "then with all macros and steps that it wants", child.log())
    child.kill()
    child.words = ("symlist=connect:{client_resolve}", "at=eom:add:X-Child:seen", "at=eom:body:New body.\r\n")
    child.start()
    for n in range(2):
        M.send(lab, M.mail("changed %d" % n))
    text = lab.delivered("changed 1") or ""
    check.that("X-Child: seen" in text and "New body." in text, "it wants other things after a restart: it gets them", text)
    check.that(re.search(r'connect .*\{client_resolve\}="OK"', child.log()), "and its macros", child.log())


@case("mail handed in by sendmail(1): the child is asked by way of cleanup", weight_sec=5)
def child_sendmail(lab, check):
    child = M.Child(lab, "child", "at=eom:add:X-Child:seen")
    remote = M.Child(lab, "remote", "at=eom:add:X-Remote:seen")
    M.postfix(lab, main="non_smtpd_milters = " + L.MILTERS)
    lab.tarsier(M.conf(child.filter(), remote.filter("when remote")))
    command = ["sendmail", "-i", "-f", "a@example.org", "b@example.net"]
    done = subprocess.run(command, input=M.mail("handed in").replace("\r\n", "\n"), capture_output=True, text=True, timeout=20)
    check.that(done.returncode == 0, "sendmail takes it", done.stderr)
    text = lab.delivered("handed in") or ""
    check.that("X-Child: seen" in text and "X-Remote" not in text, "asked, but who is only for remote clients is not", text)
    check.that('connect "localhost" "127.0.0.1 port 0"' in child.log(), "as from localhost", child.log())
