#!/usr/bin/env python3
"""control_holds.py - `tarsier holds` and `allow`, against a running daemon.

    control_holds.py TARSIERD TARSIER      TAP on standard output. Needs no root.
"""

import fcntl
import json
import os
import re
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import program
from control_rig import (CONF, DIR, HOLD, Control, Daemon, Mta, ask, ask_json, configure, held, log, pairs, run,
                         tarsier, verdict)
from program import case, check, read, wait_for

# ---- holds ----


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


# ---- allow ----


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


sys.exit(run())
