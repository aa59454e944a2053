#!/usr/bin/env python3
"""control_numbers.py - `tarsier status`, `metrics`, `history` and `stats`, against a running daemon.

    control_numbers.py TARSIERD TARSIER      TAP on standard output. Needs no root.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from control_rig import (CONF, CONTROL, DIR, HOLD, SOCKET, Control, Daemon, Mta, ask, ask_json, configure, log,
                         run, tarsier, verdict)
from program import case, check, wait_for

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


sys.exit(run())
