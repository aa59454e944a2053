#!/usr/bin/env python3
"""terminal.py - `tarsier top` on a terminal of tmux(1), against a running daemon.

    terminal.py TARSIERD TARSIER      TAP on standard output.
"""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import program
from program import PATIENCE_SEC, case, check, wait_for

TARSIERD, TARSIER = sys.argv[1:3]
DIR = program.directory("tarsier-top-")
SOCKET, CONTROL, LOG = (DIR + name for name in ("/run/sock", "/control/control", "/log"))
CONF, TMUX = DIR + "/tarsier.conf", DIR + "/tmux"

class Daemon(program.Daemon):
    def __init__(self):
        program.new_store(DIR + "/store")
        with open(CONF, "w") as out:
            out.write('listen "unix:%s"\nstore "%s/store"\nuser "nobody"\ncontrol "%s"\nholds unwatched hold\n'
                      "racl whitelist tarpit 900s\nracl greylist default delay 30m\n" % (SOCKET, DIR, CONTROL))
        super().__init__(TARSIERD, CONF, LOG, "--postfix", DIR)


class Mta(program.Milter):
    """A client that is held."""

    def __init__(self, name, sender="<a@shop.example>"):
        super().__init__(SOCKET)
        self.say_connect(name, "198.51.100.7")
        self.hear()
        self.say("M", sender.encode() + b"\0")
        self.hear()
        self.say("R", b"<b@example.net>\0")


class Screen:
    """A terminal of tmux with the command in it; `with` ends both."""

    def __init__(self, columns=80, rows=24):
        self.status = DIR + "/status"
        if os.path.exists(self.status):
            os.unlink(self.status)
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows),
                  "'%s' top -f '%s'; echo $? >'%s.new'; mv '%s.new' '%s'; echo AFTER; sleep 600"
                  % (TARSIER, CONF, self.status, self.status, self.status))

    def tmux(self, *words):
        # an empty configuration; and a C.UTF-8 that every Debian has
        return subprocess.run(["tmux", "-u", "-S", TMUX, "-f", "/dev/null", *words], capture_output=True, text=True,
                              env=dict(os.environ, LC_ALL="C.UTF-8", TERM="xterm"), timeout=PATIENCE_SEC).stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tmux("kill-server")

    def lines(self):
        return self.tmux("capture-pane", "-p").splitlines()

    def shows(self, pattern, what="the screen"):
        """Until it does."""
        so = wait_for(lambda: any(re.search(pattern, line) for line in self.lines()))
        check(so, "%s shows %s:\n%s" % (what, pattern, "\n".join(self.lines())))

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def ended(self):
        """Its exit status."""
        check(wait_for(lambda: os.path.exists(self.status)), "it ends:\n" + "\n".join(self.lines()))
        with open(self.status) as text:
            return int(text.read())


@case
def shows_who_is_held_and_lets_one_go():
    with Daemon(), Screen() as screen:
        screen.shows(r"  ENFORCING   held 0/50   smtpd 0")
        screen.shows("nobody is held")
        screen.shows(r"^(last \d+ s|/min)  passed 0  held 0  left 0  stayed 0  deferred 0")
        one, two = Mta("dhcp-1.isp.example.net"), Mta("dhcp-2.isp.example.net", sender="<\u65e5\u672c@shop.example>")
        screen.shows(r"held 2/50")
        screen.shows(r"^\d+:\d\d +dhcp-1\.isp\.example\.net\[198\.51\.100\.7\] .*<a@shop\.example>")
        screen.shows(r"^\d+:\d\d +dhcp-2\.isp\.example\.net\[198\.51\.100\.7\] .*<\u65e5\u672c@shop\.example>")
        screen.shows(r"^(last \d+ s|/min)  passed 0  held 2 ")
        screen.press("Home")
        screen.press("Down")
        chosen = two if "dhcp-2" in screen.lines()[4] else one
        name, other = ("dhcp-2", "dhcp-1") if chosen is two else ("dhcp-1", "dhcp-2")
        screen.shows(r"^%s\S+ <.*> -> <b@example\.net>; lin" % name, "all of the second one")
        screen.press("r")
        screen.shows(r"^Let %s.* in now, to <b@example\.net>\? \(y/n\)" % name)
        screen.press("n")
        screen.shows("^not released")
        screen.shows("held 2/50")
        screen.press("r")
        screen.shows(r"\(y/n\)")
        screen.press("y")
        check(chosen.hear()[0] == "c", "it is let in")
        screen.shows("^released s-")
        screen.shows("held 1/50")
        check(not any(re.match(r"\d+:\d\d +" + name, line) for line in screen.lines()), "it is gone from the list")
        screen.shows(r"^\d+:\d\d +" + other)
        screen.press("q")
        check(screen.ended() == 0, "it ends well")
        screen.shows("AFTER", "the terminal as it was")


