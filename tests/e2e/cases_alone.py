"""(a) A child milter behind tarsierd sees and does what it sees and does alone behind Postfix.

The same child runs twice: one is asked by Postfix itself (port 26), the other by tarsierd. The same client with the same
source port says the same to both; the children's logs and the delivered mail must then be the same.
"""

import re

import lab as L
import milters as M
import toymilter
from case import case

TLS = (
    "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = /etc/postfix/cert.pem\nsmtpd_tls_key_file = /etc/postfix/key.pem\n"
)

# Errors are no matter here: as many as one likes.
PATIENT = "smtpd_error_sleep_time = 0\nsmtpd_hard_error_limit = 1000"

HEADERS = (
    "X-Folded: one,\r\n\ttwo,\r\n  three\r\nX-Empty:\r\nX-Tight:value\r\nX-Wide:   value\r\nX-Tab:\tvalue\r\n"
    "X-Twice: 1\r\nX-Twice: 2\r\nX-Trail: value \r\nX-Blank-Line:\r\n \r\n more\r\n"
)

BODY = "First.\r\n.\r\n..dots\r\n\tTab and caf\xe9\r\n" + ("y" * 70 + "\r\n") * 2500 + "no line end follows the last\r\n"


def dialogue(c, tls=False, headerless=True):
    """Everything a client may do in a session, well-behaved. The replies, for comparison too."""
    said = [c.greeting.text]

    def step(do, *arguments):
        if said[-1] != "(gone)":
            try:
                said.append(do(*arguments).text)
            except OSError:
                said.append("(gone)")

    def message(text):
        step(M.data, c, text)
        if not said[-1].startswith("250"):
            step(c.command, "RSET")  # Postfix keeps the envelope after a refused DATA

    step(c.ehlo)
    if tls:
        step(c.starttls)
        step(c.ehlo)
    step(c.command, "MAIL FROM:<a@example.org> SIZE=1000 BODY=8BITMIME")
    for recipient in ("b@example.net", "nosuch@example.net"):
        step(c.rcpt, recipient)
    step(c.command, "FOO bar")
    for recipient in ("c@example.net", "d@elsewhere.example"):
        step(c.rcpt, recipient)
    message(M.mail("first", BODY, HEADERS))
    step(c.mail, "a2@example.org")
    step(c.rcpt, "b@example.net")
    for command in ("RSET", "VRFY b@example.net", "NOOP"):
        step(c.command, command)
    step(c.mail, "")
    for recipient in ("nosuch2@example.net", "b@example.net"):
        step(c.rcpt, recipient)
    message(M.mail("second", ""))
    step(c.command, "MAIL FROM:<\xc3\xa4@example.org> SMTPUTF8")  # the client sends latin-1: these are two bytes of UTF-8
    step(c.rcpt, "b@example.net")
    message("Subject: \xc3\xa4\r\nX-Long: " + "z" * 70 + ("\r\n\t" + "z" * 70) * 900 + "\r\n\r\n")
    step(c.command, "HELO again.example.org")
    step(c.mail, "a3@example.org")
    step(c.rcpt, "b@example.net")
    if headerless:
        message("No header at all\r\nhere\r\n")
    step(c.mail, "a4@example.org")
    step(c.rcpt, "b@example.net")
    step(c.quit)
    return "\n".join(said).replace("(reset)", "(closed)")


