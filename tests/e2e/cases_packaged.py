"""Scanners as Debian packages them, as children: clamav-milter with clamd, spamass-milter with spamd.

They know a signature and a rule of ours alone, ask nothing of the network, and live in directories of the lab. Where a
program is not installed its case is skipped: neither is needed for anything else.
"""

import os
import re
import signal

import lab as L
import milters as M
from case import case

REJECTS = r"milter-reject: (DATA|END-OF-MESSAGE|MAIL|RCPT) "


def absent(check, *programs):
    """Whether one of the programs is not there; then it says so."""
    for program in programs:
        if not M.has(program):
            return check.that(True, "%s is not installed # SKIP" % program)
    return False


def directory(path, owner):
    os.makedirs(path)
    L.run("chown", owner, path)
    return path


class Program:
    """A program that can be killed and started again."""

    def __init__(self, lab, name, command, path, ready):
        self.lab, self.name, self.command, self.path, self.ready = lab, name, command, path, ready
        self.process = None
        self.start()

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.process = self.lab.spawn(*self.command, name=self.name)
        if not L.wait_until(self.name, 20, lambda: self.ready(self.path)):
            raise L.LabError("%s does not listen: %s" % (self.name, L.read("%s/%s.err" % (L.ROOM, self.name))))
        os.chmod(self.path, 0o666)  # as the init script of spamass-milter does after its start

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(5)


def block(name, path, *lines):
    return 'filter "%s" {\n    connect "unix:%s"\n%s}\n' % (name, path, "".join("    %s\n" % line for line in lines))


def final(answers):
    """The reply that decided: the first that is no 250, else the last."""
    return next((r for r in answers if r.code != 250), answers[-1])


def statistics(lab, status, name):
    """Whether tarsierd's log tells of such an end of a message at this child."""
    return lab.wait_log(r'statistics: filter .* status=%s .* name="%s"$' % (status, name))


# --- clamav-milter ----------------------------------------------------------------------------------------------------

INFECTED = "A sample that only the tests of tarsier take for a virus.\r\n"


def clamd(lab):
    room = directory(L.ROOM + "/clamd", "clamav")
    mark = "only the tests of tarsier take for a virus"
    L.write(room + "/base/tarsier.ndb", "Tarsier.Sample:0:*:%s\n" % mark.encode().hex())
    L.write(
        room + "/clamd.conf",
        "DatabaseDirectory %s/base\nLocalSocket %s/clamd.sock\nLocalSocketMode 666\nUser clamav\nForeground yes\n"
        "TemporaryDirectory %s\nLogFile %s/clamd.log\nLogClean yes\nMaxThreads 4\n" % (room, room, room, room),
    )
    L.run("chown", "-R", "clamav", room)
    return Program(lab, "clamd", ["clamd", "-c", room + "/clamd.conf"], room + "/clamd.sock", L.takes)


def clamav_milter(lab, clamd_socket):
    room = directory(L.ROOM + "/clamav", "clamav")
    L.write(
        room + "/milter.conf",
        "MilterSocket unix:%s/milter.sock\nMilterSocketMode 666\nUser clamav\nForeground yes\nClamdSocket unix:%s\n"
        "OnInfected Reject\nRejectMsg Infected with %%v\nOnFail Defer\nAddHeader Replace\nTemporaryDirectory %s\n"
        "LogFile %s/milter.log\nLogClean Basic\nLogInfected Basic\n" % (room, clamd_socket, room, room),
    )
    command = ["clamav-milter", "-c", room + "/milter.conf"]
    return Program(lab, "clamav-milter", command, room + "/milter.sock", os.path.exists)


@case("clamav-milter: clean mail bears its header, infected mail its reply; clamd down; killed, found again", weight_sec=6, expects=REJECTS)
def clamav(lab, check):
    if absent(check, "clamav-milter", "clamd"):
        return
    scanner = clamd(lab)
    milter = clamav_milter(lab, scanner.path)
    M.postfix(lab)
    settings = ("fallback tempfail", "breaker failures 3", "breaker pause 1s")
    lab.tarsier(M.conf(block("clamav", milter.path, *settings)))

    def clean(subject):
        answer = final(M.send(lab, M.mail(subject, headers="X-Virus-Scanned: forged by the sender\r\n")))
        text = lab.delivered(subject) if answer.code == 250 else ""
        scanned = re.findall(r"^X-Virus-Scanned: (.*)$", text or "", re.M)
        return answer, scanned, re.findall(r"^X-Virus-Status: (.*)$", text or "", re.M)

    for n in range(2):  # in the first session nothing is known of it yet
        answer, scanned, status = clean("clean %d" % n)
        check.reply(answer, 250, "a clean message is accepted")
        check.that(len(scanned) == 1 and re.match(r"clamav-milter \d", scanned[0]), "with its header instead of a forged one", scanned)
        check.that(status == ["Clean"], "and its status", status)
    answer = M.send(lab, M.mail("infected", INFECTED))[-1]
    check.reply(answer, 550, "an infected one is refused with its reply", r"^(550 )?5\.7\.1 Infected with Tarsier\.Sample")
    check.that(lab.not_delivered("infected"), "and not delivered")
    check.log(statistics(lab, "reject", "clamav"), "statistics: reject", lab.log())
    big = "".join("%06d %s\r\n" % (n, "x" * 70) for n in range(12000)) + INFECTED
    check.reply(M.send(lab, M.mail("big", big), quiet=True)[-1], 550, "nor is one of 1 MB with the sample at its end", "Infected")

    scanner.kill()
    for n in range(4):
        answer, *_ = clean("unscanned %d" % n)
        check.that(answer.code == 451, "clamd down: the child itself defers, %d" % n, answer)
    check.log(statistics(lab, "tempfail", "clamav"), "statistics: tempfail", lab.log())
    check.that("status=failed" not in lab.log(), "which is a verdict and no failure of it", lab.log()[-2000:])
    scanner.start()
    back = L.wait_until("scanner", 15, lambda: clean("back")[1], 0.3)
    check.that(back, "clamd is back: mail is scanned again", lab.log()[-2000:])

    milter.kill()
    for n in range(3):
        answer, *_ = clean("killed %d" % n)
        check.that(answer.code == 451 and answer.sec < 1, "killed: fallback tempfail, %d" % n, answer)
    check.log(lab.wait_log("failed 3 times in a row and is not asked"), "after three failures the breaker opens", lab.log())
    milter.start()
    found = L.wait_until("milter", 8, lambda: clean("found")[1], 0.3)
    check.that(found, "started again it is found again by itself", lab.log()[-2000:])