@case
def goes_on_while_the_daemon_is_away():
    daemon = Daemon()
    with Screen() as screen:
        screen.shows("held 0/50")
        daemon.end()
        screen.shows("NO DAEMON")
        screen.shows(r"Trying again\.")
        with Daemon() as daemon:
            screen.shows("held 0/50", "the next daemon")
            daemon.process.send_signal(signal.SIGSTOP)
            screen.shows(r"tarsierd does not answer\. Trying again\.", "a daemon that is stuck")
            screen.press("q")
            check(screen.ended() == 0, "it ends well")


@case
def follows_the_size_of_the_terminal():
    with Daemon(), Screen() as screen:
        mta = Mta("a" * 60 + ".isp.example.net")
        screen.shows(r"^\d+:\d\d +a+\+ ")
        screen.tmux("resize-window", "-x", "160", "-y", "10")
        screen.shows(r"^\d+:\d\d +a{60}\.isp\.example\.net\[198\.51\.100\.7\] ", "a wide one")
        screen.tmux("resize-window", "-x", "40", "-y", "10")
        screen.shows(r"^\d+:\d\d +a{13}\+ ", "a narrow one")
        screen.shows(r"^a{40}$", "what is wrapped")
        screen.press("q")
        check(screen.ended() == 0, "it ends well")
        mta.socket.close()


def on_a_pty(term):
    """(exit status, what it says) with that TERM; None: unset."""
    parent, child = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "TERM"}
    if term is not None:
        environment["TERM"] = term
    done = subprocess.run([TARSIER, "top", "-f", CONF], stdin=child, stdout=child, stderr=subprocess.PIPE, text=True,
                          env=environment, timeout=PATIENCE_SEC)
    os.close(parent)
    os.close(child)
    return done.returncode, done.stderr


@case
def says_where_it_cannot():
    def run(*words):
        done = subprocess.run([TARSIER, "top", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=PATIENCE_SEC)
        return done.returncode, done.stdout + done.stderr

    with Daemon():
        status, said = run("-f", CONF)
        check(status == 1 and "not a terminal" in said, (status, said))
        for term, words in (("no-such-terminal", "no terminal that is known"), (None, "TERM is not set"),
                            ("dumb", "cannot move its cursor")):
            status, said = on_a_pty(term)
            check(status == 1 and said.startswith("tarsier top: ") and words in said, (term, status, said))
        check(run("now")[0] == 2, "usage")
    status, said = run("-f", CONF)
    check(status == 3 and "no tarsierd answers at" in said, (status, said))


@case
def ends_with_its_terminal():
    with Daemon():
        parent, child = pty.openpty()
        process = subprocess.Popen([TARSIER, "top", "-f", CONF], stdin=child, stdout=child, stderr=subprocess.DEVNULL,
                                   env=dict(os.environ, TERM="xterm"),
                                   preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        os.close(child)
        check(os.read(parent, 100), "it is on the screen")
        os.close(parent)
        try:
            process.wait(PATIENCE_SEC)
        except subprocess.TimeoutExpired:
            process.kill()
            check(False, "it goes on for nobody")


if not shutil.which("tmux"):
    print("1..0 # SKIP no tmux")
    sys.exit(0)
sys.exit(program.run(DIR, LOG))
