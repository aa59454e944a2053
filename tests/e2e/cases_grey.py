"""Greylisting and its store: replies, recipients, null senders, kill -9, imports."""

import os
import re
import signal
import threading
import time

import lab as L
from case import case
from cases_hold import COME_BACK, remaining_sec

# Greylisting without a hold.
PLAIN = """\
listen "unix:{socket}" mode 660 group postfix
store "/var/lib/tarsier"
greylist {greylist}
autowhite 35d
{globals}
filter "greylist" {{
    builtin greylist
    when remote and unauthenticated and s25r
}}
racl greylist default
"""


def plain(greylist="30m", extra=""):
    return PLAIN.format(socket=L.SOCKET, greylist=greylist, globals=extra)


@case("the peer's words, to the letter", weight_sec=6)
def words(lab, check):
    lab.tarsier(plain())
    lab.postfix()
    check.reply(lab.greylisted(L.DSL), 451, "first sight", r"^451 4\.7\.1 Greylisting in action, please come back in 00:30:00$")
    check.log(
        lab.wait_log(r"addr %s\[%s\] from <a@example\.org> to <b@example\.net> delayed for 00:30:00 \(ACL 10\)" % (L.DSL_NAME, L.DSL)),
        "the log line",
        lab.log(),
    )
    time.sleep(1.1)
    check.reply(lab.greylisted(L.DSL), 451, "a second later", r"please come back in 00:29:5\d$")
    # The tuple's letters: the case of senders and recipients does not matter.
    check.reply(lab.greylisted(L.DSL, "A@Example.ORG", "B@example.net"), 451, "other case, same tuple", r"in 00:29:\d\d$")
    check.reply(lab.greylisted(L.GOOD), 250, "an ordinary server", most_sec=1.5)


@case("quiet says less", weight_sec=5)
def quiet(lab, check):
    lab.tarsier(plain(extra="quiet"))
    lab.postfix()
    check.reply(lab.greylisted(L.DSL), 451, "quiet", r"^451 4\.7\.1 Greylisting in action, please come back later$")


@case("each recipient is judged by itself, and the message goes to those accepted", weight_sec=8)
def recipients(lab, check):
    lab.tarsier(plain().replace("racl greylist default", "racl whitelist rcpt open@example.net\nracl greylist default"))
    lab.postfix()
    with lab.client(L.DSL) as c:
        c.open()
        check.reply(c.rcpt("b@example.net"), 451, "the greylisted one", COME_BACK)
        check.reply(c.rcpt("open@example.net"), 250, "the whitelisted one")
        check.reply(c.rcpt("c@example.net"), 451, "and again a greylisted one", COME_BACK)
        check.reply(c.data("to one"), 250, "the message")
        c.quit()
    text = lab.delivered("to one")
    check.that(text and "Recipient e-mail whitelisted" in text, "delivered, with the reason", text)
    log = lab.maillog()
    check.that("to=<open@example.net>, relay=virtual" in log and "to=<b@example.net>, relay=virtual" not in log, "to the one only")


@case("a blacklist line refuses by its own code; only that one says 5xx", weight_sec=6, expects="551 5.7.1 Go away")
def blacklist(lab, check):
    lab.tarsier(
        plain().replace(
            "racl greylist default",
            'racl blacklist from bad@example.org\nracl blacklist from slow@example.org code "451" ecode "4.7.1" msg "Not now, %f"\n'
            "racl greylist default",
        )
    )
    lab.postfix()
    check.reply(lab.greylisted(L.DSL, "bad@example.org"), 551, "blacklisted", r"^551 5\.7\.1 Go away!")
    check.reply(lab.greylisted(L.DSL, "slow@example.org"), 451, "with its own words", r"^451 4\.7\.1 Not now, slow@example\.org")
    check.log(lab.wait_log(r"from <bad@example\.org> to <b@example\.net> blacklisted \(ACL 10\)"), "logged", lab.log())