# --- spamass-milter ---------------------------------------------------------------------------------------------------

SPAM = "A sample that only the tests of tarsier take for spam.\r\n"
RULES = """\
util_rb_tld example org net
use_bayes 0
skip_rbl_checks 1
dns_available no
required_score 5
report_safe 0
add_header spam Flag _YESNOCAPS_
add_header all Status _YESNO_, score=_SCORE_ tests=_TESTS_
rewrite_header Subject [SPAM]
body TARSIER_SAMPLE /only the tests of tarsier take for spam/
score TARSIER_SAMPLE 6
body TARSIER_WORSE /and this as worse/
score TARSIER_WORSE 10
"""


def spamd(lab):
    room = directory(L.ROOM + "/spamd", "nobody")
    L.write(room + "/rules/tarsier.cf", RULES)
    L.write(room + "/site/init.pre", "loadplugin Mail::SpamAssassin::Plugin::Check\n")
    L.write(room + "/site/local.cf", "")
    command = [
        "spamd", "--local", "--nouser-config", "--configpath=%s/rules" % room, "--siteconfigpath=%s/site" % room,
        "--socketpath=%s/spamd.sock" % room, "--socketmode=666", "--username=nobody", "--helper-home-dir=%s" % room,
        "--max-children=2", "--min-children=2", "--syslog=stderr", "--pidfile=%s/spamd.pid" % room,
    ]  # fmt: skip
    return Program(lab, "spamd", command, room + "/spamd.sock", L.takes)


def spamass_milter(lab, spamd_socket):
    room = directory(L.ROOM + "/spamass", "spamass-milter")
    command = [
        "setpriv", "--reuid=spamass-milter", "--regid=spamass-milter", "--clear-groups",
        "spamass-milter", "-p", room + "/milter.sock", "-r", "10", "-R", "Spam says the child", "--", "-U", spamd_socket,
    ]  # fmt: skip
    return Program(lab, "spamass-milter", command, room + "/milter.sock", os.path.exists)


@case("spamass-milter: ham and spam are marked, worse is refused with its reply; spamd down; killed", weight_sec=5, expects=REJECTS)
def spamassassin(lab, check):
    if absent(check, "spamass-milter", "spamd"):
        return
    scanner = spamd(lab)
    milter = spamass_milter(lab, scanner.path)
    M.postfix(lab)
    lab.tarsier(M.conf(block("spamassassin", milter.path, "fallback accept", "breaker failures 0")))
    for n in range(2):  # in the first session nothing is known of it yet
        check.reply(final(M.send(lab, M.mail("ham %d" % n))), 250, "ham is accepted")
        text = lab.delivered("ham %d" % n) or ""
        check.that(re.search(r"^X-Spam-Status: No, score=0\.0 ", text, re.M), "with its header", text)
    answer = final(M.send(lab, M.mail("spam", SPAM, headers="X-Spam-Status: No, forged by the sender\r\n")))
    check.reply(answer, 250, "spam below the limit is accepted")
    text = lab.delivered("[SPAM] spam") or ""
    found = re.findall(r"^X-Spam-Status: (.*)$", text, re.M)
    check.that(len(found) == 1 and found[0].startswith("Yes, score=6.0 tests=TARSIER_SAMPLE"), "marked, instead of the forged header", text)
    check.that(SPAM.strip() in text, "with its text", text)
    answer = final(M.send(lab, M.mail("worse", SPAM + "and this as worse\r\n")))
    check.reply(answer, 550, "worse is refused with its reply", "5\\.7\\.1 Spam says the child$")
    check.that(lab.not_delivered("worse"), "and not delivered")
    check.log(statistics(lab, "reject", "spamassassin"), "statistics: reject", lab.log())

    scanner.kill()
    check.reply(final(M.send(lab, M.mail("unscanned", SPAM))), 250, "spamd down: the child itself lets it pass", most_sec=8)
    check.that("X-Spam" not in (lab.delivered("unscanned") or "X-Spam"), "unmarked")
    check.that("status=failed" not in lab.log(), "which is no failure of the child", lab.log()[-2000:])

    milter.kill()
    check.reply(final(M.send(lab, M.mail("killed", SPAM))), 250, "killed: fallback accept", most_sec=1)
    check.that("X-Spam" not in (lab.delivered("killed") or "X-Spam"), "its mail passes unmarked")
    check.log(statistics(lab, "failed", "spamassassin"), "statistics: failed", lab.log())
    milter.start()
    scanner.start()
    check.reply(final(M.send(lab, M.mail("worse again", SPAM + "and this as worse\r\n"))), 550, "both started again: asked again", "Spam says the child")
