"""Children and an MTA that others have written, big messages, reload and limits: the manager in an administrator's hands."""

import os
import re
import signal
import subprocess
import time

import lab as L
import milters as M
from case import case

# --- (c) opendkim -----------------------------------------------------------------------------------------------------

SIGN = "Mode s\nDomain example.org\nSelector sel\nKeyFile {room}/dkim.key\nInternalHosts {room}/dkim.hosts\nCanonicalization {canon}\n"
VERIFY = "Mode v\nAlwaysAddARHeader yes\nAuthservID {name}\nTestPublicKeys {room}/dkim.public\n"


class Dkim(M.Child):
    """Debian's opendkim as a child."""

    def __init__(self, lab, name, text, port):
        super().__init__(lab, name, address="inet:%d@127.0.0.1" % port, start=False)
        path = "%s/%s.conf" % (L.ROOM, name)
        common = "Socket inet:%d@127.0.0.1\nSyslog no\nRequireSafeKeys no\nUserID root\n" % port
        L.write(path, text.format(room=L.ROOM, name=name, canon="simple/simple") + common)
        self.process = lab.spawn("opendkim", "-f", "-x", path, name=name)
        if not L.wait_until("opendkim", 10, lambda: lab._listening("127.0.0.1", port)):
            raise L.LabError("opendkim does not listen: " + L.read("%s/%s.err" % (L.ROOM, name)))


def dkim_key():
    L.run("openssl", "genrsa", "-out", L.ROOM + "/dkim.key", "1024")
    public = L.run("openssl", "rsa", "-in", L.ROOM + "/dkim.key", "-pubout")
    public = "".join(line for line in public.splitlines() if not line.startswith("-"))
    L.write(L.ROOM + "/dkim.public", "sel._domainkey.example.org v=DKIM1; k=rsa; p=%s\n" % public)
    L.write(L.ROOM + "/dkim.hosts", "0.0.0.0/0\n")


FOLDED = "X-Folded:  two blanks,\r\n\tand a tab,\r\n   and three\r\nX-Tight:value\r\n"


def result(text, name):
    """What the verifier of this name says in Authentication-Results."""
    found = re.search(r"^Authentication-Results: %s;((?:.|\n[ \t])*)" % re.escape(name), text or "", re.M)
    word = re.search(r"dkim=(\w+)", found.group(1)) if found else None
    return word.group(1) if word else None


@case("(c) opendkim signs what a child before it has edited, and the signature verifies, simple/simple", weight_sec=10)
def dkim(lab, check):
    dkim_key()
    before = M.Child(
        lab, "before", "at=eom:add:X-New:one,\n\ttwo", "at=eom:chg:1:Subject:[list] signed", "at=eom:body:Another body.\r\n\r\n.dot\r\n"
    )
    sign = Dkim(lab, "sign", SIGN, 9200)
    after = M.Child(lab, "after", "at=eom@good:add:X-After:not signed", "at=eom@spoilt:body:Spoilt.\r\n", "at=eom@list:add:X-After:n")
    verify = Dkim(lab, "verify", VERIFY, 9201)
    M.postfix(lab, alone=M.ALONE, main="smtpd_error_sleep_time = 0")
    spoil = M.Child(lab, "spoil", "at=eom:chg:1:Subject:spoilt")
    Dkim(lab, "later", VERIFY, 9100)
    order = [before.filter('when not helo "spoil.example.org"'), sign.filter(), after.filter(), spoil.filter('when helo "spoil.example.org"')]
    lab.tarsier(M.conf(*order, verify.filter()))
    for n in range(2):
        check.reply(M.send(lab, M.mail("plain", headers=FOLDED))[-1], 250, "accepted")
    files = M.take_box("\nSubject: [list] signed\n", 2)
    check.that(len(files) == 2, "delivered", files)
    for n, text in enumerate(files, 1):
        check.that("\nDKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=example.org; s=sel;" in text, "%d: signed" % n, text)
        check.that("\nX-New: one,\n\ttwo\n" in text and "\nAnother body.\n" in text, "%d: what the child made of it" % n, text)
        check.that(result(text, "verify") == "pass", "%d: verified by a child behind" % n, text)
    text = re.sub(r"^(Return-Path|X-Original-To|Delivered-To): .*\n", "", files[0], flags=re.M) if files else ""
    answers = M.send(lab, text.replace("\n", "\r\n"), port=M.ALONE_PORT)
    check.reply(answers[-1], 250, "what was delivered, sent to a verifier alone")
    again = "".join(M.take_box("Authentication-Results: later", 1))
    check.that(result(again, "later") == "pass", "verifies there too", again)
    with lab.client(L.GOOD) as c:
        c.ehlo("spoil.example.org")
        c.mail(M.SENDER)
        c.rcpt(M.RECIPIENT)
        M.data(c, M.mail("good", headers=FOLDED))
        c.quit()
    text = lab.delivered("spoilt")
    check.that(result(text, "verify") == "fail", "spoilt behind the signer: fails", text)