@case("delayedreject: a null sender is answered at DATA", weight_sec=10)
def delayed_reject(lab, check):
    lab.tarsier(plain(greylist="4s", extra="delayedreject"))
    lab.postfix()
    with lab.client(L.DSL) as c:
        c.open("")
        check.reply(c.rcpt("b@example.net"), 250, "RCPT of a null sender")
        check.reply(c.command("DATA"), 451, "DATA", COME_BACK)
        c.command("RSET")  # Postfix keeps the transaction
        c.mail("a@example.org")
        check.reply(c.rcpt("b@example.net"), 451, "another sender in the same connection: at RCPT", COME_BACK)
        c.quit()
    time.sleep(4.5)
    answer, end = lab.send(L.DSL, "bounce", sender="")
    check.that(answer.code == 250 and end and end.code == 250, "let in after the delay", (answer, end))
    check.that(lab.delivered("bounce"), "delivered")


@case("without delayedreject a null sender is answered at RCPT", weight_sec=5)
def null_sender(lab, check):
    lab.tarsier(plain())
    lab.postfix()
    check.reply(lab.greylisted(L.DSL, ""), 451, "RCPT of a null sender", COME_BACK)


@case("a client of this host is not the filter's affair", weight_sec=6)
def local_client(lab, check):
    lab.tarsier(plain())
    lab.postfix()
    with lab.client("127.0.0.1", server=L.MX) as c:
        c.open()
        check.reply(c.rcpt("b@example.net"), 250, "a client of this host")
        c.quit()


