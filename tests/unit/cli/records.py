#!/usr/bin/env python3
"""records.py - `tarsier grey`, `export`, `import`, `backup` and `restore` as processes, without a daemon and beside one.

    records.py TARSIER TARSIERD [RECORDS]     TAP on standard output; as root or not. RECORDS: of the large store, 20000.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import program
from program import case, check

TARSIER, TARSIERD = sys.argv[1:3]
MANY = int(sys.argv[3]) if len(sys.argv) > 3 else 20000
DIR = program.directory("tarsier-", 0o777)  # the daemon's user makes its socket there
NOW = int(time.time())

def run(conf, *arguments, stdin=None):
    words = arguments[0].split() + ["-f", conf] + list(arguments[1:])
    done = subprocess.run([TARSIER, *words], input=stdin, capture_output=True, text=True, errors="replace", timeout=300)
    return done.returncode, done.stdout, done.stderr


def done(conf, *arguments, stdin=None):
    status, out, err = run(conf, *arguments, stdin=stdin)
    check(status == 0, (arguments, status, out, err))
    return out


def state(name, store=None):
    """A configuration whose store is empty."""
    path = "%s/%s.conf" % (DIR, name)
    with open(path, "w") as conf:
        conf.write('listen "unix:%s/%s.sock"\nstore "%s"\ncontrol "%s/%s.control"\nuser "nobody"\n'
                   'racl greylist default\n' % (DIR, name, store or "%s/%s" % (DIR, name), DIR, name))
    return path


def record(i, **more):
    r = {"type": "tuple", "client": "192.0.%d.%d" % (i // 200 % 200, i % 200), "sender": "<s%d@shop.example>" % i,
         "recipient": "<r@example.net>", "first_seen": NOW - 7200, "expires": NOW + 86400}
    return dict(r, **more)


def lines(records):
    return "".join(json.dumps(r) + "\n" for r in records)


SOME = [
    record(1),
    record(2, auto=True, auto_since=NOW - 60),
    record(3, sender="<x@%s.example>" % ("long-name." * 8 + "z"), recipient="<y@%s.example>" % ("n" * 60)),
    {"type": "pair", "client": "2001:db8::7", "domain": "bulk.example", "sender": "shop.example", "auto": True,
     "first_seen": NOW - 90000, "expires": NOW + 3600, "auto_since": NOW - 90000},
    {"type": "client", "client": "192.0.0.9", "first_seen": NOW - 60, "expires": NOW + 9000, "left_sec": 30,
     "left_until": NOW + 9000},
]


def exported(conf, *arguments):
    """The records of an export: not its first and last line, and in no order."""
    out = done(conf, "export", *arguments).splitlines()
    first, last = json.loads(out[0]), json.loads(out[-1])
    check(first["tarsier"] == 1 and last["records"] == len(out) - 2, (first, last, len(out)))
    return sorted(out[1:-1])


class Daemon(program.Daemon):
    def __init__(self, conf):
        super().__init__(TARSIERD, conf, conf + ".log")


# ---- grey ----


@case
def lists_shows_and_deletes():
    conf = state("grey")
    check(done(conf, "import", "-", stdin=lines(SOME)).startswith("-: 5 records; 5 records added"), "import")
    out = done(conf, "grey list")
    check(out.count("\n") == 12, out)
    check("passed" in out and "any sender of shop.example" in out, out)
    check(re.search(r"pending +2h +2[34]h  192\.0\.0\.1\n", out), out)  # a second may have passed
    check("z.example" in out and "n.example" in out, out)
    rows = [json.loads(r) for r in done(conf, "grey list", "--json", "--network", "192.0.0.0/24").splitlines()]
    check(len(rows) == 4 and all(r["client"].startswith("192.0.0.") for r in rows), rows)
    out = done(conf, "grey show", "192.0.0.9")
    check("192.0.0.9  left" in out and "hung up     after 30 s" in out, out)
    check(run(conf, "grey list", "--sender", "nobody@*")[0] == 1, "nothing is found")
    check(run(conf, "grey list", "--state", "odd")[0] == 2, "no such state")
    check(run(conf, "grey delete")[0] == 2 and run(conf, "grey flush")[0] == 2, "what?")
    check(run(conf, "grey delete", "--all")[0] == 2, "--all is not for delete")
    check(run(conf, "grey flush", "--all", "192.0.2.1")[0] == 2, "--all is every record")
    check(run(conf, "grey flush", "--all", *["192.0.2.1"] * 30)[0] == 2, "as many words as there is room for, and --all")
    check(done(conf, "grey delete", "--state", "pending", "--older", "1h") == "2 records deleted\n", "delete")
    check(len(exported(conf)) == 3, "three are left")
    check(done(conf, "grey flush", "2001:db8::/32") == "1 record deleted\n", "flush a network")
    check(done(conf, "grey flush", "--all") == "2 records deleted\n", "flush")
    check(exported(conf) == [], "none is left")


@case
def nothing_is_where_no_store_is():
    conf = state("missing")
    status, out, err = run(conf, "grey list")
    check(status == 1 and "there is no store" in err, (status, err))
    conf = state("memory", "memory:")
    for command in "grey list", "export", "import", "grey flush":
        more = {"import": ["-"], "grey flush": ["--all"]}.get(command, [])
        status, out, err = run(conf, command, *more)
        check(status in (1, 3) and "no tarsierd answers" in err, (command, status, err))
    for command in "backup", "restore":
        status, out, err = run(conf, command, DIR + "/x")
        check(status == 1 and "nobody but tarsierd" in err, (command, err))


# ---- from host to host ----


@case
def export_and_import_are_idempotent():
    one, two = state("one"), state("two")
    done(one, "import", "-", stdin=lines(SOME))
    text = done(one, "export")
    check("5 records added" in done(two, "import", "-", stdin=text), "added")
    check("0 records added, 0 changed" in done(two, "import", "-", stdin=text), "known")
    check(exported(one) == exported(two), "alike")
    recent = exported(one, "--since", "1h")  # let in a minute ago, and hung up
    check(len(recent) == 2 and '"client":"192.0.0.2"' in recent[1], recent)
    dump = done(one, "export", "--dump")
    three = state("three")
    check("2 greylisted, 1 auto-whitelisted" in done(three, "import", "-", stdin=dump), dump)
    check(len(exported(three)) == 3, "three tuples")


@case
def says_which_line_is_bad():
    conf = state("bad")
    status, out, err = run(conf, "import", "-", stdin=lines(SOME[:2]) + '{"type":"tuple","client":"nobody"}\n')
    check(status == 0 and "2 records added" in out and "line 3: client is no address" in out, (status, out, err))
    text = done(conf, "export")
    status, out, err = run(conf, "import", "-", stdin=text[: len(text) // 2])
    check(status == 1 and "the end is missing" in out, (status, out, err))
    status, out, err = run(conf, "import", "-", stdin=text.replace('"tarsier":1', '"tarsier":7'))
    check(status == 1 and "another version" in out, (status, out, err))
    check(run(conf, "import", DIR)[0] == 1 and run(conf, "import", DIR + "/none")[0] == 1, "no file")


@case
def reads_and_changes_beside_a_daemon():
    for conf in state("beside"), state("forgetful", "memory:"):
        control = conf.replace(".conf", ".control")
        with Daemon(conf) as daemon:
            out = done(conf, "import", "-", stdin=lines(SOME))
            check("5 records added, 0 changed" in out, out)
            check("0 records added, 0 changed" in done(conf, "import", "-", stdin=lines(SOME)), "twice is once")
            for way in [], ["--socket", control]:
                check(len(exported(conf, *way)) == 5, "five")
                check("passed" in done(conf, "grey list", *way), "list")
                check("hung up     after 30 s" in done(conf, "grey show", *way, "192.0.0.9"), "show")
                check(len(exported(conf, *way, "--since", "1h")) == 2, "since")
            check(run(conf, "grey list", "--socket", control, "--sender", "nobody@*")[0] == 1, "nothing is found")
            check(done(conf, "grey delete", "--state", "pending") == "2 records deleted\n", "delete")
            check(done(conf, "grey flush", "192.0.0.0/24") == "2 records deleted\n", "flush")
            check(done(conf, "grey flush", "--all") == "1 record deleted\n", "flush all")
            check(exported(conf) == [], "nothing is left")
            many = [record(i, recipient='<"%d\\\\"@example.net>' % i) for i in range(1200)]
            check("1200 records added" in done(conf, "import", "-", stdin=lines(many)), "many")
            check(len(exported(conf, "--socket", control)) == 1200, "many come back")
            long = record(1, recipient="<%s@example.net>" % ("x" * 5000))
            status, out, err = run(conf, "import", "-", stdin=lines([long]))
            check(status == 1 and "1 are too long for the daemon" in out, (status, out, err))
        told = [line.split("control: ")[1] for line in daemon.log().splitlines() if ": import" in line]
        check([re.sub(r"process \d+", "process P", line) for line in told] ==
              ["uid %d, process P: import, %d items" % (os.geteuid(), n) for n in (5, 5, 1200)], ("once each, and nobody's name", told))
        check(" records deleted by user %d" % os.geteuid() in daemon.log() and "state=pending" in daemon.log(), daemon.log())


def explained(conf, *more, client="mail.shop.example 192.0.0.7", sender="s7@shop.example"):
    return done(conf, "explain", *more, *client.split(), sender, "r@example.net")


@case
def explain_judges_with_the_daemons_records():
    """Those that the daemon itself would be answered on, whoever made them; and the same verdict."""
    pair = {"type": "pair", "client": "198.51.100.3", "domain": "example.com", "sender": "shop.example", "auto": True,
            "first_seen": NOW - 90000, "expires": NOW + 86400, "auto_since": NOW - 3 * 86400 - 60}
    for conf in state("known"), state("known-memory", "memory:"):
        with open(conf, "a") as out:
            out.write("subnetmatch /24\nhostkey domain\n"
                      "filter \"greylist\" {\n    builtin greylist\n    when remote and not helo_confirmed\n}\n")
        control = conf.replace(".conf", ".control")
        with Daemon(conf):
            done(conf, "import", "-", stdin=lines([
                record(9, sender="<s7@shop.example>"), record(2), record(7, client="192.0.1.7"), pair,
                {"type": "client", "client": "192.0.0.7", "first_seen": NOW - 60, "expires": NOW + 9000, "left_sec": 30,
                 "left_until": NOW + 9000},
                {"type": "proof", "domain": "example.net", "proved": " ".join("203.0.113.%d@%d" % (n, NOW) for n in range(3)),
                 "client": "203.0.113.0", "first_seen": NOW - 60, "expires": NOW + 9000}]))
            out = explained(conf)
            check("verdict     deferred" in out and "record" not in out, "nothing is asked for: " + out)
            out = explained(conf, "--records", client="unknown 192.0.0.7")
            rows = [line for line in out.splitlines() if line.startswith("record ")]
            check(len(rows) == 2 and all(len(line) <= 80 for line in rows), out)
            check(rows[0].startswith("record      pending   192.0.0.0/24, first seen 2 h ago, ends in 2"), rows)
            check(rows[1].startswith("record      left      192.0.0.7, ") and "hung up after 30 s" in rows[1], rows)
            check("verdict     let in" in out, "its delay is over: " + out)
            out = explained(conf, "--records", "--socket", control, "--helo", "MAIL.Example.net", client="mta.example.com 198.51.100.9")
            check("verdict     let in" in out, out)
            check("record      pair      example.com, senders of shop.example, let in 3 d ago, ends in 23 h\n" in out or
                  "record      pair      example.com, senders of shop.example, let in 3 d ago, ends in 24 h\n" in out, out)
            check("record      proof     example.net, has proved 3 of 16 clients" in out, out)
            out = explained(conf, "--records", sender="else@other.example", client="unknown 203.0.113.7")
            check("record      none for 203.0.113.7\n" in out and "verdict     deferred" in out, out)
            told = json.loads(explained(conf, "--records", "--json", client="unknown 192.0.0.7"))
            check([r["type"] for r in told["records"]] == ["tuple", "client"] and told["verdict"] == "let in", told)
            check(told["records"][0]["client"] == "192.0.0.9", told)
            check("records" not in json.loads(explained(conf, "--json")), "not asked for")
            for words, why in [("explain client=192.0.2.7 sender=<> recipient=<b>", "a word is none of"),
                               ("explain client=192.0.2.7/24 sender=<> pairs", "must be there"),
                               ("explain client=192.0.2.7/33 sender=<> recipient=<b>", "a word is none of"),
                               ("explain", "takes 3 to 7 words")]:
                stream = ask(conf, words + "\n")
                text = stream.makefile().readline()
                check(text.startswith("error ") and why in text, (words, text))
                stream.close()
        status, out, err = run(conf, "explain", "--records", "unknown", "192.0.0.7", "a@b.example", "r@example.net")
        check(status == 3 and out == "" and "no tarsierd answers" in err, (status, out, err))
    for more, why in [(["--records", "--state", "let in"], "--records asks for what --state says"),
                      (["--socket", control], "--socket is where --records asks")]:
        status, out, err = run(conf, "explain", *more, "unknown", "192.0.0.7", "a@b.example", "r@example.net")
        check(status == 2 and why in err, (status, err))


@case
def two_hosts_tell_each_other():
    """tarsier export --since 1h | ssh mx2 tarsier import -, in both directions, between two running daemons."""
    one, two = state("mx1"), state("mx2", "memory:")
    controls = [conf.replace(".conf", ".control") for conf in (one, two)]
    with Daemon(one), Daemon(two):
        done(one, "import", "-", stdin=lines(SOME))
        news = done(one, "export", "--socket", controls[0], "--since", "1h")
        check("2 records added, 0 changed" in done(two, "import", "-", stdin=news), news)
        check("0 records added, 0 changed" in done(two, "import", "-", stdin=news), "again: all is known")
        back = done(two, "export", "--socket", controls[1], "--since", "1h")
        check("0 records added, 0 changed" in done(one, "import", "-", stdin=back), "and back: all is known")
        check(exported(two) == exported(one, "--since", "1h"), "alike")


@case
def a_backup_is_made_beside_a_daemon():
    conf = state("held")
    done(conf, "import", "-", stdin=lines(SOME))
    with Daemon(conf):
        done(conf, "backup", DIR + "/held.backup")
        status, out, err = run(conf, "restore", DIR + "/held.backup")
        check(status == 1 and "in use: stop tarsierd first" in err, (status, err))
        check(not [n for n in os.listdir(DIR + "/held") if n.startswith("before")], "nothing was put aside")


# ---- backup ----


@case
def a_backup_becomes_the_store():
    conf = state("kept")
    done(conf, "import", "-", stdin=lines(SOME))
    files = {"allows": b"192.0.2.1 # caf\xc3\xa9 \xff\n\nx\n", "pause": b"1\n", "journal/statistics": b"5 passed=1\n"}
    for name, content in files.items():
        path = "%s/kept/%s" % (DIR, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.chown(os.path.dirname(path), *((os.stat(DIR + "/kept").st_uid,) if os.geteuid() == 0 else (None, os.getegid())))
        with open(path, "wb") as out:
            out.write(content)
        if os.geteuid() == 0:
            os.chown(path, os.stat(DIR + "/kept").st_uid, -1)
    backup = DIR + "/kept.backup"
    before = exported(conf)
    status, out, err = run(conf, "backup", backup)
    check(status == 0 and "5 records, 5 lines of other files" in err, (status, err))
    check(os.stat(backup).st_mode & 0o777 == 0o600, "rights")
    with open(backup) as text:
        whole = text.read()
    done(conf, "grey flush", "--all")
    done(conf, "import", "-", stdin=lines([record(77)]))
    for name in files:
        os.unlink("%s/kept/%s" % (DIR, name))
    out = done(conf, "restore", backup)
    check("5 records added" in out and "before-restore-" in out, out)
    check(exported(conf) == before, "as it was")
    for name, content in files.items():
        with open("%s/kept/%s" % (DIR, name), "rb") as got:
            check(got.read() == content, name)
    aside = [n for n in os.listdir(DIR + "/kept") if n.startswith("before-restore-")]
    check(len(aside) == 1 and "data.mdb" in os.listdir("%s/kept/%s" % (DIR, aside[0])), aside)
    # and what is no backup, or an old one, touches nothing
    head, rest = whole.split("\n", 1)
    made = json.loads(head)["made"]
    at = ['"made":%d' % t for t in (made, made - 8 * 86400, made + 86400)]
    for bad, why in [
        (whole[: whole.index("\n", len(whole) // 2) + 1], "the end is missing"),
        (rest, ":1: the first line of a backup is not there"),
        (whole.replace('"records":5', '"records":6'), "records are missing"),
        (whole.replace("192.0.0.2", "192.0.0.999", 1), "client is no address"),
        (whole + "{}\n", "neither a record"),
        (whole.replace(at[0], at[1]), "older than a restore takes"),
        (whole.replace(at[0], at[2]), "made in the future"),
        (whole.replace('"tarsier":1', '"tarsier":2'), "another version"),
        (whole.replace('"part":"pause"', '"part":"pose"'), "a part that this version does not know"),
    ]:
        with open(DIR + "/bad.backup", "w") as out:
            out.write(bad)
        status, out, err = run(conf, "restore", DIR + "/bad.backup")
        check(status == 1 and why in err, (why, status, out, err))
    check(exported(conf) == before, "still as it was")
    with open(DIR + "/bad.backup", "w") as out:
        out.write(whole.replace(at[0], at[1]))
    done(conf, "restore", "--max-age", "30d", DIR + "/bad.backup")
    status, out, err = run(conf, "backup", DIR + "/no/such/file")
    check(status == 1 and "No such file" in err, (status, err))


# ---- many ----


@case
def a_reader_that_dies_hurts_nobody():
    conf = state("many")
    done(conf, "import", "-", stdin=lines(record(i, sender="<s%d@shop.example>" % i) for i in range(MANY)))
    control = ["--socket", conf.replace(".conf", ".control")]
    with Daemon(conf):
        for command in ["grey", "list"], ["export"], ["grey", "list", *control], ["export", *control]:
            reader = subprocess.Popen([TARSIER, *command, "-f", conf], stdout=subprocess.PIPE)
            for _ in range(10):
                reader.stdout.readline()
            reader.stdout.close()
            reader.wait(timeout=60)
        for way in [], control:
            killed = subprocess.Popen([TARSIER, "export", "-f", conf, *way], stdout=subprocess.PIPE)
            killed.stdout.readline()
            killed.kill()
            killed.stdout.close()
            killed.wait()
            check(len(exported(conf, *way)) == MANY, "all of them")
        out = done(conf, "grey list", "--json", "--sender", "s%d@*" % (MANY - 1))
        check(out.count("\n") == 1, out)


def ask(conf, request):
    s = socket.socket(socket.AF_UNIX)
    s.connect(conf.replace(".conf", ".control"))
    s.sendall(request.encode())
    return s


def answer(stream):
    """Lines until the end of one reply."""
    got = []
    for line in stream:
        got.append(line.decode().rstrip("\n"))
        if got[-1] == "." or got[-1].startswith("error "):
            break
    return got


@case
def a_slow_reader_stops_his_listing_alone():
    conf = state("slow")
    done(conf, "import", "-", stdin=lines(record(i) for i in range(MANY)))
    with Daemon(conf):
        slow = ask(conf, "grey list\n")
        first = slow.recv(10000)  # and now he pauses: what the kernel and the daemon hold is full
        mta = program.Milter(DIR + "/slow.sock")
        mta.say_connect("mail.good.example", "203.0.113.7")
        mta.expect("c")
        mta.say("M", b"<a@good.example>\0")
        mta.expect("c")
        mta.say("R", b"<b@example.net>\0")
        mta.expect("y")  # deferred: mail goes on
        mta.close()
        check(done(conf, "grey delete", "--sender", "s%d@*" % (MANY - 1)) == "1 record deleted\n", "delete")
        check("1 records added" in done(conf, "import", "-", stdin=lines([record(MANY)])), "import")
        check(done(conf, "grey flush", "--all") == "%d records deleted\n" % (MANY + 1), "flush")
        stream = slow.makefile("rb")
        rest = answer(stream)
        check(rest[-1] == "." and len(rest) < MANY, (len(rest), rest[-1:]))
        check(first.startswith(b'{"type":"tuple"'), first[:99])
        # the same connection goes on
        slow.sendall(b"grey list\ngrey delete\ngrey list colour=red\nimport {}\nimport x y\n")
        check(answer(stream)[-1] == ".", "nothing is left")
        for wanted in "which records", "there is no filter of this name", "record 1: neither a record", "record 1: does not begin":
            line = answer(stream)[-1]
            check(line.startswith("error refused ") and wanted in line, line)
        slow.close()


@case
def who_hangs_up_in_the_middle_hurts_nobody():
    conf = state("gone")
    done(conf, "import", "-", stdin=lines(record(i) for i in range(MANY)))
    with Daemon(conf):
        for i in range(100):
            request = ["grey list\n", "grey delete sender=nobody@*\n", "grey list\ngrey list\n",
                       "import %s\n" % json.dumps(record(i), separators=(",", ":"))][i % 4]
            try:
                s = ask(conf, request)
                if i % 3 == 0:
                    s.recv(1)
                s.close()
            except (BrokenPipeError, ConnectionResetError):
                pass  # sixteen that went are not noticed yet
        status, err = 1, "too many connections"
        while status == 1 and "too many connections" in err:  # until the last ones are noticed
            status, out, err = run(conf, "export", "--socket", conf.replace(".conf", ".control"))
        check(status == 0 and out.count("\n") == MANY + 2, (status, err))


sys.exit(program.run(DIR))