# name -> words for milter_child
VARIANTS = {
    "plain": [],
    "symlists": ["symlist=connect:{client_ptr} {daemon_port} j", "symlist=rcpt:{rcpt_addr} {client_addr}"],
    "one symlist": ["symlist=mail:{mail_addr}"],
    "all symlists": [
        "symlist=connect:{client_port}",
        "symlist=helo:{client_name}",
        "symlist=mail:{client_resolve}",
        "symlist=rcpt:{client_ptr}",
        "symlist=data:i {client_addr}",
        "symlist=eoh:j",
        "symlist=eom:{daemon_addr} i",
    ],
    "leading space": ["steps=leadspc"],
    "refused recipients": ["steps=rcpt_rej"],
    "no replies": ["steps=nr_hdr,nr_body,nr_eoh,nr_data,nr_unkn"],
    "no replies at all": ["steps=nr_conn,nr_helo,nr_mail,nr_rcpt,nr_data,nr_unkn,nr_hdr,nr_eoh,nr_body,leadspc"],
    "skip": ["steps=skip", "at=body:skip"],
    "few steps": ["without=helo,data,header,body,unknown"],
    "other steps": ["without=connect,mail,eoh,unknown"],
    "refuses a recipient": ["at=rcpt@c@:reply:550:5.7.1:not c"],
    "refuses a sender": ["at=mail@a2@:reply:450:4.7.1:not now"],
    "accepts at rcpt": ["at=rcpt@b@:accept"],
    "accepts at mail": ["at=mail@a@:accept"],
    "accepts at helo": ["at=helo:accept"],
    "rejects at connect": ["at=connect:reject"],
    "defers at helo": ["at=helo:reply:450:4.7.1:helo later"],
    "rejects at data": ["at=data:reply:554:5.7.1:no data"],
    "rejects a header": ["at=header@X-Folded:reply:554:5.6.0:folded"],
    "rejects at eoh": ["at=eoh@first:reject"],
    "defers at body": ["at=body@first:tempfail"],
    "accepts at body": ["at=body@first:accept"],
    "rejects at eom": ["at=eom@first:reply:554:5.7.9:no%% mail"],
    "discards at rcpt": ["at=rcpt@c@:discard"],
    "discards at eom": ["at=eom@first:discard"],
    "hangs up at rcpt": ["at=rcpt@c@:reply:421:4.3.2:bye"],
    "progress": ["at=rcpt:progress:2:50", "at=eom:progress:2:50"],
}

# Postfix's own opinions of a child are its affair, also when tarsierd hands them on.
EXPECTS = r"milter-reject: (MAIL|RCPT|DATA|END-OF-MESSAGE|CONNECT|HELO|EHLO|VRFY|RSET|UNKNOWN|FOO)"


# Postfix sends ABORT also where there is nothing to abort, and libmilter, which has not seen the message begin or end there,
# hands it on. tarsierd does not send it.
NEEDLESS_ABORTS = ("few steps", "other steps")


# With neither a header nor EOH told, libmilter (8.17) does not answer to the body, and Postfix waits until its time-out.
STUCK = ("other steps",)


def told(line, variant):
    return line.startswith("#1 ") and not (variant in NEEDLESS_ABORTS and line == "#1 abort")


def compare(lab, check, name, words, port, tls=False):
    seen, said, delivered = [], [], []
    # By TCP, as for Postfix: when the other side of a unix socket closes, libmilter does not read what is still in it.
    alone = M.Child(lab, "alone-" + name.replace(" ", "-"), *words, address="inet:9100@127.0.0.1")
    behind = M.Child(lab, name.replace(" ", "-"), *words, address="inet:9101@127.0.0.1")
    M.restart(lab, M.conf(behind.filter()))
    behind.wait(r"^#0 close")  # asked what it wants
    for child, to in ((alone, M.ALONE_PORT), (behind, 25)):
        with lab.client(L.DSL, source_port=port, port=to, quiet=True) as c:
            said.append(M.same(dialogue(c, tls, name not in STUCK)))
        child.wait(r"^#1 close", 3)
        lab.settled()
        files = [M.same(text) for subject in ("first", "second") for text in M.take_box("\nSubject: %s\n" % subject, 0)]
        delivered.append("\n".join(files))
        offered = child.log().splitlines()[1]
        seen.append(M.same("\n".join([offered] + [line for line in child.log().splitlines() if told(line, name)])))
    alone.kill()
    behind.kill()
    check.that(seen[0] == seen[1] and "#0 negotiate" in seen[0], "%s: the child sees the same" % name, M.difference(*seen))
    check.that(said[0] == said[1], "%s: the client hears the same" % name, M.difference(*said))
    check.that(delivered[0] == delivered[1], "%s: the same is delivered" % name, M.difference(*delivered))


