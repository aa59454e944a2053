#!/usr/bin/env python3
"""tarsierd.py - the program as a whole, on a unix socket in a directory of its own: start, reload, stop, and how it fails.

    tarsierd.py PROGRAM      TAP on standard output. Needs no root; as root the daemon becomes nobody.
"""

import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import program
from program import PATIENCE_SEC, case, check, read, wait_for

PROGRAM = sys.argv[1]
DIR = program.directory("tarsierd-")
SOCKET = DIR + "/run/sock"
LOG = DIR + "/log"
CONF = DIR + "/tarsier.conf"
RULES = 'racl whitelist addr 192.0.2.1\nracl greylist default delay 30m\n'

def configure(rules=RULES, extra=""):
    with open(CONF, "w") as out:
        out.write('listen "unix:%s"\nstore "%s/store"\nuser "nobody"\nholds unwatched hold\n%s%scontrol none\n' % (SOCKET, DIR, extra, rules))


def log():
    return read(LOG)


class Daemon(program.Daemon):
    def __init__(self, *arguments, **options):
        super().__init__(PROGRAM, CONF, LOG, "--postfix", DIR, *arguments, **options)


class Mta(program.Milter):
    def __init__(self):
        super().__init__(SOCKET)

    def rcpt(self, client="198.51.100.7"):
        """A dialogue up to RCPT without waiting for what may not be asked; the reply to it."""
        self.say_connect("dhcp-12-34.isp.example.net", client)
        self.expect("c")
        self.say("D", b"Mi\0ABC\0")
        self.say("M", b"<a@example.org>\0")
        self.expect("c")
        self.say("R", b"<b@example.net>\0")


def run(*arguments):
    done = subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=PATIENCE_SEC)
    return done.returncode, done.stdout, done.stderr


@case
def tells_usage_and_version():
    check(run("--version")[0] == 0 and re.match(r"tarsierd \d+\.\d+", run("--version")[1]), "version")
    check(run("--help")[0] == 0, "help")
    check(run("--nonsense")[0] == 2, "unknown option: 2")
    check(run("word")[0] == 2, "an argument too many: 2")


@case
def checks_without_touching_anything():
    configure()
    status, out, err = run("--check", "-f", CONF)
    check(status == 0 and "no errors" in out, (status, out, err))
    configure("racl greylist defautl\n")
    status, out, err = run("--check", "-f", CONF)
    check(status == 1 and re.search(re.escape(CONF) + r":5:\d+: error:", err), (status, err))
    check(run("--show-config", "-f", CONF)[0] == 1, "show-config of a file with an error")
    check(run("--check", "-f", DIR + "/missing")[0] == 1, "a missing file")
    including = DIR + "/including.conf"
    with open(including, "w") as f:
        f.write('include "%s/none.d/*.conf"\nracl greylist default\n' % DIR)
    status, out, err = run("--show-config", "-f", including)
    check(status == 0, "a pattern in a directory that is not there matches nothing: %s" % err)
    with open(including, "w") as f:
        f.write('include "%s/loop/*.conf"\nracl greylist default\n' % DIR)
    os.symlink("loop", DIR + "/loop")
    status, out, err = run("--show-config", "-f", including)
    check(status == 1 and "cannot look for" in err, "one that cannot be read is an error: %s" % err)
    configure()
    status, shown, err = run("--show-config", "-f", CONF)
    check(status == 0 and "greylist 30m" in shown, (status, err))
    with open(CONF, "w") as out:
        out.write(shown)
    again = run("--show-config", "-f", CONF)[1]
    strip = lambda text: re.sub(r"\s*#.*", "", text)
    check(strip(again) == strip(shown), "what it shows means the same")
    check(not os.path.exists(DIR + "/run") and not os.path.exists(DIR + "/store"), "nothing was made")


@case
def names_the_file_to_make_where_there_is_none():
    """An /etc and a /usr/local of our own need a mount namespace."""
    inside = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    inside += ["sh", "-c", 'mount -t tmpfs none /etc && mount -t tmpfs none /usr/local/share && exec "$@"', "sh"]
    if subprocess.run(inside + ["true"], stderr=subprocess.DEVNULL).returncode != 0:
        print("# left out: no mount namespace can be made here")
        return
    done = subprocess.run(inside + [PROGRAM, "--check"], stderr=subprocess.PIPE, text=True, timeout=PATIENCE_SEC)
    check(done.returncode == 1 and '"/etc/tarsier/tarsier.conf": not found' in done.stderr, (done.returncode, done.stderr))