# --- (g) big messages -------------------------------------------------------------------------------------------------

ROWS = "".join("%06d %s\r\n" % (n, "x" * 70) for n in range(38000))  # 3 MB


@case("(g) a message of 3 MB through two editing children and the spool, whole", weight_sec=10)
def big_children(lab, check):
    first = M.Child(lab, "first", "at=eom@big:add:X-First:f", "at=eom@big:wait:700", "at=eom@replace:bodybytes:3000000")
    second = M.Child(lab, "second", "at=eom:ins:0:X-Second:s", "at=eoh:wait:700")
    M.postfix(lab)
    lab.tarsier(M.conf(first.filter(), second.filter()))
    M.send(lab, M.mail("small"))  # now it is known that they edit
    with lab.client(L.GOOD, quiet=True) as c:
        c.open()
        c.rcpt("b@example.net")
        c.command("DATA")
        c.send(M.mail("big", ROWS) + ".\r\n")

        def spooled():
            links = []
            for fd in os.listdir("/proc/%d/fd" % lab.tarsierd.pid):
                try:
                    links.append(os.readlink("/proc/%d/fd/%s" % (lab.tarsierd.pid, fd)))
                except OSError:
                    pass
            return [link for link in links if link.startswith("/var/lib/tarsier/") and link.endswith("(deleted)")]

        check.that(L.wait_until("spool", 5, spooled), "an unlinked file in the store's directory holds it meanwhile")
        check.reply(c.reply(), 250, "accepted")
        c.quit()
    check.that(not spooled(), "which is gone afterwards", spooled())
    text = lab.delivered("big") or ""
    check.that(text.partition("\n\n")[2] == ROWS.replace("\r\n", "\n"), "delivered whole", len(text))
    check.that("X-First: f" in text and text.count("X-Second: s") == 1, "with both headers", text[:1000])
    for child in (first, second):
        ends = [e.split(" ")[1] for e in child.events("eom")]
        check.that('"%d"' % len(ROWS) in ends, "%s has seen all of it" % child.name, ends)
    hashes = {e.split(" ")[2] for child in (first, second) for e in child.events("eom") if e.split(" ")[1] == '"%d"' % len(ROWS)}
    check.that(len(hashes) == 1, "the same bytes", hashes)
    check.reply(M.send(lab, M.mail("replace", ROWS), quiet=True)[-1], 250, "and one whose body is replaced by 3 MB")
    text = lab.delivered("replace") or ""
    body = text.partition("\n\n")[2]
    check.that(len(body) >= 2900000 and body.splitlines()[-1].endswith("XYZ.") and "x" * 70 not in body, "delivered with the new one", (len(body), body[-200:]))


@case("(g) a full spool disk: 451 for that message, and nothing worse", weight_sec=8, expects="milter-reject: END-OF-MESSAGE")
def spool_full(lab, check):
    first = M.Child(lab, "first", "at=eom:add:X-First:f")
    second = M.Child(lab, "second", "at=eom:add:X-Second:s")
    os.makedirs(L.ROOM + "/spool")
    L.run("mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", L.ROOM + "/spool")
    M.postfix(lab)
    lab.tarsier(M.conf(first.filter(), second.filter(), head='spool "%s/spool"\n' % L.ROOM))
    M.send(lab, M.mail("small"))
    answers = M.send(lab, M.mail("full", ROWS), quiet=True)
    check.reply(answers[-1], 451, "451", most_sec=10)
    check.that(lab.not_delivered("full"), "not delivered")
    check.reply(M.send(lab, M.mail("next"))[-1], 250, "the next message goes through")
    text = lab.delivered("next") or ""
    check.that("X-First: f" in text and "X-Second: s" in text, "and both children", text)
    check.log(lab.wait_log("(?i)spool"), "the log says why", lab.log())