def some(lab, check, part):
    M.postfix(lab, alone=M.ALONE, main=PATIENT)
    for number, (name, words) in enumerate(VARIANTS.items()):
        if number % 2 == part:
            compare(lab, check, name, words, 41000 + number)


@case("(a) as alone: children of every kind, first half", weight_sec=20, limit_sec=240, expects=EXPECTS)
def alone_1(lab, check):
    some(lab, check, 0)


@case("(a) as alone, second half", weight_sec=20, limit_sec=240, expects=EXPECTS)
def alone_2(lab, check):
    some(lab, check, 1)


@case("(a) as alone: STARTTLS", weight_sec=5)
def alone_tls(lab, check):
    L.run(
        *"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=mx.example.net".split(),
        *("-keyout", "/etc/postfix/key.pem", "-out", "/etc/postfix/cert.pem"),
    )
    M.postfix(lab, alone=M.ALONE, main=TLS)
    compare(lab, check, "tls", [], 41900, tls=True)
    compare(lab, check, "tls lists", ["symlist=helo:{cipher} {tls_version}", "symlist=mail:i {cipher_bits}"], 41901, tls=True)


LISTS = ((0, "j {client_ptr}"), (3, "{rcpt_addr} {client_addr}"), (5, "i j"))
WIRES = {  # name -> actions, steps, lists of macros by stage
    "plain": (0, 0, ()),
    "lists": (0x100, 0, LISTS),
    "leading space": (0, 0x100000, ()),
    "refused recipients": (0, 0x800, ()),
    "no header, eoh": (0x100, 0x60, LISTS),
    "no body, data": (0, 0x210, ()),
    "no connect, helo, mail": (0, 0x7, ()),
}


def packets(seen):
    """
    What came on the wire, but for where a body is cut, the order of macros within a packet, macros that are none, and ABORT
    where there is nothing to abort, which Postfix sends before every MAIL.
    """
    lines, body, in_message = [], b"", False
    for _, letter, data in seen:
        if letter == "B":
            body += data
        elif letter == "D" and len(data) > 1:
            words = data[1:].decode("latin-1").split("\0")
            pairs = sorted('%s="%s"' % pair for pair in zip(words[::2], words[1::2]))
            line = "macros for %s: %s" % (chr(data[0]), " ".join(pairs))
            if lines[-1:] != [line]:  # before each piece of a body
                lines.append(line)
        elif letter != "D" and (letter != "A" or in_message):
            lines.append("%s %r" % (letter, data if letter != "E" else body + data))
            body = b"" if letter == "E" else body
        in_message = (in_message or letter in "MR") and letter not in "EA"
    return M.same("\n".join(lines))


@case("(a) as alone on the wire: every packet with its macros at its place", weight_sec=10, expects=EXPECTS)
def alone_wire(lab, check):
    toys = [toymilter.ToyMilter(place + "/toy.sock") for place in ("/var/spool/postfix/alone", L.ROOM)]
    M.postfix(lab, alone="unix:alone/toy.sock", main=PATIENT)
    for number, (name, wish) in enumerate(WIRES.items()):
        for toy in toys:
            toy.wish(*wish)
        M.restart(lab, M.conf('filter "toy" { connect "unix:%s/toy.sock" }\n' % L.ROOM))
        L.wait_until("inquiry", 3, lambda: any(letter == "O" for _, letter, _ in toys[1].seen))
        seen = []
        for toy, to in zip(toys, (M.ALONE_PORT, 25)):
            del toy.seen[:]
            with lab.client(L.DSL, source_port=42000 + number, port=to, quiet=True) as c:
                dialogue(c)
            L.wait_until("QUIT", 3, lambda: toy.seen and toy.seen[-1][1] == "Q")
            seen.append(packets(toy.seen))
        check.that(seen[0] == seen[1] and "\nR " in seen[0], "%s: the same packets" % name, M.difference(*seen))