@case
def says_the_same_at_the_check_and_at_the_start():
    gone = "%s/gone/away/sock" % DIR
    configure(extra='listen "unix:%s"\npidfile "%s/gone/pid"\n' % (gone, DIR))
    status, out, err = run("--check", "-f", CONF, "--postfix", DIR)
    errors = [line for line in err.splitlines() if ": error: " in line]
    check(status == 1 and out == "" and len(errors) == 2, (status, out, err))
    check(any("there is no directory %s/gone/away, and none above it" % DIR in line for line in errors), err)
    check(any(line.endswith("there is no directory %s/gone" % DIR) for line in errors), err)
    with Daemon(ready=False) as daemon:
        check(daemon.process.wait(PATIENCE_SEC) == 1, "it does not start")
        check(all(line in log() for line in errors) and "not started: %s has 2 errors" % CONF in log(), log())
    check(not os.path.exists(DIR + "/gone"), "nothing is made")


@case
def tells_notes_at_the_start_and_not_at_a_reload():
    configure(extra='nodetach\nlogfac local3\n')
    status, out, err = run("--check", "-f", CONF)
    check(status == 0 and "note: `nodetach`" in err and "warning: `logfac`" in err, (status, err))
    check(run("--check", "--quiet", "-f", CONF) == (0, "", ""), "--quiet says nothing of a file without an error")
    with Daemon() as daemon:
        check("note: `nodetach`" in log() and "warning: `logfac`" in log(), log())
        at = len(log())
        daemon.process.send_signal(signal.SIGHUP)
        check(wait_for(lambda: "generation 2" in log()), "it is reloaded")
        check("nodetach" not in log()[at:] and "warning: `logfac`" in log()[at:], log()[at:])
        daemon.stop()
    configure("racl greylist defautl\n")
    status, out, err = run("--check", "-q", "-f", CONF)
    check(status == 1 and "error:" in err, (status, out, err))