# --- (h) miltertest ---------------------------------------------------------------------------------------------------

SCRIPT = """
function fail(text)
    mt.echo(text)
    error(text)
end
function check(what, got, want)
    if got ~= want then fail(what .. ": " .. string.char(got) .. " instead of " .. string.char(want)) end
end
function no(what, text)
    if text ~= nil then fail(what .. ": " .. text) end
end
for n = 1, 2 do
    conn = mt.connect("unix:%(socket)s")
    if conn == nil then fail("no connection") end
    no("negotiate", mt.negotiate(conn, nil, nil, nil))
    if not mt.test_action(conn, SMFIF_ADDHDRS) then fail("adds no headers") end
    space = ""
    if mt.test_option(conn, SMFIP_HDR_LEADSPC) then space = " " end
    no("connect", mt.conninfo(conn, "mail.good.example", "203.0.113.10"))
    check("connect", mt.getreply(conn), SMFIR_CONTINUE)
    no("helo", mt.helo(conn, "client.example.org"))
    check("helo", mt.getreply(conn), SMFIR_CONTINUE)
    for message = 1, 2 do
        no("macro", mt.macro(conn, SMFIC_MAIL, "i", "queue" .. message))
        no("mail", mt.mailfrom(conn, "<a@example.org>", "SIZE=100"))
        check("mail", mt.getreply(conn), SMFIR_CONTINUE)
        no("rcpt", mt.rcptto(conn, "<refused@example.net>"))
        check("rcpt refused", mt.getreply(conn), SMFIR_REJECT)
        no("rcpt", mt.rcptto(conn, "<b@example.net>"))
        check("rcpt", mt.getreply(conn), SMFIR_CONTINUE)
        no("data", mt.data(conn))
        no("header", mt.header(conn, "Subject", "by miltertest"))
        no("header", mt.header(conn, "From", "<a@example.org>"))
        no("eoh", mt.eoh(conn))
        no("body", mt.bodystring(conn, "A text.\\r\\n"))
        no("body", mt.bodyrandom(conn, 100000))
        no("eom", mt.eom(conn))
        check("eom", mt.getreply(conn), SMFIR_CONTINUE)
        if not mt.eom_check(conn, MT_HDRADD, "X-Child", space .. "seen") then fail("no X-Child") end
        if not mt.eom_check(conn, MT_HDRINSERT, "X-Top", space .. "t", 0) then fail("no X-Top") end
        if not mt.eom_check(conn, MT_HDRCHANGE, "Subject", space .. "changed") then fail("Subject is unchanged") end
        if not mt.eom_check(conn, MT_RCPTADD, "<e@example.net>") then fail("no recipient more") end
    end
    no("mail", mt.mailfrom(conn, "<c@example.org>"))
    no("abort", mt.abort(conn))
    no("unknown", mt.unknown(conn, "FOO"))
    mt.disconnect(conn, n == 1)
end
mt.echo("well done")
"""