@case("(a) as alone: an authenticated client", weight_sec=5)
def alone_auth(lab, check):
    M.postfix(lab, alone=M.ALONE, main="smtpd_authorized_xclient_hosts = %s\nsmtpd_sasl_auth_enable = yes" % L.RELAY)
    alone = M.Child(lab, "alone", address="inet:9100@127.0.0.1")
    behind = M.Child(lab, "behind", address="inet:9101@127.0.0.1")
    M.restart(lab, M.conf(behind.filter()))
    seen = []
    for child, to in ((alone, M.ALONE_PORT), (behind, 25)):
        with lab.client(L.RELAY, port=to) as c:
            c.ehlo()
            c.command("XCLIENT NAME=%s ADDR=%s PORT=4000 LOGIN=joe" % (L.GOOD_NAME, L.GOOD))
            c.ehlo()
            c.command("MAIL FROM:<joe@example.org> AUTH=<joe@example.org>")
            c.rcpt("b@example.net")
            check.reply(M.data(c, M.mail("authenticated")), 250, "a mail")
            c.quit()
        child.wait("^#2 close", 3)
        seen.append(M.same("\n".join(line for line in child.log().splitlines() if line.startswith("#2 "))))
    check.that(seen[0] == seen[1], "the same", M.difference(*seen))
    check.that('{auth_authen}="joe"' in seen[0], "who it is", seen[0])


# What a child may do to a message: name -> deeds at its end. The name stands in the subject.
EDITS = {
    "add": ["add:X-New:one"],
    "add two": ["add:X-New:one", "add:X-New:two"],
    "add folded": ["add:X-New:one,\n\ttwo"],
    "insert 0": ["ins:0:X-New:zero"],
    "insert 1": ["ins:1:X-New:first"],
    "insert 2": ["ins:2:X-New:second"],
    "insert 5": ["ins:5:X-New:fifth"],
    "insert 99": ["ins:99:X-New:last"],
    "insert 0 0": ["ins:0:X-New:a", "ins:0:X-New:b"],
    "insert 0 1": ["ins:0:X-New:a", "ins:1:X-New:b"],
    "insert 1 0": ["ins:1:X-New:a", "ins:0:X-New:b"],
    "insert 2 1": ["ins:2:X-New:a", "ins:1:X-New:b"],
    "insert add": ["ins:1:X-New:a", "add:X-New:b", "ins:0:X-New:c"],
    "change": ["chg:1:X-Twice:changed"],
    "change second": ["chg:2:X-Twice:changed"],
    "change missing": ["chg:1:X-Missing:there"],
    "change third": ["chg:3:X-Twice:there"],
    "change subject": ["chg:1:Subject:another, with <change subject>"],
    "change folded": ["chg:1:X-Folded:one,\n two,\n three"],
    "change spaces": ["chg:1:X-Tight:  two blanks"],
    "delete": ["del:1:X-Twice"],
    "delete both": ["del:2:X-Twice", "del:1:X-Twice"],
    "delete twice first": ["del:1:X-Twice", "del:1:X-Twice"],
    "delete missing": ["del:1:X-Missing"],
    "delete insert": ["del:1:X-Twice", "ins:3:X-New:x"],
    "insert change": ["ins:0:X-Twice:zero", "chg:1:X-Twice:changed"],
    "add change": ["add:X-Twice:three", "chg:3:X-Twice:changed"],
    "change delete": ["chg:1:X-Twice:changed", "del:1:X-Twice"],
    "empty value": ["add:X-New:", "ins:1:X-Other:"],
    "body": ["body:Replaced.\r\nWholly.\r\n"],
    "body twice": ["body:One\r\n", "body:two\r\n"],
    "big body": ["bodybytes:300000"],
    "sender": ["from:<new@example.org>"],
    "sender empty": ["from:<>"],
    "sender arguments": ["from:<new@example.org>:RET=HDRS ENVID=xy"],
    "recipient": ["addrcpt:<e@example.net>"],
    "recipient arguments": ["addrcpt:<e@example.net>:NOTIFY=NEVER"],
    "recipient gone": ["delrcpt:<c@example.net>"],
    "recipients": ["delrcpt:<b@example.net>", "addrcpt:<e@example.net>", "delrcpt:<c@example.net>", "addrcpt:<f@example.net>"],
    "recipient back": ["delrcpt:<b@example.net>", "addrcpt:<b@example.net>"],
    "recipient unknown": ["delrcpt:<zz@example.net>"],
    "all": ["add:X-New:n", "ins:0:X-Top:t", "chg:1:X-Twice:c", "del:1:X-Tight", "body:B\r\n", "from:<n@example.org>", "addrcpt:<e@example.net>"],
    "reply after edits": ["add:X-New:never", "addrcpt:<e@example.net>", "reply:451:4.7.1:not yet"],
    "accept after edits": ["add:X-New:yes", "accept"],
    "discard after edits": ["add:X-New:never", "discard"],
}