@case("(k) kill -9 in the middle of many greylistings: every answered 451 is known afterwards", weight_sec=30, expects="warning: milter unix:")
def kill_nine(lab, check):
    threads, recipients_each = 16, 40
    delay_sec = 12
    lab.tarsier(plain(greylist="%ds" % delay_sec))
    lab.postfix(main="smtpd_soft_error_limit = 10000\nsmtpd_hard_error_limit = 10000\nsmtpd_client_connection_count_limit = 0")
    answered, lock = [], threading.Lock()
    started = time.monotonic()

    def flood(n):
        try:
            with L.smtp.Client(L.pool(100 + n), L.MX) as c:
                c.open("s%d@example.org" % n)
                for m in range(recipients_each):
                    answer = c.rcpt("r%d@example.net" % m)
                    if "Greylisting in action" in answer.text:
                        with lock:
                            answered.append((n, m))
                    elif answer.code != 451:
                        return
        except OSError:
            pass

    workers = [threading.Thread(target=flood, args=(n,)) for n in range(threads)]
    for w in workers:
        w.start()
    total = threads * recipients_each
    L.wait_until("the middle", 20, lambda: len(answered) > total // 3, 0.002)
    lab.tarsierd.kill()
    lab.tarsierd.wait()
    for w in workers:
        w.join()
    known = list(answered)
    check.that(0 < len(known) < total, "killed in the middle: %d of %d were answered" % (len(known), total))
    lab.tarsier()
    time.sleep(max(0, started + delay_sec + 6 - time.monotonic()))
    forgotten = []
    by_client = {}
    for n, m in known:
        by_client.setdefault(n, []).append(m)
    for n, tuples in by_client.items():
        with L.smtp.Client(L.pool(100 + n), L.MX) as c:
            c.open("s%d@example.org" % n)
            forgotten += [(n, m) for m in tuples if c.rcpt("r%d@example.net" % m).code != 250]
            c.quit()
    check.that(not forgotten, "all of them are let in after the delay", forgotten[:20])
    check.reply(lab.greylisted(L.pool(100), "never@example.org"), 451, "one never seen is greylisted", COME_BACK)


@case("kill -9 while clients are held: the store is whole, they are held anew", weight_sec=12, expects="warning: milter unix:")
def kill_nine_holding(lab, check):
    lab.tarsier(L.conf(hold="3s"))
    lab.postfix()
    answer, _ = lab.send(L.DSL, "before")
    check.reply(answer, 250, "served before", least_sec=2.8)
    with lab.client(L.pool(90)) as c:
        c.open()
        c.send("RCPT TO:<b@example.net>\r\n")
        time.sleep(1)
        lab.tarsierd.send_signal(signal.SIGKILL)
        lab.tarsierd.wait()
        check.reply(c.reply(), 451, "Postfix's default action", most_sec=5)
    lab.tarsier()
    check.reply(lab.greylisted(L.DSL), 250, "who was served is still known", most_sec=1.5)
    answer, _ = lab.send(L.pool(90), "after")
    check.reply(answer, 250, "who was cut off is held anew, without a mark", least_sec=2.8, most_sec=6)


def dump(now):
    """A dump of milter-greylist: one tuple waiting, one past its delay, one AUTO, one that left a tarpit."""
    return (
        "# a comment\n"
        "%s\t<wait@example.org>\t<b@example.net>\t%d # 2026-11-24 01:56:58\n"
        "%s\t<over@example.org>\t<b@example.net>\t%d\n"
        "%s\t<auto@example.org>\t<b@example.net>\t%d AUTO # 2026-11-24 02:56:58\n"
        "%s\t<left@example.org>\t<b@example.net>\t%d\t0 TARPIT\n"
        "# Summary: 4 records, 2 greylisted, 1 whitelisted, 1 tarpitted\n"
    ) % (L.DSL, now + 900, L.DSL, now - 60, L.DSL, now + 3600, L.pool(95), now + 900)


def _imported(lab, check):
    check.reply(lab.greylisted(L.DSL, "auto@example.org"), 250, "AUTO: let in", most_sec=1.5)
    check.reply(lab.greylisted(L.DSL, "over@example.org"), 250, "past its delay: let in", most_sec=1.5)
    answer = lab.greylisted(L.DSL, "wait@example.org")
    left = remaining_sec(answer)
    # Their accept time counts, or their first sight with the delay that rules now; never a fresh clock.
    check.that(answer.code == 451 and left is not None and left <= 900, "waiting: told what remains", answer)


@case("tarsier import reads milter-greylist's dump", weight_sec=10)
def import_dump(lab, check):
    L.write("/run/lab/greylist.db", dump(int(time.time())))
    lab.tarsier(plain())
    lab.postfix()
    status, said = lab.tool("tarsier", "import", "/run/lab/greylist.db")
    check.that(status == 0 and re.search(r"\b4 records added", said), "taken in by the running daemon", said)
    lab.stop_tarsier()
    status, said = lab.tool("tarsier", "import", "/run/lab/greylist.db")
    check.that(status == 0 and "0 records added, 0 changed" in said, "without a daemon: known", said)
    owner = os.stat("/var/lib/tarsier").st_uid
    wrong = [f for f in os.listdir("/var/lib/tarsier") if os.stat("/var/lib/tarsier/" + f).st_uid != owner]
    check.that(owner != 0 and not wrong, "the store stays tarsier's own, not root's", (owner, wrong))
    lab.tarsier()
    _imported(lab, check)


@case("a new store takes in the dumpfile once", weight_sec=8)
def dumpfile_once(lab, check):
    L.write("/var/lib/milter-greylist/db/greylist.db", dump(int(time.time())))
    lab.tarsier(plain(extra='dumpfile "/var/lib/milter-greylist/db/greylist.db" 600'))
    lab.postfix()
    check.log(lab.wait_log(r"import"), "a log line says so", lab.log())
    _imported(lab, check)
    lab.stop_tarsier()
    before = len(re.findall("import", lab.log()))
    lab.tarsier()
    check.reply(lab.greylisted(L.DSL, "auto@example.org"), 250, "still known", most_sec=1.5)
    check.that(len(re.findall("import", lab.log())) == before, "not imported again", lab.log()[-800:])


@case("an imported TARPIT record: who left is not held but greylisted", weight_sec=8)
def import_left(lab, check):
    L.write("/var/lib/milter-greylist/db/greylist.db", dump(int(time.time())))
    lab.tarsier(L.conf(hold="5s", greylist="30m", extra='dumpfile "/var/lib/milter-greylist/db/greylist.db" 600'))
    lab.postfix()
    check.reply(lab.greylisted(L.pool(95), "left@example.org"), 451, "greylisted at once", COME_BACK, most_sec=1.5)