@case
def compares_its_networks_with_postfix():
    """A postconf of our own stands before any other: it prints a file, and what it was asked for into another one."""
    os.makedirs(DIR + "/bin")
    with open(DIR + "/bin/postconf", "w") as out:
        out.write('#!/bin/sh\necho "$@" > %s/asked\n. %s/answer\n' % (DIR, DIR))
    os.chmod(DIR + "/bin/postconf", 0o755)

    def compare(answer, *arguments):
        with open(DIR + "/answer", "w") as out:
            out.write(answer)
        environment = {**os.environ, "PATH": DIR + "/bin:" + os.environ["PATH"]}
        done = subprocess.run([PROGRAM, "--check", "-f", CONF, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=PATIENCE_SEC, env=environment)
        return done.returncode, done.stdout, done.stderr

    configure()
    lines = "network local { 203.0.113.0/24 }\n"
    lacks = "echo 'mynetworks = 127.0.0.0/8 203.0.113.0/24'\n"
    for form in (["--postfix", DIR], ["--postfix=" + DIR], ["--postfix", DIR, "-q"], ["-q", "--postfix", DIR]):
        status, out, err = compare(lacks, *form)
        check(status == 0 and out.endswith(lines) and ("no errors" in out) == ("-q" not in form), (form, status, out, err))
        with open(DIR + "/asked") as asked:
            check(asked.read() == "-c %s -x mynetworks relayhost relay_domains mydestination\n" % DIR, "what postconf is asked")
    status, out, err = compare(lacks, "--postfix", "-q")
    with open(DIR + "/asked") as asked:
        check(status == 0 and asked.read().startswith("-c /etc/postfix -x "), "without a directory: /etc/postfix")
    status, out, err = compare("echo 'mynetworks = 127.0.0.0/8'\n", "--postfix", DIR)
    check(status == 0 and out.endswith("nothing to add\n"), (status, out, err))
    configure(extra=lines)
    status, out, err = compare(lacks, "--postfix", DIR)
    check(status == 0 and out.endswith("nothing to add\n"), (status, out, err))
    status, out, err = compare(lacks)
    check(status == 0 and "nothing to add" not in out, "without --postfix nothing is compared: %s" % out)
    status, out, err = compare("echo ouch; echo 'fatal: no main.cf' >&2; exit 1\n", "--postfix", DIR)
    check(status == 1 and "postconf failed (exit status 1): fatal: no main.cf\n" in err and "ouch" not in out, (status, out, err))
    status, out, err = compare("kill -9 $$\n", "--postfix", DIR)
    check(status == 1 and "ended by signal 9" in err, (status, out, err))
    status, out, err = compare("while :; do echo 0123456789012345678901234567890123456789; done\n", "--postfix", DIR)
    check(status == 1 and "said too much" in err, (status, out[:200], err))
    check(run("--check", "-f", CONF, "--postfix", DIR, DIR)[0] == 2, "one directory is enough")


@case
def logs_objects_of_json():
    """Every line of the daemon's, with a decision's facts; the reload goes back to lines."""
    configure(extra="log format json\nnodetach\n")
    with Daemon(ready=False) as d:
        check(wait_for(lambda: "listening at" in log()), "it starts: " + log())
        mta = Mta()
        mta.rcpt()
        got = mta.hear()
        check(got and got[0] == "y" and got[1].startswith(b"451 "), got)
        check(wait_for(lambda: '"what":"deferred"' in log()), log())
        objects = [json.loads(line) for line in log().splitlines()]
        check(all({"time", "level", "message"} <= set(one) for one in objects), objects)
        check(all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", one["time"]) for one in objects), objects)
        check("`nodetach` has no job here" in objects[0]["message"] and objects[0]["level"] == "notice", objects[0])
        deferred = [one for one in objects if one.get("what") == "deferred"][0]
        for name, value in {
            "level": "info", "seconds": 1800, "address": "198.51.100.7", "name": "dhcp-12-34.isp.example.net",
            "sender": "<a@example.org>", "recipient": "<b@example.net>", "line": "8",
        }.items():
            check(deferred.get(name) == value, (name, deferred))
        check(" from <a@example.org> to <b@example.net> delayed for 00:30:00" in deferred["message"], deferred)
        check(deferred["message"].startswith(deferred["connection"]) or deferred["message"].startswith("ABC"), deferred)
        mta.close()
        configure()
        at = len(log())
        d.process.send_signal(signal.SIGHUP)
        check(wait_for(lambda: "generation 2" in log()), "it is reloaded")
        check(wait_for(lambda: re.search(r"^\d{4}-.* reload: .* generation 2$", log()[at:], re.M)), log()[at:])
        d.stop()


@case
def defers_reloads_and_stops():
    os.chmod(DIR, 0o777)
    configure(extra='pidfile "%s/pid"\n' % DIR)
    with open(DIR + "/master.cf", "w") as out:
        out.write("smtp inet n - y - 77 smtpd\n")
    with Daemon() as d:
        check(open(DIR + "/pid").read() == "%d\n" % d.process.pid, "the pid file")
        check("allows itself 77" in log(), "the MTA's limit")
        mta = Mta()
        check(mta.negotiated and mta.negotiated[0] == "O", mta.negotiated)
        mta.rcpt()
        got = mta.hear()
        check(got and got[0] == "y" and got[1].startswith(b"451 "), got)

        configure("racl greylist defautl\n")
        d.process.send_signal(signal.SIGHUP)
        check(wait_for(lambda: "stays in force" in log()), "an error is told")
        check(re.search(re.escape(CONF) + r":5:\d+: error:", log()), "with its place")
        mta = Mta()
        mta.rcpt()
        got = mta.hear()
        check(got and got[0] == "y" and got[1].startswith(b"451 "), "the old rules stay: %r" % (got,))

        configure("racl whitelist default\n", extra='pidfile "%s/other"\n' % DIR)
        d.process.send_signal(signal.SIGHUP)
        check(wait_for(lambda: "is in force, generation 2" in log()), "the new rules are in force")
        check("`pidfile` is not what it was" in log() and "`user` is not" not in log(), "what needs a restart is told")
        mta = Mta()
        mta.rcpt()
        got = mta.hear()
        check(got and got[0] in "ca", "the new rules: %r" % (got,))

        status, seconds = d.stop()
        check(status == 0 and seconds < 1.5, ("stopped", status, seconds))
    check(not os.path.exists(SOCKET), "the socket is removed")
    check(not os.path.exists(DIR + "/pid") or os.path.getsize(DIR + "/pid") == 0, "the pid file is removed")


@case
def a_reload_brings_the_first_child():
    """Each session needs more descriptors from then on; the child is asked at once what it wants."""
    os.chmod(DIR, 0o777)
    configure()
    child = socket.socket(socket.AF_UNIX)
    child.settimeout(10)
    child.bind(DIR + "/child")
    os.chmod(DIR + "/child", 0o777)
    child.listen(1)
    with Daemon() as d:
        configure(extra='filter "a" { connect "unix:%s/child"\n description "the first" }\n' % DIR)
        d.process.send_signal(signal.SIGHUP)
        connection, _ = child.accept()
        connection.settimeout(10)
        check(connection.recv(17) == struct.pack("!IcIII", 13, b"O", 6, 0x1FF, 0x1FFFFF), "what is offered")
        connection.sendall(struct.pack("!IcIII", 13, b"O", 6, 0, 0))
        check(connection.recv(5) == b"\0\0\0\1Q", "it is let go")
        check(wait_for(lambda: 'filter "a": answers at unix:' in log()), "and the log says so")
        check(re.search(r"reload: up to \d+ sessions now, it was", log()), "fewer sessions fit")
        connection.close()
        d.stop()
    child.close()


@case
def knows_what_it_knew_after_kill_9():
    configure()
    with Daemon() as d:
        mta = Mta()
        mta.rcpt("198.51.100.99")
        check(mta.hear()[1].startswith(b"451 "), "deferred")
        d.process.kill()
        d.process.wait()
    with Daemon() as d:
        check("with 0 records" not in log(), "the record is there: " + log())
        check(d.stop(signal.SIGINT)[0] == 0, "SIGINT ends it too")


@case
def answers_whoever_is_held_at_the_end():
    configure("racl whitelist tarpit 125s\nracl greylist default\n")
    with Daemon() as d:
        mta = Mta()
        mta.rcpt("198.51.100.8")
        time.sleep(0.3)
        status, seconds = d.stop()
        check(status == 0 and seconds < 1.5, ("stopped", status, seconds))
        got = mta.hear()
        check(got and got[0] == "y" and got[1].startswith(b"421 "), "421 to whoever is held: %r" % (got,))


@case
def lets_the_overload_go():
    configure(extra="sessions max 2\n")
    with Daemon() as d:
        held = [Mta(), Mta()]
        overload = Mta()
        overload.say("C", b"host.example.net\0004" + struct.pack("!H", 1) + b"192.0.2.9\0")
        overload.expect("a")
        check(wait_for(lambda: "are answered with the default" in log()), "and says so")
        overload.close()
        for mta in held:
            mta.close()
        check(wait_for(lambda: Mta().negotiated is not None), "room again")
        check(d.stop()[0] == 0, "stopped")


@case
def answers_more_than_the_overload_holds():
    configure(extra="sessions max 1\nfallback tempfail\n")
    with Daemon() as d:
        stay = [Mta() for _ in range(1 + 32 + 8)]
        for mta in stay[1:]:
            check(mta.negotiated is not None, "negotiated, though those before stay")
        command = b"C" + b"host.example.net\0004" + struct.pack("!H", 1) + b"192.0.2.9\0"
        frame = struct.pack("!I", len(command)) + command
        for at in range(len(frame)):  # as cut as can be
            stay[-1].socket.sendall(frame[at:at + 1])
        stay[-1].expect("t")
        check(d.stop()[0] == 0, "stopped")


@case
def makes_its_socket_again():
    configure()
    with Daemon() as d:
        mode = os.stat(os.path.dirname(SOCKET)).st_mode & 0o7777
        check(mode == 0o2750, "the directory hands its group on: %o" % mode)
        os.unlink(SOCKET)
        check(wait_for(lambda: os.path.exists(SOCKET)), "made again")
        check(wait_for(lambda: "the socket %s was removed: it is made again" % SOCKET in log()), "and says so")
        check(Mta().negotiated is not None, "it answers there")
        mode = os.stat(SOCKET).st_mode & 0o777
        check(mode == 0o660, "its mode: %o" % mode)
        check(d.stop()[0] == 0, "stopped")
        check(not os.path.exists(SOCKET), "and removed at the end")


@case
def listens_at_all_addresses_of_a_name():
    """A file of hosts of our own needs a mount namespace."""
    hosts = DIR + "/hosts"
    with socket.socket() as free:
        free.bind(("127.0.0.2", 0))
        port = free.getsockname()[1]
    with open(hosts, "w") as out:
        out.write("127.0.0.1 localhost\n127.0.0.2 milter.example\n127.0.0.3 milter.example\n127.0.0.2 milter.example\n")
    with open(CONF, "w") as out:
        out.write('listen "inet:%d@milter.example"\nstore "%s/store"\nuser "nobody"\n%s' % (port, DIR, RULES))
    inside = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    inside += ["sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
    if subprocess.run(inside + ["true"], stderr=subprocess.DEVNULL).returncode != 0:
        print("# left out: no mount namespace can be made here")
        return
    with Daemon(before=inside) as d:
        found = re.search(r"listening at ([^;]*);", log())
        want = ["inet:%d@127.0.0.%d" % (port, last) for last in (2, 3)]
        check(found and sorted(found.group(1).split(", ")) == want, "both, each once: %s" % (found and found.group(1)))
        for address in ("127.0.0.2", "127.0.0.3"):
            with socket.create_connection((address, int(port)), PATIENCE_SEC) as mta:
                mta.sendall(struct.pack("!I", 13) + b"O" + struct.pack("!III", 6, 0x1FF, 0x1FFFFF))
                check(mta.recv(1), "answered at " + address)
        check(d.stop()[0] == 0, "stopped")


@case
def refuses_to_start_twice():
    configure()
    with Daemon() as d:
        second = subprocess.run([PROGRAM, "-f", CONF, "--postfix", DIR], stderr=subprocess.PIPE, text=True, timeout=PATIENCE_SEC)
        check(second.returncode == 1 and "somebody listens" in second.stderr, second)
        check(Mta().negotiated is not None, "the first goes on")
        d.stop()


@case
def fails_with_a_reason():
    configure("racl nonsense\n")
    with Daemon(ready=False) as d:
        check(d.process.wait(PATIENCE_SEC) == 1, "an error in the configuration: 1")
        check("not started" in log() and re.search(r":5:\d+: error", log()), log())
    configure()
    with open(CONF, "a") as out:
        out.write('store "/nonexistent-for-sure/deeper"\n')
    with Daemon() as d:  # it serves without a store, and says so
        d.stop()
        check("/nonexistent-for-sure/deeper" in log() and "mail flows without the store" in log(), log())
        check("cannot be used at present" in log(), log())
    if os.geteuid() == 0:
        configure()
        text = open(CONF).read().replace('"nobody"', '"root"')
        with open(CONF, "w") as out:
            out.write(text)
        with Daemon(ready=False) as d:
            check(d.process.wait(PATIENCE_SEC) == 1 and "runs as root" in log(), "never root")


@case
def tells_the_service_manager():
    configure()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(DIR + "/notify")
        os.chmod(DIR + "/notify", 0o666)
        manager.settimeout(PATIENCE_SEC)
        with Daemon(environment={"NOTIFY_SOCKET": DIR + "/notify"}) as d:
            check(manager.recv(100) == b"READY=1", "ready")
            d.process.send_signal(signal.SIGHUP)
            check(manager.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC="), "reloading")
            check(manager.recv(100) == b"READY=1", "ready again")
            d.stop()
            check(manager.recv(100) == b"STOPPING=1", "stopping")


sys.exit(program.run(DIR, LOG, before_each=lambda: shutil.rmtree(DIR + "/store", ignore_errors=True)))
