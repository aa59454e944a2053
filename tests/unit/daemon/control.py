#!/usr/bin/env python3
"""control.py - the control socket and the commands that use it, against a running daemon.

    control.py TARSIERD TARSIER      TAP on standard output. Needs no root; as root the daemon becomes nobody, and rights are tried.
"""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import program
from program import PATIENCE_SEC, case, check, read, wait_for

TARSIERD, TARSIER = sys.argv[1:3]
DIR = program.directory("tarsier-control-")
SOCKET, CONTROL, LOG, CONF = (DIR + name for name in ("/run/sock", "/control/control", "/log", "/tarsier.conf"))
RULES = "racl greylist default delay 30m\n"
STRANGER, GROUP = 54321, 54322  # nobody has them

def configure(rules=RULES, extra=""):
    with open(CONF, "w") as out:
        out.write('listen "unix:%s"\nstore "%s/store"\nuser "nobody"\ncontrol "%s"\nholds unwatched hold\n%s%s'
                  % (SOCKET, DIR, CONTROL, extra, rules))


def log():
    return read(LOG)


class Daemon(program.Daemon):
    def __init__(self, before=()):
        super().__init__(TARSIERD, CONF, LOG, "--postfix", DIR, before=before)


class Control:
    """The protocol, by hand."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_SEC)
        self.socket.connect(CONTROL)
        self.kept = b""

    def say(self, text):
        try:
            self.socket.sendall(text if isinstance(text, bytes) else text.encode())
        except BrokenPipeError:
            pass  # it was closed already, with an answer

    def line(self):
        """The next line; None at the end."""
        while b"\n" not in self.kept:
            try:
                part = self.socket.recv(65536)
            except ConnectionResetError:
                part = b""
            if not part:
                return None
            self.kept += part
        line, self.kept = self.kept.split(b"\n", 1)
        return line.decode("utf-8", "replace")

    def ask(self, text):
        """(rows, end)"""
        self.say(text)
        rows = []
        while True:
            line = self.line()
            if line is None or line == "." or line.startswith("error "):
                return rows, line
            rows.append(line)

    def close(self):
        self.socket.close()


class Mta(program.Milter):
    """A client that is held, or deferred."""

    def __init__(self, name="dhcp-12-34.isp.example.net", address="198.51.100.7", sender="<a@example.org>",
                 recipient="<b@example.net>"):
        super().__init__(SOCKET)
        self.say_connect(name, address)
        self.connected = self.hear()
        self.sender, self.recipient = sender.encode(), recipient.encode()

    def rcpt(self):
        self.say("M", self.sender + b"\0")
        self.expect("c")
        self.say("R", self.recipient + b"\0")
        return self


def tarsier(*arguments, stdin=""):
    done = subprocess.run([TARSIER, *arguments], input=stdin, capture_output=True, text=True, errors="replace", timeout=60)
    return done.returncode, done.stdout, done.stderr


def ask(*arguments):
    """A command that is to do its work, on a screen that is wide enough."""
    status, out, err = tarsier(*arguments, "-f", CONF)
    check(status == 0 and err == "", (arguments, status, out, err))
    check(all(len(line) <= 80 for line in out.splitlines()), "at most 80 columns:\n" + out)
    return out


def pairs(text="status\n"):
    c = Control()
    rows, end = c.ask(text)
    c.close()
    check(end == ".", end)
    return dict(row.split("\t")[:2] for row in rows if not row.startswith("filter\t"))


def as_user(uid, gid, groups, what):
    """what() in a process of that user; what it returns, as JSON."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            result = what()
        except BaseException as error:  # whatever it is: the parent tells
            result = repr(error)
        os.write(write, json.dumps(result).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        result = json.loads(answer.read() or '"nothing"')
    os.waitpid(pid, 0)
    return result


# ---- the socket ----


@case
def answers_line_by_line():
    configure()
    with Daemon():
        c = Control()
        rows, end = c.ask("status\n")
        check(end == "." and any(row.startswith("version\t") for row in rows), (rows, end))
        c.say("sta")
        rows, end = c.ask("tus\r\n")
        check(end == "." and rows, (rows, end))
        for request, code in (("nonsense\n", "usage"), ("\n", "usage"), ("status now\n", "usage"), ("explain\n", "usage"),
                              ("sta\\tus\n", "usage"), ("status\\\n", "usage")):
            rows, end = c.ask(request)
            check(rows == [] and end.startswith("error %s " % code), (request, rows, end))
        c.say(b"\xff\xfe\x00\x01\n")
        check(c.line().startswith("error usage "), "garbage")
        c.say("status\n" * 5)
        for _ in range(5):
            check(c.ask("")[1] == ".", "each of those sent ahead")
        c.say("status\n")
        c.socket.shutdown(socket.SHUT_WR)
        check(c.ask("")[1] == "." and c.line() is None, "answered, then closed")
        c.close()


@case
def survives_floods():
    configure()
    with Daemon():
        c = Control()
        c.say(b"a" * 100000)
        line = c.line()
        check(line is not None and line.startswith("error usage ") and c.line() is None, ("a line without an end", line))
        c.close()
        c = Control()
        c.say(b"status\n" * 100000)  # more than may be sent ahead
        last = None
        while (line := c.line()) is not None:
            last = line
        check(last is not None, "something was said")
        c.close()
        for _ in range(200):
            Control().close()
        many = []
        while len(many) < 16:  # those of before may not be closed yet
            c = Control()
            if c.ask("status\n")[1] == ".":
                many.append(c)
        one_more = Control()
        end = one_more.ask("status\n")[1]
        check(end == "error busy too many connections are open", end)
        one_more.close()
        check(all(c.ask("status\n")[1] == "." for c in many), "the others go on")
        for c in many:
            c.close()
        check(wait_for(lambda: Control().ask("status\n")[1] == "."), "there is room again")


@case
def leaves_mail_alone_while_nobody_reads():
    """Many answers, and nobody reads them: mail goes on, and memory is bounded by what may be sent ahead."""
    configure()
    with Daemon():
        slow = Control()
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        slow.socket.settimeout(0)
        sent = 0
        try:
            while sent < 100000:
                sent += slow.socket.send(b"status\n" * 100)
        except OSError:
            pass
        mta = Mta()
        mta.rcpt()
        got = mta.hear()
        check(got[0] == "y", got)
        mta.close()
        check(pairs()["sessions"] in ("0", "1"), "others are answered")
        slow.close()


@case
def makes_its_socket_for_everybody_to_try():
    configure()
    with Daemon():
        check(os.stat(CONTROL).st_mode & 0o777 == 0o666, "mode 666")
        check(os.stat(os.path.dirname(CONTROL)).st_mode & 0o777 == 0o755, "its directory's, 755")
    check(not os.path.exists(CONTROL), "removed at the end")
    configure(extra="control none\n")
    with Daemon():
        check(not os.path.exists(CONTROL), "none")
        status, out, err = tarsier("status", "-f", CONF)
        check(status == 3 and "control none" in err, (status, err))
    with open(DIR + "/file", "w"):
        pass
    configure(extra='control "%s/file/control"\n' % DIR)
    with Daemon():
        check("no control socket: " in log() and "started all the same" in log(), log())


@case
def lets_each_do_what_its_groups_may():
    if os.geteuid() != 0:
        print("# left out: only root can be somebody else")
        return
    configure(extra='control metrics "%d"\ncontrol read "%d, nosuchgroup"\ncontrol change "%d"\n' % (GROUP, GROUP + 1, GROUP + 2))

    def first():
        c = Control()
        rows, end = c.ask("status\n")
        return end if end != "." else "fine"

    with Daemon():
        check("control: no such group: nosuchgroup" in log(), log())
        check(as_user(STRANGER, STRANGER, [], first).startswith("error denied uid %d may ask nothing here; root may" % STRANGER), "a stranger")
        explain = ["explain", "--records", "unknown", "192.0.2.1", "a@example.org", "b@example.net"]
        for words in (["status"], ["holds"], ["pause", "1h"], ["allow", "list"], explain):
            status, out, err = as_user(STRANGER, STRANGER, [], lambda: tarsier(*words, "-f", CONF))
            check(status == 1 and out == "" and "may ask nothing here" in err, (words, status, out, err))
        for words in (["export"], ["export", "--dump"]):
            status, out, err = as_user(STRANGER, STRANGER, [], lambda: tarsier(*words, "-f", CONF))
            check(status == 1 and out == "" and "may ask nothing here" in err, ("not even a head line", words, status, out, err))
        status, out, err = as_user(STRANGER, STRANGER, [], lambda: tarsier("backup", DIR + "/run/b", "-f", CONF))
        check(status == 1 and "run this as root" in err and "chown" not in err, (status, err))
        check(as_user(STRANGER, GROUP, [], first) == "fine", "by its group")
        check(as_user(STRANGER, STRANGER, [7, GROUP + 1], first) == "fine", "by another of its groups")
        check(as_user(65534, 65534, [], first) == "fine", "the daemon's user")


# ---- status ----


@case
def tells_how_it_is():
    configure(extra='filter "greylist" { builtin greylist }\nfilter "av" { connect "unix:%s/av.sock" }\n' % DIR)
    with Daemon() as d:
        out = ask("status")
        check(re.match(r"tarsier \d+\.\d+\.\d+  up 00:00  ENFORCING  configuration 1 of \d\d-\d\d \d\d:\d\d:\d\d ok\n", out), out)
        check("postfix    socket ok, has not connected since the start" in out and "holds      0 of " in out and "filters    av ok" in out, out)
        mta = Mta()
        mta.rcpt().hear()
        out = ask("status")
        check("sessions   1 open" in out and re.search(r"last connection \d+ s ago", out), out)
        mta.close()
        shown = json.loads(ask_json("status"))
        check(shown["generation"] == 1 and shown["mode"] == "enforcing" and shown["filters"][0]["name"] == "av", shown)
        os.unlink(SOCKET)
        open(SOCKET, "w").close()  # what is no socket is left alone
        check(wait_for(lambda: "postfix    socket GONE, last" in ask("status")), "its place is taken")
        status, out, err = tarsier("status", "--check", "-f", CONF)
        check(status == 2 and out.startswith("TARSIER CRITICAL - the socket that Postfix connects to is gone"), (status, out, err))
        os.unlink(SOCKET)
        check(wait_for(lambda: "postfix    socket ok, last" in ask("status")), "made again")
        status, out, err = tarsier("status", "--check", "-f", CONF)
        check(status == 0 and out.startswith("TARSIER OK - ") and " | sessions=" in out, (status, out, err))
        with open(CONF, "a") as conf:
            conf.write("nonsense\n")
        d.process.send_signal(signal.SIGHUP)
        check(wait_for(lambda: "stays in force" in log()), "a reload that fails")
        status, out, err = tarsier("status", "--check", "--socket", CONTROL)
        check(status == 1 and out.startswith("TARSIER WARNING - the last reload has failed"), (status, out, err))
        check("ERROR" in tarsier("status", "--socket", CONTROL)[1], "and on the screen")
    status, out, err = tarsier("status", "--check", "--socket", CONTROL)
    check(status == 2 and out.startswith("TARSIER CRITICAL - no tarsierd answers at "), (status, out))
    status, out, err = tarsier("status", "--socket", CONTROL)
    check(status == 3 and out == "" and "no tarsierd answers at" in err, (status, out, err))
    check(tarsier("status", "--nonsense")[0] == 2 and tarsier("status", "word")[0] == 2, "usage")


@case
def tells_since_when_a_filter_is_down():
    configure(rules="racl whitelist default\n", extra='filter "greylist" { builtin greylist }\nfilter "av" { connect "unix:%s/av.sock" }\n' % DIR)

    def is_down():
        mta = Mta()
        mta.rcpt().hear()
        mta.close()
        return "av DOWN" in ask("status")

    with Daemon():
        check(wait_for(is_down), "nobody answers")
        check(re.search(r"av DOWN \d+ s, tried again (in \d+ s|now) -> \w+\n", ask("status")), ask("status"))
        av = json.loads(ask_json("status"))["filters"][0]
        check(av["state"] in ("down", "probing") and av["seconds_down"] < 60, av)
        check(wait_for(lambda: json.loads(ask_json("status"))["filters"][0]["seconds_down"] > 1), "it counts on, over the pause")


def ask_json(*arguments):
    status, out, err = tarsier(*arguments, "--json", "-f", CONF)
    check(status == 0, (arguments, status, err))
    return out


# ---- holds ----

HOLD = "racl whitelist tarpit 125s\nracl greylist default delay 30m\n"


def held():
    return json.loads(ask_json("holds"))


@case
def shows_who_is_held_and_lets_one_go():
    configure(rules=HOLD)
    with Daemon():
        check(ask("holds") == "nobody is held; up to 50 may be\n" and held() == [], ask("holds"))
        one = Mta().rcpt()
        check(wait_for(lambda: len(held()) == 1), "one is held")
        two = Mta(name="a" * 60 + ".isp.example.net", recipient="<" + "c" * 64 + "@" + "d" * 60 + ".example.net>").rcpt()
        check(wait_for(lambda: len(held()) == 2), "two are held")
        out = ask("holds")
        check(out.startswith("ID      LEFT  CLIENT / FROM -> TO") and "2 held of 50.  Let in now: tarsier holds release " in out, out)
        check(re.search(r"a{60}\S*\n(.*\n)? {14}\[198\.51\.100\.7\] +6\n", out), "an address is never broken:\n" + out)
        check("dhcp-12-34.isp.example.net[198.51.100.7]" in out and "<a@example.org> -> <b@example.net>" in out, out)
        first, second = sorted(held(), key=lambda h: int(h["id"]))
        check(first["recipient"] == "<b@example.net>" and 0 < first["left_seconds"] <= 125 and first["line"] == "6", first)
        check(wait_for(lambda: re.search(r" s-\w+-%s: addr .* to <b@example.net> held" % first["id"], log())), log())
        status, out, err = tarsier("holds", "release", first["id"], "-f", CONF)
        check(status == 0 and out == err == "", (status, out, err))
        check(one.hear()[0] == "c", "it is let in")
        check([h["id"] for h in held()] == [second["id"]], "its sibling stays")
        check(wait_for(lambda: re.search(r"control: uid \d+, process \d+: holds release %s" % first["id"], log())), log())
        check(tarsier("holds", "drop", second["id"], "-f", CONF)[0] == 0, "drop")
        got = two.hear()
        check(got[0] == "y" and got[1].startswith(b"421 "), got)
        status, out, err = tarsier("holds", "release", first["id"], "-f", CONF)
        check(status == 1 and "nobody who is held now has the ID" in err, (status, err))
        shown = json.loads(ask_json("status"))
        check(shown["holds"] == 0 and shown["today_released"] == 1 and shown["today_dropped"] == 1, shown)
        check(tarsier("holds", "release", "-f", CONF)[0] == 2 and tarsier("holds", "drop", "1", "2", "-f", CONF)[0] == 2, "usage")
        one.close()
        again = Mta().rcpt()  # its tuple is remembered; the client's patience is not
        check(again.hear()[0] == "c", "known")
        other = Mta(recipient="<other@example.net>").rcpt()
        check(wait_for(lambda: len(held()) == 1), "another recipient of it is held")
        for c in (again, two, other):
            c.close()


@case
def lists_many_to_a_slow_reader():
    """Rows of more than one slice; some of those who are listed go in the middle."""
    configure(rules=HOLD, extra="holds max 400\nholds per-client 400\n")
    with Daemon():
        clients = [Mta(recipient="<%d.%s@example.net>" % (i, "x" * 200)).rcpt() for i in range(300)]
        check(wait_for(lambda: json.loads(ask_json("status"))["holds"] == 300), "300 are held")
        c = Control()
        c.say("holds\n")
        first = c.line()
        for mta in clients[::2]:
            mta.close()
        rows = []
        while (line := c.line()) not in (".", None):
            rows.append(line)
        check(first == "max\t400" and line == "." and 150 <= len(rows) <= 300, (first, line, len(rows)))
        check(len({row.split("\t")[1] for row in rows}) == len(rows), "each once")
        dying = Control()
        dying.say("holds\n" * 50)
        dying.close()  # in the middle of its list
        check(pairs()["version"] != "", "it goes on")
        for mta in clients[1::2]:
            mta.close()


# ---- metrics ----

METRIC = re.compile(r'^(tarsier_[a-z_]+)(\{([a-z]+="([^"\\\n]|\\[\\"n])*",?)+\})? (-?[0-9.]+)$')
# By its type: what is behind the name of a sample.
ENDINGS = {"gauge": [""], "counter": [""], "summary": ["", "_sum", "_count"], "histogram": ["_bucket", "_sum", "_count"]}


def metrics():
    """({name and labels: value}, the text); each line has the form of Prometheus's text, and each name all that its type asks for."""
    out = tarsier("metrics", "-f", CONF)[1]
    types, helped, samples, name = {}, "", {}, ""
    for line in out.splitlines():
        found = METRIC.match(line)
        if line.startswith("# HELP "):
            helped = line.split()[2]
        elif line.startswith("# TYPE "):
            name = line.split()[2]
            check(name not in types, "all samples of a name stand together: " + name)
            check(name == helped and name.endswith("_total") == (line.split()[3] == "counter"), line)
            types[name] = line.split()[3]
        elif check(found, line):
            check(found.group(1) in [name + ending for ending in ENDINGS[types[name]]], line)
            key = found.group(1) + (found.group(2) or "")
            check(key not in samples, "twice: " + key)
            samples[key] = float(found.group(5))
    for name, kind in types.items():
        if kind in ("summary", "histogram"):
            check_distributions(name, kind, samples)
    return samples, out


def check_distributions(name, kind, samples):
    """For each value of its label: a sum and a count; buckets that ascend, and the last one has all."""
    counts = [key for key in samples if re.match(name + r"_count(\{|$)", key)]
    check(counts, name + " has no count")
    for key in counts:
        label = key[len(name + "_count"):].strip("{}")
        check(name + "_sum" + key[len(name + "_count"):] in samples, key + " has no sum")
        if kind == "histogram":
            within = [(le, samples[k]) for k in samples for le in re.findall(r'le="([^"]+)"', k)
                      if k == '%s_bucket{%sle="%s"}' % (name, label + "," if label else "", le)]
            bounds, values = [float(le) for le, _ in within], [n for _, n in within]
            check(bounds == sorted(set(bounds)) and bounds[-1] == float("inf"), (key, bounds))
            check(values == sorted(values) and values[-1] == samples[key], (key, values))


@case
def counts_for_prometheus():
    filters = "".join('filter "f%03d" { connect "unix:%s/none.sock" }\n' % (i, DIR) for i in range(1, 32))
    configure(rules=HOLD, extra='filter "greylist" { builtin greylist }\n' + filters)
    with Daemon():
        before, out = metrics()
        check(before["tarsier_holds"] == 0 and before["tarsier_holds_limit"] == 50 and before["tarsier_paused"] == 0, before)
        check(all(before['tarsier_filter_up{filter="f%03d"}' % i] == 1 for i in range(1, 32)), "each filter")
        check(len(out) > 2 * 16384, "an answer of several slices")
        check(before['tarsier_build_info{version="%s"}' % tarsier("version")[1].split()[1]] == 1, "its version")
        held_one = Mta().rcpt()
        check(wait_for(lambda: metrics()[0]["tarsier_holds"] == 1), "a hold")
        held_one.say("A")  # it has hung up
        check(wait_for(lambda: metrics()[0]['tarsier_holds_ended_total{outcome="left"}'] == 1), "has left")
        after, out = metrics()
        check(after['tarsier_hold_left_seconds_bucket{le="5"}'] == 1 and after["tarsier_hold_left_seconds_count"] == 1, after)
        check(after['tarsier_recipients_total{verdict="held",reason="none"}'] == 1, after)
        held_one.close()
        again = Mta().rcpt()
        check(again.hear()[0] == "y", "deferred")
        check(wait_for(lambda: metrics()[0]['tarsier_recipients_total{verdict="deferred",reason="none"}'] == 1), "deferred")
        again.close()
        check("dhcp-12-34" not in out and "example.org" not in out and "198.51" not in out, "nobody's name")
        promtool = shutil.which("promtool")
        if promtool:
            done = subprocess.run([promtool, "check", "metrics"], input=out, capture_output=True, text=True)
            check(done.returncode == 0, done)
            alerts = os.path.dirname(os.path.abspath(__file__)) + "/../../../dist/tarsier-alerts.yml"
            done = subprocess.run([promtool, "check", "rules", alerts], capture_output=True, text=True)
            check(done.returncode == 0 and "5 rules" in done.stdout, done)
        else:
            print("# promtool is not installed: the form is checked by this test alone")
        status, shown, err = tarsier("metrics", "-f", CONF, "-o", DIR + "/tarsier.prom")
        with open(DIR + "/tarsier.prom") as text:
            check(status == 0 and shown == "" and text.read().startswith("# HELP tarsier_build_info "), (status, shown, err))
        check(os.stat(DIR + "/tarsier.prom").st_mode & 0o777 == 0o644, "for node_exporter to read")
        check(tarsier("metrics", "-f", CONF, "-o", DIR + "/none/x")[0] == 1 and tarsier("metrics", "x", "-f", CONF)[0] == 2, "errors")
    check(tarsier("metrics", "--socket", CONTROL)[0] == 3, "no daemon")


# ---- pause, reload, check ----


@case
def pauses_and_resumes():
    configure(rules=HOLD)
    with Daemon():
        held_one = Mta().rcpt()
        check(wait_for(lambda: len(held()) == 1), "held")
        out = ask("pause", "1h")
        check(out.startswith("Nobody is held or deferred until "), out)
        check(held_one.hear()[0] == "c", "who was held goes on")
        check(wait_for(lambda: "pause: for 3600 s nobody is held or deferred" in log()), log())
        check(Mta(recipient="<new@example.net>").rcpt().hear()[0] == "c", "nobody is held")
        shown = json.loads(ask_json("status"))
        check(shown["mode"] == "paused" and 3500 < shown["paused_until"] - time.time() < 3700, shown)
        check("PAUSED for " in ask("status"), ask("status"))
        status, out, err = tarsier("status", "--check", "-f", CONF)
        check(status == 1 and "paused: nobody is held" in out, (status, out))
        check(os.stat(DIR + "/store/pause").st_mode & 0o777 == 0o600, "kept, 0600")
        held_one.close()
    with Daemon():
        check(json.loads(ask_json("status"))["mode"] == "paused", "a restart knows of it")
        check(ask("resume") == "", "resume")
        check(json.loads(ask_json("status"))["mode"] == "enforcing", "no pause")
        check(not os.path.exists(DIR + "/store/pause"), "forgotten")
        status, out, err = tarsier("resume", "-f", CONF)
        check(status == 1 and "there is no pause" in err, (status, err))
        again = Mta(recipient="<third@example.net>").rcpt()
        check(wait_for(lambda: len(held()) == 1), "held again")
        again.close()
        for time_text, status in (("0", 1), ("31d", 1), ("tomorrow", 2), ("", 2)):
            check(tarsier("pause", time_text, "-f", CONF)[0] == status, time_text)
        os.mkdir(DIR + "/store/pause")
        status, out, err = tarsier("pause", "1h", "-f", CONF)
        check(status == 1 and "done, but a restart will not know of it" in err, (status, out, err))
        check(json.loads(ask_json("status"))["mode"] == "paused", "in force all the same")
    os.rmdir(DIR + "/store/pause")


@case
def traces_clients():
    configure(rules=HOLD)
    with Daemon():
        check(ask("trace", "list") == "no client is traced\n", ask("trace", "list"))
        check(ask("trace", "on", "192.0.2.77/24") == "" and ask("trace", "on", "::1", "--for", "10m") == "", "on")
        shown = json.loads(ask_json("trace", "list"))
        check([t["client"] for t in shown] == ["192.0.2.0/24", "::1/128"], shown)
        check(3500 < shown[0]["left_seconds"] <= 3600 and 500 < shown[1]["left_seconds"] <= 600, shown)
        check(json.loads(ask_json("status"))["traced_clients"] == 2 and "2 traced" in ask("status"), ask("status"))
        check(ask("trace", "off", "::1") == "" and "192.0.2.0/24  for " in ask("trace", "list"), ask("trace", "list"))
        for words, status in ((("on", "host.example"), 1), (("on", "192.0.2.7/33"), 1), (("on", "192.0.2.7", "--for", "25h"), 1),
                              (("on", "192.0.2.7", "--for", "soon"), 2), (("on",), 2), (("off", "::1"), 1), (("off",), 2)):
            check(tarsier("trace", *words, "-f", CONF)[0] == status, words)
        for i in range(15):
            check(ask("trace", "on", "198.51.100.%d" % i) == "", "room for 16")
        status, out, err = tarsier("trace", "on", "198.51.100.99", "-f", CONF)
        check(status == 1 and "16 clients are traced already" in err, (status, err))
        check(ask("trace", "on", "198.51.100.3") == "", "one that is there may be prolonged")
        check(ask("trace", "off", "all") == "" and ask("trace", "list") == "no client is traced\n", "none is left")


@case
def reloads_and_waits_for_it():
    configure()
    with Daemon():
        out = ask("reload")
        check(out == "%s is in force, generation 2\n" % CONF or out.endswith("%s is in force, generation 2\n" % CONF), out)
        with open(CONF, "a") as conf:
            conf.write("racl greylst default\n")
        status, out, err = tarsier("reload", "--socket", CONTROL)
        check(status == 1 and "%s:7:6: error: " % CONF in out and "generation 2 stays in force" in err, (status, out, err))
        configure(extra='store "%s/elsewhere"\n' % DIR)
        out = ask("reload")
        check("`store` is not what it was: it needs a restart" in out, out)
        many = [Control() for _ in range(5)]
        for c in many:
            c.say("reload\n")
        ends = [c.ask("")[1] for c in many]
        check(ends == ["."] * 5, ends)
        for c in many:
            c.close()


@case
def rights_change_with_a_reload():
    if os.geteuid() != 0:
        print("# left out: only root can be somebody else")
        return

    def classes():
        c = Control()
        return [c.ask(text)[1] for text in ("status\n", "holds\n", "holds release 1\n", "reload\n")]

    nobody_held = "error refused nobody who is held now has the ID 1"
    denied = "error denied uid %d may not use %%s: it is of the class %%s" % STRANGER
    configure(extra='control metrics "%d"\ncontrol read "%d"\ncontrol change "%d"\n' % (GROUP, GROUP + 1, GROUP + 2))
    with Daemon():
        check(as_user(STRANGER, GROUP, [], classes) ==
              [".", denied % ("holds", "read"), denied % ("holds release", "change"), denied % ("reload", "change")], "metrics")
        check(as_user(STRANGER, GROUP + 1, [], classes)[:3] == [".", ".", denied % ("holds release", "change")], "read")
        check(as_user(STRANGER, GROUP + 2, [], classes) == [".", ".", nobody_held, "."], "change")
        configure(extra='control read "%d"\n' % GROUP)
        ask("reload")
        check(as_user(STRANGER, GROUP, [], classes)[:2] == [".", "."], "read now")
        check(as_user(STRANGER, GROUP + 2, [], lambda: Control().ask("status\n")[1]).startswith("error denied"), "nothing now")


@case
def checks_and_shows_as_tarsierd_does():
    configure()
    for words, option in ((["check"], "--check"), (["show", "config"], "--show-config")):
        mine = tarsier(*words, "-f", CONF)
        done = subprocess.run([TARSIERD, option, "-f", CONF], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        check(mine == (done.returncode, done.stdout, done.stderr) and mine[0] == 0, (mine, done))
    configure(rules="racl greylst default\n")
    status, out, err = tarsier("check", "-f", CONF)
    check(status == 1 and "error: " in err, (status, out, err))
    check(tarsier("show", "-f", CONF)[0] == 2 and tarsier("check", "x", "-f", CONF)[0] == 2, "usage")


# ---- history and stats ----


@case
def tells_what_was_decided():
    configure()
    shutil.rmtree(DIR + "/store", ignore_errors=True)
    with Daemon():
        check(verdict() == "y", "deferred")
        found = lambda: tarsier("history", "198.51.100.7", "-f", CONF)[0] == 0
        check(wait_for(found), "within a second it is in the journal")
        out = ask("history", "198.51.100.7")
        check("deferred, 30 min to go, line 6" in out and "<a@example.org> -> <b@example.net>" in out, out)
        check(json.loads(ask_json("history", "@example.org"))["what"] == "deferred", "JSON")
        status, out, err = tarsier("history", "203.0.113.1", "-f", CONF)
        check(status == 1 and "nothing is known of it" in err, (status, err))
        check(re.search(r"deferred +1 ", ask("stats")), "stats")
        check(json.loads(ask_json("stats", "--day", "today"))["recipients"] == {"deferred": 1}, "stats as JSON")
        for request in ("history\n", "history 192.0.2.0/99 0\n", "history a@b x\n", "stats 1\n", "stats 1 x\n"):
            check(Control().ask(request)[1].startswith("error "), request)
        for _ in range(20):
            c = Control()
            c.say("history 198.51.100.7 0\n")
            c.close()  # in the middle of it
        check(verdict(sender="<y@example.org>") == "y", "mail goes on")
    out = ask("history", "198.51.100.7")  # from the files
    check("<y@example.org>" in out, out)
    status, out, err = tarsier("history", "198.51.100.7", "--socket", CONTROL)
    check(status == 3, (status, err))
    shutil.rmtree(DIR + "/store")


@case
def goes_on_while_the_journals_disk_is_full():
    """A disk of its own, in a mount namespace: mail goes on, one message tells, and what is decided later is in the journal again."""
    if os.geteuid() != 0:
        print("# left out: only root can mount")
        return
    configure()
    journal = DIR + "/store/journal"
    os.mkdir(journal)
    mount = 'mount -t tmpfs -o size=16k,mode=700,uid=65534 none "$0" && exec "$@"'
    with Daemon(before=["unshare", "--mount", "sh", "-c", mount, journal]) as d:
        inside = "/proc/%d/root%s" % (d.process.pid, journal)
        status = lambda: json.loads(ask_json("status"))
        check(verdict(sender="<first@example.org>") == "y" and status()["journal_ok"] == 1, status())
        written = lambda who: "<%s@example.org>" % who in tarsier("history", "198.51.100.7", "-f", CONF)[1]
        check(wait_for(lambda: written("first")), "it is written")
        with open(inside + "/other", "wb", 0) as other:
            try:
                while other.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        n = 0
        while status()["journal_ok"] == 1 and n < 1000:  # to the end of the page that it has
            check(verdict(sender="<%d@example.org>" % n, recipient="<%s@example.net>" % ("b" * 200)) == "y", "mail goes on")
            n += 1
        check(status()["journal_ok"] == 0 and status()["journal_lost"] > 0, status())
        lost = "<%d@example.org>" % (n - 1)
        code, out, err = tarsier("status", "--check", "-f", CONF)
        check(code == 1 and "the journal cannot be written" in out, (code, out, err))
        check(re.search(r"^errors .*  journal [1-9]\d* rows lost NOW$", ask("status"), re.M), ask("status"))
        numbers = metrics()[0]
        check(numbers["tarsier_journal_up"] == 0 and numbers["tarsier_journal_lost_total"] > 0, numbers)
        for i in range(3):  # one after another: each is a write of its own
            before = status()["journal_lost"]
            check(verdict(sender="<more%d@example.org>" % i) == "y", "mail goes on")
            check(wait_for(lambda: status()["journal_lost"] > before), "it is tried again")
        told = [line for line in log().splitlines() if "journal: " in line]
        check(len(told) == 1 and "No space left on device; mail flows" in told[0], told)
        os.unlink(inside + "/other")
        check(verdict(sender="<last@example.org>") == "y", "mail goes on")
        check(wait_for(lambda: written("last")), "it is written again")
        check(written("first") and lost not in tarsier("history", "198.51.100.7", "-f", CONF)[1], "what was not written is not there")
        check(wait_for(lambda: "journal: written again; %d rows are lost" % status()["journal_lost"] in log()), log())
        check(status()["journal_ok"] == 1 and metrics()[0]["tarsier_journal_up"] == 1, status())
        check(tarsier("status", "--check", "-f", CONF)[0] == 0, "all is well")


# ---- allow ----


def verdict(**who):
    mta = Mta(**who)
    letter = mta.rcpt().hear()[0]
    mta.close()
    return letter


@case
def lets_in_by_hand():
    configure()
    with Daemon():
        check(ask("allow", "list") == "nobody is let in by hand\n", "an empty list")
        check(verdict() == "y", "deferred")
        out = ask("allow", "add", "198.51.100.0/24", "--for", "1h", "--reason", "a supplier, ticket 7")
        check(re.fullmatch(r"[0-9a-f]{12}  client=198.51.100.0/24\n", out), out)
        check(verdict() == "c" and verdict(address="203.0.113.7") == "y", "let in, and nobody else")
        check(wait_for(lambda: "skipping greylist because Allowed by an administrator" in log()), "the log says why")
        check("control: uid 0, process " in log() and "allow add client=198.51.100.0/24 for=3600" in log(), log())
        listed = ask("allow", "list")
        check("client=198.51.100.0/24" in listed and "for another" in listed and "supplier, ticket 7" in listed, listed)
        row = json.loads(ask_json("allow", "list"))
        check(row["client"] == "198.51.100.0/24" and row["reason"] == "a supplier, ticket 7" and row["until"] > time.time(), row)
        check(os.stat(DIR + "/store/allows").st_mode & 0o777 == 0o600, "mode 600")
        ask("allow", "remove", row["id"])
        check(verdict() == "y", "deferred again")
        status, out, err = tarsier("allow", "remove", row["id"], "-f", CONF)
        check(status == 1 and "no entry has the id" in err, (status, err))
        status, out, err = tarsier("allow", "add", "a@example.org", "-f", CONF)
        check(status == 0 and "whoever claims this sender is let in" in err and verdict() == "c", (status, out, err))
        for wrong in (["198.51.100.7/24"], [], ["client", "x.example"], ["name"], ["colour", "green"], ["x.example", "--for", "0"]):
            status, out, err = tarsier("allow", "add", *wrong, "-f", CONF)
            check(status == 2 and err, (wrong, status, err))
        rows, end = Control().ask("allow\\x20add\n")
        check(end.startswith("error usage"), end)
        check(Control().ask("allow add nonsense\n")[1].startswith("error refused a word is not of the form"), "no key")
        check(Control().ask("allow add for=5\n")[1].startswith("error refused the entry says neither"), "nobody")


@case
def lets_in_what_was_added_while_nobody_ran():
    configure()
    status, out, err = tarsier("allow", "add", "client", "198.51.100.7", "from", "a@example.org", "-f", CONF)
    check(status == 0 and "takes this over at its start" in err, (status, err))
    with Daemon() as d:
        check(verdict() == "c" and verdict(sender="<z@example.org>") == "y", "at the start")
        with open(DIR + "/store/allows", "a") as out:
            out.write("# by hand\nallow\tname=isp.example.net\nallow\tcolour=green\n")
        d.process.send_signal(signal.SIGHUP)
        check(wait_for(lambda: verdict(sender="<z@example.org>") == "c"), "after a reload")
        check(wait_for(lambda: "1 line is not understood, and kept" in log()), "what is not understood is told")
        os.remove(DIR + "/store/allows")
        os.mkdir(DIR + "/store/allows")
        d.process.send_signal(signal.SIGHUP)
        check(wait_for(lambda: "the list of before stays in force" in log()), log())
        check(verdict(sender="<z@example.org>") == "c", "what cannot be read changes nothing")
        status, out, err = tarsier("allow", "add", "192.0.2.1", "-f", CONF)
        check(status == 1 and "no regular file" in err, (status, err))
    shutil.rmtree(DIR + "/store")


@case
def changes_wait_for_each_other_and_nobody_waits_for_them():
    """Somebody holds the list's lock: a worker is left for what is asked meanwhile, and the changes follow in their order."""
    configure()
    with Daemon():
        ask("allow", "add", "192.0.2.1")
        asked = [Control() for _ in range(8)]
        with open(DIR + "/store/allows.lock") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            for i, who in enumerate(asked):
                who.say("allow add client=192.0.2.%d for=%d\n" % (10, 100 + i))
                check(wait_for(lambda: "for=%d" % (100 + i) in log()), "it has begun")
            check(Control().ask("history 192.0.2.1 0\n") == ([], "."), "the journal is read meanwhile")
            check(Control().ask("status\n")[1] == ".", "and all else is done")
        for who in asked:
            check(who.ask("")[1] == ".", "done")
        rows = Control().ask("allow list\n")[0]
        last = [row for row in rows if "192.0.2.10" in row]
        check(len(last) == 1 and int(last[0].split("\t")[2]) - int(last[0].split("\t")[3]) == 107, rows)
        check("until=%s" % last[0].split("\t")[2] in read(DIR + "/store/allows"), "the file says so, too")
    shutil.rmtree(DIR + "/store")


@case
def lists_by_hand_are_opened_as_the_daemons_user():
    """The directory is his: a link that he has put there shows him no file of root's."""
    configure()
    program.new_store(DIR + "/store")
    with open(DIR + "/secret", "w") as out:
        out.write("a secret of root's\n")
    os.chmod(DIR + "/secret", 0o600)
    os.symlink(DIR + "/secret", DIR + "/store/allows")
    status, out, err = tarsier("allow", "add", "192.0.2.1", "-f", CONF)
    if os.geteuid() == 0:
        check(status == 1 and "cannot read" in err, (status, out, err))
        check("secret" not in read(DIR + "/store/allows") or os.path.islink(DIR + "/store/allows"), "no copy of it")
        check(tarsier("allow", "list", "-f", CONF)[0] == 1, "nor a list")
    os.unlink(DIR + "/store/allows")
    shutil.rmtree(DIR + "/store")
    status, out, err = tarsier("allow", "add", "192.0.2.1", "-f", CONF)
    owner = os.stat(DIR + "/store/allows").st_uid
    check(status == 0 and (owner != 0 or os.geteuid() != 0), (status, err, owner))
    shutil.rmtree(DIR + "/store")


# What is on the command line, the last word being completed; and what is proposed.
COMPLETED = (
    (("sta",), ["stats", "status"]),
    (("status", "--c"), ["--check"]),
    (("grey", ""), ["delete", "flush", "list", "show"]),
    (("grey", "l"), ["list"]),
    (("grey", "list", "--j"), ["--json"]),
    (("grey", "flush", "--a"), ["--all"]),
    (("grey", "delete", "--a"), []),
    (("holds", "re"), ["release"]),
    (("holds", "--j"), ["--json"]),
    (("holds", "release", "--j"), []),
    (("show", ""), ["config"]),
    (("setup", "postfix", "--u"), ["--undo"]),
    (("restore", "--m"), ["--max-age"]),
    (("replay", "--w"), ["--warm-up"]),
    (("status", "--socket", "--j"), []),  # its argument
)


def completed_by_bash(*words):
    script = tarsier("completion", "bash")[1] + """
        COMP_WORDS=(tarsier "$@"); COMP_CWORD=$#; COMPREPLY=(); _tarsier; echo "${COMPREPLY[@]}" """
    done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True)
    return sorted(done.stdout.split()) if done.stderr == "" else done.stderr


def completed_by_zsh(*words):
    """Its helpers are played: what is told them is printed, and picked here as they would."""
    script = """
        _describe() { print -l -- "${(@P)2}"; }
        _arguments() { [[ "${words[CURRENT]}" == -* && "${words[CURRENT-1]}" != --socket ]] && print -l -- "$@"; }
        words=(tarsier "$@"); CURRENT=${#words}; set --
        """ + tarsier("completion", "zsh")[1]
    done = subprocess.run(["zsh", "-f", "-c", script, "zsh", *words], capture_output=True, text=True)
    offered = [re.split(r"[:\[]", line)[0] for line in done.stdout.splitlines() if not line.startswith("*")]
    return sorted(word for word in offered if word.startswith(words[-1])) if done.stderr == "" else done.stderr


@case
def completes_and_helps():
    status, out, err = tarsier("help")
    check(status == 0 and all(len(line) <= 80 for line in out.splitlines()), out)
    status, out, err = tarsier("help", "status")
    check(status == 0 and "--check" in out and "explain" not in out, out)
    for shell in ("bash", "zsh"):
        status, out, err = tarsier("completion", shell)
        check(status == 0 and "status" in out, (shell, out))
        if shutil.which(shell):
            done = subprocess.run([shell, "-n"], input=out, capture_output=True, text=True)
            check(done.returncode == 0 and done.stderr == "", (shell, done.stderr))
    for words, wanted in COMPLETED:
        check(completed_by_bash(*words) == wanted, ("bash", words, completed_by_bash(*words)))
        if shutil.which("zsh"):
            check(completed_by_zsh(*words) == wanted, ("zsh", words, completed_by_zsh(*words)))
    first = ["allow", "backup", "check", "completion", "detect", "explain", "export", "grey", "help", "history", "holds", "import", "judge",
             "metrics", "pause", "reload", "replay", "restore", "resume", "setup", "show", "stats", "status", "top", "trace", "version"]
    check(completed_by_bash("") == first, completed_by_bash(""))
    check(tarsier("completion", "fish")[0] == 2 and tarsier("completion")[0] == 2, "usage")


sys.exit(program.run(DIR, LOG, before_each=lambda: program.new_store(DIR + "/store")))
