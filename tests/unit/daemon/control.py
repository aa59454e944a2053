#!/usr/bin/env python3
"""control.py - the control socket, who may what, pause, reload, check, and completion, against a running daemon.

    control.py TARSIERD TARSIER      TAP on standard output. Needs no root.
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
from control_rig import (CONF, CONTROL, DIR, GROUP, HOLD, STRANGER, TARSIERD, Control, Daemon, Mta, as_user,
                         ask, ask_json, configure, held, log, pairs, run, tarsier)
from program import case, check, wait_for

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


sys.exit(run())
