"""The daemon as an administrator meets it: reload, SIGTERM, --check, the shipped configuration in Debian's chroot."""

import grp
import os
import pwd
import re
import shutil
import signal
import socket
import struct
import subprocess
import time

import lab as L
from case import case
from cases_hold import COME_BACK


@case("(l) reload with a syntax error: the old rules stay, the message says where", weight_sec=14)
def reload_broken(lab, check):
    good = L.conf(hold="3s", greylist="8s")
    lab.tarsier(good)
    lab.postfix()
    lines = good.splitlines()
    line = next(n for n, text in enumerate(lines, 1) if "when remote" in text)
    lines[line - 1] = "    when remote and unauthenticated and s25"
    L.write("/etc/tarsier/tarsier.conf", "\n".join(lines) + "\n")
    lab.tarsierd.send_signal(signal.SIGHUP)
    check.log(lab.wait_log(r"tarsier\.conf:%d:\d+: error: " % line), "file, line and column", lab.log())
    check.log(lab.wait_log(r"\^"), "with a caret", lab.log())
    check.log(lab.wait_log(r'"s25r"'), "and a suggestion", lab.log())
    check.that(lab.tarsierd.poll() is None, "the daemon runs on")
    answer, _ = lab.send(L.DSL, "old rules")
    check.reply(answer, 250, "the old rules hold", least_sec=2.8, most_sec=6)
    L.write("/etc/tarsier/tarsier.conf", L.conf(hold="1s", greylist="8s"))
    before = len(lab.log())
    lab.tarsierd.send_signal(signal.SIGHUP)
    L.wait_until("reload", 3, lambda: len(lab.log()) > before)
    answer, _ = lab.send(L.pool(5), "new rules")
    check.reply(answer, 250, "a good file afterwards is taken", least_sec=0.8, most_sec=2.6)
    lab.tarsierd.send_signal(signal.SIGUSR1)
    check.log(lab.wait_log(r"status: generation 2; \d+ sessions open, 0 clients held; since the start \d+ sessions; passed: \d+; "
                           r"recipients: 2 accepted"), "SIGUSR1 tells what is going on", lab.log())
    check.log(lab.wait_log(r"status: store /\S+ with \d+ records"), "and of the store", lab.log())


@case("reload while a client is held: it is served by what it began with", weight_sec=10)
def reload_holding(lab, check):
    lab.tarsier(L.conf(hold="4s"))
    lab.postfix()
    with lab.client(L.DSL) as c:
        c.open()
        c.send("RCPT TO:<b@example.net>\r\n")
        time.sleep(1)
        L.write("/etc/tarsier/tarsier.conf", L.conf(hold="60s"))
        lab.tarsierd.send_signal(signal.SIGHUP)
        check.reply(c.reply(), 250, "after its own time", least_sec=3.8, most_sec=7)
        check.reply(c.data("through a reload"), 250, "and delivers")
        c.quit()
    check.that(lab.delivered("through a reload"), "delivered")


@case("SIGTERM: 421 to who is held, the end within a second, nothing lost", weight_sec=12)
def sigterm(lab, check):
    lab.tarsier(L.conf(hold="20s", greylist="30m"))
    lab.postfix()
    check.that(lab.leave(L.pool(1), after=1.5), "one left")
    lab.wait_maillog(r"421 ", 3)
    with lab.client(L.DSL) as c:
        c.open()
        c.send("RCPT TO:<b@example.net>\r\n")
        time.sleep(1)
        took = lab.stop_tarsier()
        check.that(took is not None and took < 1.2, "ended within a second", took)
        check.that(lab.tarsierd.returncode == 0, "exit status 0", lab.tarsierd.returncode)
        check.reply(c.reply(), 421, "421 to who is held", most_sec=4)
    check.that(not os.path.exists(L.SOCKET), "its socket is removed")
    lab.tarsier()
    check.reply(lab.greylisted(L.pool(1)), 451, "who left is known", COME_BACK, most_sec=1.5)
    with lab.client(L.DSL) as c:
        c.open()
        c.send("RCPT TO:<b@example.net>\r\n")
        check.that(c.reply(timeout=2).code == -2, "who was cut has no mark: held again")
        c.fin()