@case("(h) miltertest as the MTA, tarsierd, and a child", weight_sec=5)
def miltertest(lab, check):
    child = M.Child(
        lab, "child", "at=rcpt@refused:reject", "at=eom:add:X-Child:seen", "at=eom:ins:0:X-Top:t", "at=eom:chg:1:Subject:changed",
        "at=eom:addrcpt:<e@example.net>",
    )
    lab.tarsier(M.conf(child.filter()))
    child.wait("^#0 close")
    L.write(L.ROOM + "/script.lua", SCRIPT % {"socket": L.SOCKET})
    done = subprocess.run(["miltertest", "-s", L.ROOM + "/script.lua"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    check.that(done.returncode == 0 and "well done" in said, "the script goes through", said + M.logs(lab, child))
    child.wait("^#2 close")
    check.that(child.connections() == 2 and len(child.events("eom")) == 4, "the child was asked for both connections", child.log())
    sizes = {int(e.split('"')[1]) for e in child.events("eom")}
    check.that(min(sizes) > 100000, "and saw the bodies", sizes)


# --- (i) reload and limits --------------------------------------------------------------------------------------------


@case("(i) a filter added and one removed by a reload, in the middle of a session", weight_sec=6)
def reload_filters(lab, check):
    one = M.Child(lab, "one", "at=eom:add:X-One:here")
    two = M.Child(lab, "two", "at=eom:add:X-Two:here")
    M.postfix(lab)
    lab.tarsier(M.conf(one.filter()))

    def load(*filters):
        before = lab.log().count("generation ")
        L.write("/etc/tarsier/tarsier.conf", M.conf(*filters))
        lab.tarsierd.send_signal(signal.SIGHUP)
        check.that(L.wait_until("reload", 3, lambda: lab.log().count("generation ") > before), "reloaded", lab.log())

    with lab.client(L.GOOD) as c:
        c.open()
        c.rcpt("b@example.net")
        load(one.filter(), two.filter())
        check.reply(c.data("before"), 250, "a message that began before")
        text = lab.delivered("before") or ""
        check.that("X-One: here" in text and "X-Two" not in text, "has what it began with", text)
        c.mail("a@example.org")
        c.rcpt("b@example.net")
        check.reply(c.data("same session"), 250, "the next one in the session")
        check.that("X-One: here" in (lab.delivered("same session") or ""), "keeps its filter")
        c.quit()
    M.send(lab, M.mail("both"))
    text = lab.delivered("both") or ""
    check.that("X-One: here" in text and "X-Two: here" in text, "a new session has both", text)
    with lab.client(L.GOOD) as c:
        c.open()
        c.rcpt("b@example.net")
        load(two.filter())
        check.reply(c.data("removed"), 250, "one removed within a message")
        check.that("X-One: here" in (lab.delivered("removed") or ""), "it still has it")
        c.quit()
    M.send(lab, M.mail("one less"))
    text = lab.delivered("one less") or ""
    check.that("X-One" not in text and "X-Two: here" in text, "a new session has it no more", text)


@case("(i) sessions beyond the limit have the fallback at once, and those within it their filters", weight_sec=8, expects="milter-reject: MAIL")
def sessions_max(lab, check):
    child = M.Child(lab, "child", "at=eom:add:X-Child:seen")
    M.postfix(lab)
    for fallback, code in (("tempfail", 451), ("accept", 250)):
        M.restart(lab, M.conf(child.filter(), head="sessions max 2\nfallback %s\n" % fallback))
        child.wait("^#0 close")
        with lab.client(L.GOOD) as one, lab.client(L.GOOD) as two:
            one.open()
            two.open()
            with lab.client(L.GOOD) as third:
                third.ehlo()
                check.reply(third.mail("a@example.org"), code, "a third session, fallback " + fallback, most_sec=1.5)
                if code == 250:
                    third.rcpt("b@example.net")
                    third.data("third")
                    check.that("X-Child" not in (lab.delivered("third") or "X-Child"), "its mail passes unfiltered")
                third.quit()
            one.rcpt("b@example.net")
            check.reply(one.data("first " + fallback), 250, "the first goes on")
            check.that("X-Child: seen" in (lab.delivered("first " + fallback) or ""), "with its filter")
            one.quit()
            two.quit()
        answers = M.send(lab, M.mail("later " + fallback))
        check.reply(answers[-1], 250, "afterwards there is room again")
        check.that("X-Child: seen" in (lab.delivered("later " + fallback) or ""), "for the filter too")


@case("SIGTERM while a child is awaited: the end within a second or so, the client gets a 4xx", weight_sec=5, expects="milter-reject|lost connection with")
def sigterm_children(lab, check):
    child = M.Child(lab, "child", "at=rcpt@slow:wait:3000")
    M.postfix(lab)
    lab.tarsier(M.conf(child.filter()))
    with lab.client(L.GOOD) as c:
        c.open()
        c.send("RCPT TO:<slow@example.net>\r\n")
        check.that(c.reply(timeout=0.7).code == -2, "awaited")
        took = lab.stop_tarsier()
        check.that(took is not None and took < 1.5, "ended soon", took)
        answer = c.reply()
        check.that(400 <= answer.code < 500, "a temporary failure", answer)
    check.log(child.wait("^#1 close", 6), "the child's connection is closed", child.log())