def edit_words():
    return ["at=eom@<%s>:%s" % (name, deed) for name, deeds in EDITS.items() for deed in deeds]


def compare_edits(lab, check, *words):
    M.postfix(lab, alone=M.ALONE, main=PATIENT)
    words = list(words) + edit_words()
    alone = M.Child(lab, "alone", *words, address="inet:9100@127.0.0.1")
    behind = M.Child(lab, "behind", *words, address="inet:9101@127.0.0.1")
    M.restart(lab, M.conf(behind.filter()))
    ends = [{}, {}]
    for which, to in enumerate((M.ALONE_PORT, 25)):
        with lab.client(L.GOOD, port=to, quiet=True) as c:
            c.ehlo()
            for name in EDITS:
                c.mail(M.SENDER)
                c.rcpt("b@example.net")
                c.rcpt("c@example.net")
                headers = HEADERS + "X-Name: <%s>\r\nX-Run: %d\r\n" % (name, which)
                ends[which][name] = M.same(M.data(c, M.mail("<%s>" % name, "Body\r\nof two lines\r\n", headers)).text)
            c.quit()
    lab.settled(20)
    files = [M.take_box("\nX-Run: %d\n" % which, 0) for which in (0, 1)]
    for name in EDITS:
        alone_text, behind_text = (
            "\n".join(M.same(text).replace("\nX-Run: 1", "\nX-Run: 0") for text in texts if "\nX-Name: <%s>\n" % name in text)
            for texts in files
        )
        check.that(
            alone_text == behind_text and ends[0][name] == ends[1][name],
            "%s: the same, %d files" % (name, alone_text.count("Delivered-To: ")),
            M.difference(ends[0][name] + "\n" + alone_text, ends[1][name] + "\n" + behind_text),
        )
    check.that(len(files[0]) > len(EDITS), "files were delivered", len(files[0]))


@case("(a) every edit makes the same message as alone", weight_sec=10, expects=EXPECTS)
def alone_edits(lab, check):
    compare_edits(lab, check)


@case("(a) every edit as alone, of a child that wants leading space as it is", weight_sec=10, expects=EXPECTS)
def alone_edits_leadspc(lab, check):
    compare_edits(lab, check, "steps=leadspc")


@case("(a) quarantine: on hold in Postfix's queue, as alone", weight_sec=5, expects="milter-hold")
def alone_quarantine(lab, check):
    M.postfix(lab, alone=M.ALONE)
    alone = M.Child(lab, "alone", "at=eom:quarantine:looks odd", "at=eom:add:X-New:held", address="inet:9100@127.0.0.1")
    behind = M.Child(lab, "behind", *alone.words, address="inet:9101@127.0.0.1")
    M.restart(lab, M.conf(behind.filter()))
    for count, to in ((1, M.ALONE_PORT), (2, 25)):
        check.reply(M.send(lab, M.mail("odd"), port=to)[-1], 250, "accepted")
        check.log(lab.wait_maillog(r"milter-hold: END-OF-MESSAGE ", count=count), "put on hold", lab.maillog())
    queue = L.run("postqueue", "-p")
    check.that(len([line for line in queue.splitlines() if "! " in line[:16]]) == 2, "both are in the queue, on hold", queue)