@case("a stale socket is no hindrance, a living one is", weight_sec=5)
def sockets(lab, check):
    first = lab.tarsier(L.conf())
    second = lab.spawn(lab.program["tarsierd"], "-f", "/etc/tarsier/tarsier.conf", name="second")
    ended = L.wait_until("end", 5, lambda: second.poll() is not None)
    check.that(ended and second.returncode != 0, "a second daemon at the same socket ends with an error", second.returncode)
    check.that(first.poll() is None and lab._tarsierd_listens(), "the first one goes on")
    first.kill()
    first.wait()
    check.that(os.path.exists(L.SOCKET), "kill -9 leaves a stale socket")
    lab.tarsier()
    check.that(lab.tarsierd.poll() is None, "which the next start replaces")


@case("--check and --show-config need no rights, no socket directory and no store", weight_sec=5)
def command_lines(lab, check):
    L.write("/etc/tarsier/good.conf", L.conf().replace(L.SOCKET, "/nowhere/all.sock").replace("/var/lib/tarsier", "/nowhere/store"))
    program = lab.program["tarsierd"]
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program]

    def run(*arguments):
        done = subprocess.run(as_nobody + list(arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
        return done.returncode, done.stdout + done.stderr, done.stdout

    status, said, _ = run("--check", "-f", "/etc/tarsier/good.conf")
    check.that(status == 0, "--check of a good file", said)
    status, said, shown = run("--show-config", "-f", "/etc/tarsier/good.conf")
    check.that(status == 0 and re.search(r"# /etc/tarsier/good\.conf:\d+", said) and "# default" in said, "--show-config tells origins", said)
    L.write("/etc/tarsier/shown.conf", shown)
    status, said, again = run("--show-config", "-f", "/etc/tarsier/shown.conf")

    def settings(text):
        return [line for line in (re.sub(r" *#.*", "", line) for line in text.splitlines()) if line]

    check.that(status == 0 and settings(again) == settings(shown), "which reads back as the same", said[-1500:])
    L.write("/etc/tarsier/bad.conf", 'store "/var/lib/tarsier"\ngreylist 30\nracl greylst default\nracl whitelist tarpit 125\n')
    status, said, _ = run("--check", "-f", "/etc/tarsier/bad.conf")
    check.that(status != 0, "--check of a bad file fails", said)
    check.that(re.search(r"bad\.conf:3:6: error: .*\n.*racl greylst default\n +\^", said), "with the place and a caret", said)
    check.that(re.search(r"bad\.conf:4:\d+: error", said), "and every other error of the file", said)
    check.that(not os.path.exists("/nowhere"), "nothing was made")


@case("--check fails where the start would, with the same words", weight_sec=5)
def cannot_start(lab, check):
    pid = '/run/milter-manager/mm.pid'
    cases = {
        "the directory of a pid file is gone": (L.conf() + 'pidfile "%s"\n' % pid, "there is no directory /run/milter-manager"),
        "no such user": (L.conf() + 'user "nosuchuser"\n', "no such user: nosuchuser"),
        "no such group": (L.conf().replace("group postfix", "group nosuchgroup"), "no such group: nosuchgroup"),
        "a socket's directory cannot be made": (L.conf().replace(L.SOCKET, "/nowhere/at/all.sock"), "there is no directory /nowhere/at, and none above"),
    }
    check.that(not os.path.exists(os.path.dirname(pid)), "there is no milter-manager here")
    for what, (text, words) in cases.items():
        L.write("/etc/tarsier/bad.conf", text)
        status, said = lab.tool("tarsierd", "--check", "-f", "/etc/tarsier/bad.conf")
        check.that(status == 1 and words in said, "--check: " + what, said)
        status, said = lab.tool("tarsierd", "-f", "/etc/tarsier/bad.conf")
        check.that(status == 1 and words in said and "not started" in said, "the start: " + what, said)
    L.write("/etc/tarsier/shut.conf", L.conf().replace("mode 660 group postfix", "mode 600"))
    status, said = lab.tool("tarsierd", "--check", "-f", "/etc/tarsier/shut.conf")
    check.that(status == 0 and "smtpd runs as postfix, which gets no connection" in said, "mode 600: Postfix's user is warned of", said)
    L.write("/etc/tarsier/fine.conf", L.conf())
    status, said = lab.tool("tarsierd", "--check", "-f", "/etc/tarsier/fine.conf")
    check.that(status == 0 and "gets no connection" not in said, "nothing of it for a socket that Postfix reaches", said)


@case("--check --postfix proposes lines for Postfix's own networks, and is content with them", weight_sec=6)
def own_networks(lab, check):
    lab.postfix(
        main="mynetworks = 127.0.0.0/8 [::1]/128 $ours /etc/postfix/ours\nours = 203.0.113.20\n"
        "relayhost = [smtp.isp.example]:587\nrelay_domains = $mydestination, example.org"
    )
    L.write("/etc/postfix/ours", "# a site\n198.51.100.0/24\n")
    L.write("/etc/tarsier/tarsier.conf", L.conf(hold="60s"))
    status, lines = lab.tool("tarsierd", "--check", "-q", "--postfix", "-f", "/etc/tarsier/tarsier.conf")
    wanted = ["network local { 203.0.113.20/32 198.51.100.0/24 }", "racl whitelist domain smtp.isp.example", "racl whitelist domain example.org"]
    check.that(status == 0 and all(line in lines.splitlines() for line in wanted), "the lines", lines)
    L.write("/etc/tarsier/own.conf", lines)
    L.write("/etc/tarsier/tarsier.conf", L.conf(hold="60s").replace("racl whitelist tarpit", 'include "/etc/tarsier/own.conf"\nracl whitelist tarpit'))
    status, said = lab.tool("tarsierd", "--check", "--postfix", "/etc/postfix", "-f", "/etc/tarsier/tarsier.conf")
    check.that(status == 0 and said.endswith("nothing to add\n"), "with them nothing is lacking", said)
    lab.tarsier(wait=True)
    check.reply(lab.greylisted(L.DSL), 250, "a line that Postfix takes for its own is not held", most_sec=20)


@case("tarsier detect tells whom Postfix asks, service by service", weight_sec=4)
def detect_postfix(lab, check):
    lab.postfix(
        main="dkim = inet:localhost:8891\nsmtpd_milters = %s, $dkim" % L.MILTERS,
        services=["submission inet n - n - - smtpd", "  -o { smtpd_milters = $dkim, unix:x/own.sock }"],
    )
    L.write("/etc/tarsier/tarsier.conf", L.conf() + 'filter "signer" {\n    connect "inet:8891@127.0.0.1"\n}\n')
    status, said = lab.tool("tarsier", "detect")
    for wanted in (
        "smtpd_milters: unix:tarsier/tarsier.sock is tarsierd",
        'smtpd_milters: inet:localhost:8891 is led by tarsierd already (filter "signer")',
        "submission/inet smtpd_milters: unix:x/own.sock is not known here",
        "ATTENTION: Postfix asks it too (smtpd_milters, submission/inet): take it out there",
        'connect "unix:/var/spool/postfix/x/own.sock"',
    ):
        check.that(status == 0 and wanted in said, wanted, said)


@case("(m) the shipped configuration and socket path, smtpd in Debian's chroot", weight_sec=10)
def shipped(lab, check):
    check.that("tarsier.conf" in lab.program, "dist/tarsier.conf is there")
    shutil.copy(lab.program["tarsier.conf"], "/etc/tarsier/tarsier.conf")
    lab.tarsier()
    lab.postfix(chroot="y")
    mode = os.stat(L.SOCKET)
    check.that(oct(mode.st_mode & 0o777) == "0o660", "the socket's mode is 660", oct(mode.st_mode))
    check.that(grp.getgrgid(mode.st_gid).gr_name == "postfix", "its group is postfix", mode.st_gid)
    status = L.read("/proc/%d/status" % lab.tarsierd.pid)
    uid = re.search(r"^Uid:\s+(\d+)\s+(\d+)\s+(\d+)", status, re.M)
    check.that(uid and set(uid.groups()) == {str(pwd.getpwnam("tarsier").pw_uid)}, "tarsierd runs as tarsier", status)
    answer, _ = lab.send(L.GOOD, "shipped good")
    check.reply(answer, 250, "an ordinary server passes", most_sec=1.5)
    check.that(lab.delivered("shipped good"), "delivered")
    with lab.client(L.DSL) as c:
        c.open()
        check.reply(c.rcpt("postmaster@example.net"), 250, "postmaster is exempt", most_sec=1.5)
        c.quit()
    check.that(lab.leave(L.DSL, after=3, sender="x@example.org"), "an end user's line is held")
    lab.settled()  # else it is a second connection of a held client
    check.reply(
        lab.greylisted(L.DSL, "x@example.org"), 451, "and greylisted when it left",
        r"^451 4\.7\.1 Greylisting in action, please come back in 00:04:\d\d$", most_sec=1.5,
    )
    check.that("cannot be watched" not in lab.log(), "its clients can be watched", lab.log())
    store = os.stat("/var/lib/tarsier")
    check.that(oct(store.st_mode & 0o777) == "0o700" and store.st_uid == int(uid[1]), "the store is tarsier's alone", oct(store.st_mode))


@case("the shipped rules: a farm of ten is never held, a line that waits is let in, conf.d exempts", weight_sec=21)
def spares(lab, check):
    text = L.read(lab.program["tarsier.conf"])
    check.that("racl whitelist tarpit 125s\n" in text, "the shipped hold", text)
    text = text.replace("racl whitelist tarpit 125s\n", "racl whitelist tarpit 4s\n")
    L.write("/etc/tarsier/conf.d/local.conf", "racl whitelist addr %s/32\n" % L.pool(7))
    lab.tarsier(text)
    lab.postfix()
    status, said = lab.tool("tarsier", "explain", L.farm_name(1), L.farm(1), "a@example.org", "b@example.net")
    check.that(status == 0 and re.search(r"s25r +yes", said), "S25R takes the farm's names for lines", said)
    for n in range(1, 11):
        answer, end = lab.send(L.farm(n), "farm %d" % n)
        check.reply(answer, 250, "server %d of the farm passes" % n, most_sec=1.5)
        check.that(end and end.code == 250, "accepted", end)
    check.that("held for" not in lab.log(), "nobody was held", lab.log())
    answer, end = lab.send(L.DSL, "line waited")
    check.reply(answer, 250, "a line that waits is let in", least_sec=3.8, most_sec=6)
    check.that(end and end.code == 250, "and its message accepted", end)
    check.log(lab.wait_log(r"held for 00:00:04 \(ACL \d+\), generic_rdns \d"), "the log says why it was held", lab.log())
    check.that(lab.leave(L.NO_PTR, after=1, sender="n@example.org"), "a client without a name is held")
    answer, _ = lab.send(L.pool(7), "exempt")
    check.reply(answer, 250, "the file in conf.d lets its line pass", most_sec=1.5)
    for line, name, held in (
        (33, "mail.example.net", False),
        (34, "mail.example.net", True),
        (35, "198-51-100-35.example.net", True),
        (36, "mx.alias-36.net", False),  # a CNAME
        (37, "mx.alias-36.net", True),  # one that leads elsewhere
    ):
        with lab.client(L.pool(line)) as c:
            c.ehlo(name)
            c.mail("h%d@example.org" % line)
            answer = c.rcpt("b@example.net")
            c.quit()
        check.reply(answer, 250, "%s says HELO %s: %s" % (L.pool(line), name, "held" if held else "passes"),
                    least_sec=3.8 if held else 0, most_sec=7 if held else 3.5)
    check.log(lab.wait_log(r"passes: helo_confirmed \(mail\.example\.net\)", 3), "the log says why it passed", lab.log())
    check.log(lab.wait_log(r"passes: helo_confirmed \(mx\.alias-36\.net\)", 3), "by a CNAME too", lab.log())


@case("inet sockets", weight_sec=8)
def inet(lab, check):
    text = L.conf(hold="3s").replace('listen "unix:%s" mode 660 group postfix' % L.SOCKET, 'listen "inet:8891@127.0.0.1"')
    lab.tarsier(text)
    lab.postfix(milters="inet:127.0.0.1:8891")
    answer, _ = lab.send(L.DSL, "by inet")
    check.reply(answer, 250, "held over TCP", least_sec=2.8, most_sec=6)
    check.that(lab.delivered("by inet"), "delivered")


@case("rubbish on the milter socket closes that connection and nothing else", weight_sec=5)
def rubbish(lab, check):
    lab.tarsier(L.conf(hold="3s"))
    lab.postfix()
    for junk in (b"\0\0\0\0", b"\xff\xff\xff\xffO", b"GET / HTTP/1.0\r\n\r\n", struct.pack(">I", 1) + b"Z", b"\0\0\0\1", b""):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(3)
            s.connect(L.SOCKET)
            s.sendall(junk)
            s.shutdown(socket.SHUT_WR)
            try:
                s.recv(100)
            except socket.timeout:
                check.that(False, "closes after %r" % junk)
            except OSError:
                pass
    check.that(lab.tarsierd.poll() is None, "the daemon is alive")
    answer, _ = lab.send(L.GOOD, "after rubbish")
    check.reply(answer, 250, "and works")


@case("stress as Postfix tells it: no holds, greylisting at once", weight_sec=6)
def stress(lab, check):
    lab.tarsier(L.conf(hold="5s"))
    lab.postfix(main="milter_macro_defaults = {stress}=yes")
    check.reply(lab.greylisted(L.DSL), 451, "greylisted at once", COME_BACK, most_sec=1.5)


@case("tarsier explain says what would happen, and what decides; and so it happens", weight_sec=8)
def explain(lab, check):
    lab.tarsier(L.conf(hold="125s", greylist="30m"))
    lab.postfix()
    mail = ["a@example.org", "b@example.net"]
    status, said = lab.tool("tarsier", "explain", L.DSL_NAME, L.DSL, *mail)
    check.that(status == 0 and re.search(r"rule 1", said), "names the S25R rule", said)
    check.that(re.search(r"racl whitelist tarpit 125s +# /etc/tarsier/tarsier\.conf:12", said), "names the line", said)
    check.that(re.search(r"held for 00:02:05, then 250", said), "says what happens to who waits", said)
    check.that(re.search(r"421 4\.7\.0", said), "and to who hangs up", said)
    status, said = lab.tool("tarsier", "explain", "--state", "held 2 s and left", L.DSL_NAME, L.DSL, *mail)
    check.that("451 4.7.1 Greylisting in action, please come back in 00:29:58" in said, "who left is greylisted", said)
    check.that(lab.leave(L.DSL, after=2), "so it happens: held")
    lab.settled()
    check.reply(lab.greylisted(L.DSL), 451, "and greylisted", r"please come back in 00:29:5\d$", most_sec=1.5)
    status, said = lab.tool("tarsier", "explain", "--state", "first seen 31 min ago", L.DSL_NAME, L.DSL, *mail)
    check.that(status == 0 and "\n    250 at RCPT" in said, "late: let in", said)
    status, said = lab.tool("tarsier", "explain", L.GOOD_NAME, L.GOOD, *mail)
    check.that(status == 0 and "250 at CONNECT" in said and "no rule hits" in said, "an ordinary server is not asked", said)
    status, said = lab.tool("tarsier", "explain", "unknown", L.NO_PTR, *mail)
    check.that(status == 0 and "rule 0" in said, "no name is rule 0", said)
    status, said = lab.tool("tarsier", "explain", "unknown", "not.an.address", *mail)
    check.that(status != 0, "rubbish is refused", said)


@case("tarsier explain --resolve asks DNS itself, as Postfix and the daemon would", weight_sec=16)
def explain_resolve(lab, check):
    L.write("/etc/tarsier/tarsier.conf", L.read(lab.program["tarsier.conf"]))
    for what, address, helo, wants in (
        ("a line with a HELO that proves itself", L.pool(33), "mail.example.net",
         [r"verdict +passes untouched", r"PTR: host198-51-100-33\.dynamic\.isp\.example", r"helo_confirmed +yes +mail\.example\.net: it leads"]),
        ("with one of another", L.pool(34), "mail.example.net",
         [r"verdict +held for 00:02:05", r"mail\.example\.net A: 198\.51\.100\.33 \(not the client's\)", r"helo_confirmed +no +mail\.example\.net"]),
        ("by a CNAME", L.pool(36), "mx.alias-36.net", [r"helo_confirmed +yes +mx\.alias-36\.net"]),
        ("a name that does not lead back", "203.0.113.30", "x", [r"\(its name does not lead back to it\)", r"unknown_client +yes"]),
        ("one that leads nowhere", "203.0.113.31", "x", [r"\(its name does not lead back to it\)", r"no such name"]),
        ("a name server that fails", "203.0.113.50", "mail.fails.example",
         [r"\(the reverse look-up failed for now\)", r"no answer in time, or the name server's error", r"verdict +passes untouched"]),
        ("a name whose address nobody tells", "203.0.113.51", "x", [r"\(the reverse look-up failed for now\)", r"PTR: mail\.fails\.example"]),
        ("no name", L.NO_PTR, "x", [r"\(no reverse name\)", r"verdict +held"]),
    ):
        status, said = lab.tool("tarsier", "explain", "--resolve", "--helo", helo, "-", address, "a@example.org", "b@example.net")
        for want in wants:
            check.that(status == 0 and re.search(want, said), "%s: %s" % (what, want), said)
    status, said = lab.tool("tarsier", "explain", "--resolve", L.GOOD_NAME, L.pool(34), "a@example.org", "b@example.net")
    check.that(status == 0 and "verifies another name than" in said, "that DNS says something else is told", said)
    status, said = lab.tool("tarsier", "explain", "--resolve", "--ptr", "x.example", "-", L.pool(34), "a@example.org", "b@example.net")
    check.that(status == 2 and "--resolve looks up" in said, "what is looked up cannot be given", said)


@case("bounds as Postfix's own master.cf sets them", weight_sec=10)
def bounds_of_postfix(lab, check):
    lab.postfix(processes="8", ipv6=False)
    lab.tarsier(L.conf(hold="6s", greylist="30m"))
    held = []
    for n in range(4):
        c = lab.client(L.pool(120 + n))
        c.open()
        c.send("RCPT TO:<b@example.net>\r\n")
        held.append(c)
    time.sleep(0.3)
    over = lab.client(L.pool(130))
    over.open()
    check.reply(over.rcpt("b@example.net"), 451, "half of smtpd's 8 are held: the fifth is greylisted at once", COME_BACK, most_sec=1.5)
    good, _ = lab.send(L.GOOD, "between")
    check.reply(good, 250, "an ordinary server gets through", most_sec=1.5)
    for c in held:
        check.reply(c.reply(), 250, "who is held is served", most_sec=9)
        c.fin()
    over.fin()


@case("many hang up at once: all of their smtpd are free at once", weight_sec=10)
def many_leave(lab, check):
    lab.postfix(main="smtpd_client_connection_count_limit = 0")
    lab.tarsier(L.conf(hold="30s", greylist="30m", extra="holds max 100"))
    clients = []
    for n in range(40):
        c = L.smtp.Client(L.pool(1 + n), L.MX)
        c.open()
        c.send("RCPT TO:<b@example.net>\r\n")
        clients.append(c)
    check.that(clients[-1].reply(timeout=1).code == -2, "all are held")
    start = time.monotonic()
    for n, c in enumerate(clients):
        c.rst() if n % 2 else c.fin()
    done = lab.wait_maillog(r": 421 4\.7\.0", 8, count=40)
    took = time.monotonic() - start
    check.that(done and took < 3, "40 answered 421 within about a second", took)
    lab.settled()
    check.reply(lab.greylisted(L.pool(40)), 451, "and each is known", COME_BACK, most_sec=1.5)


@case("a full disk: mail flows, it is said, nothing old is lost", weight_sec=32)
def full_disk(lab, check):
    os.makedirs("/var/lib/tarsier", exist_ok=True)
    user = pwd.getpwnam("tarsier")
    owner = "uid=%d,gid=%d" % (user.pw_uid, user.pw_gid)
    L.run("mount", "-t", "tmpfs", "-o", "size=2m,mode=700," + owner, "tmpfs", "/var/lib/tarsier")
    first = "racl whitelist tarpit"
    lab.tarsier(L.conf(hold="2s", greylist="20s").replace(first, "racl greylist from grey@example.org\n" + first))
    lab.postfix()
    start = time.monotonic()
    answer, _ = lab.send(L.DSL, "before")
    check.reply(answer, 250, "served while there is room", least_sec=1.8)
    check.that(lab.leave(L.pool(1), after=1), "one left")
    lab.settled()
    room = os.statvfs("/var/lib/tarsier")
    with open("/var/lib/tarsier/ballast", "wb") as out:
        out.write(b"x" * (room.f_bavail * room.f_bsize))
    for n in range(3):
        answer, end = lab.send(L.pool(2 + n), "full %d" % n, sender="f%d@example.org" % n)
        check.that(answer.code in (250, 451), "the disk is full: 250 or 451, never 5xx", answer)
        check.that(answer.code != 250 or answer.sec > 1.8, "the hold still runs", answer)
    check.reply(lab.greylisted(L.pool(9), "grey@example.org"), 250, "a first sight that cannot be stored is let in", most_sec=7)
    check.reply(lab.greylisted(L.pool(1)), 451, "who left is still known, and told to come back", COME_BACK, most_sec=7)
    check.log(lab.wait_log(r"store", 3), "it is said in the log", lab.log())
    check.that(lab.tarsierd.poll() is None, "the daemon runs")
    said = lab.tool("tarsier", "status")[1]
    check.that("  disk FULL\n" in said, "tarsier status tells", said)
    status, said = lab.tool("tarsier", "status", "--check")
    check.that(status == 2 and said.startswith("TARSIER CRITICAL - the store cannot be written"), "and so does --check", said)
    answer, _ = lab.send(L.DSL, "known")
    check.reply(answer, 250, "who was known is known", most_sec=1.5)
    check.that("can be written again" not in lab.log(), "nobody claims that it could be written", lab.log()[-1500:])
    os.unlink("/var/lib/tarsier/ballast")
    time.sleep(max(0, start + 27 - time.monotonic()))
    answer, _ = lab.send(L.pool(1), "left before")
    check.reply(answer, 250, "who left before is let in after the delay: nothing old is lost", most_sec=1.5)
    sender = "a@room.example.com"  # the network is known by now for the others' domain
    answer, _ = lab.send(L.pool(20), "room again", sender=sender)
    check.reply(answer, 250, "with room again: held", least_sec=1.8)
    check.reply(lab.greylisted(L.pool(20), sender), 250, "and remembered", most_sec=1.5)
    check.log(lab.wait_log("can be written again", 3), "which the log says", lab.log())
    said = lab.tool("tarsier", "status")[1]
    check.that("  disk ok\n" in said, "as tarsier status does", said)
