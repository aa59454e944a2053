#!/usr/bin/env python3
"""terminal.py - `tarsier top` on a terminal of tmux(1), against a running daemon.

    terminal.py TARSIERD TARSIER      TAP on standard output.
"""

import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

TARSIERD, TARSIER = sys.argv[1:3]
PATIENCE_SEC = 30
DIR = tempfile.mkdtemp(prefix="tarsier-top-")
os.chmod(DIR, 0o755)
SOCKET, CONTROL, LOG = (DIR + name for name in ("/run/sock", "/control/control", "/log"))
CONF, TMUX = DIR + "/tarsier.conf", DIR + "/tmux"

cases = []
failures = []


def case(function):
    cases.append(function)
    return function


def check(so, what):
    if not so:
        failures.append(what)
        print("\n".join("# not so: %s" % line for line in str(what).splitlines()))


def wait_for(what):
    end = time.monotonic() + PATIENCE_SEC
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


def log():
    with open(LOG) as text:
        return text.read()


class Daemon:
    def __init__(self):
        shutil.rmtree(DIR + "/store", ignore_errors=True)
        os.mkdir(DIR + "/store", 0o700)
        if os.geteuid() == 0:
            shutil.chown(DIR + "/store", "nobody")
        with open(CONF, "w") as out:
            out.write('listen "unix:%s"\nstore "%s/store"\nuser "nobody"\ncontrol "%s"\nholds unwatched hold\n'
                      "racl whitelist tarpit 900s\nracl greylist default delay 30m\n" % (SOCKET, DIR, CONTROL))
        open(LOG, "w").close()
        with open(LOG, "a") as out:
            self.process = subprocess.Popen([TARSIERD, "-f", CONF, "--postfix", DIR], stdin=subprocess.DEVNULL, stderr=out)
        check(wait_for(lambda: "listening at" in log() or self.process.poll() is not None), "it starts")

    def __enter__(self):
        return self

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
            check(self.process.wait(PATIENCE_SEC) == 0, "it ends well: " + log())

    def __exit__(self, *_):
        self.end()


class Mta:
    """A client that is held: as much of a milter client as that takes."""

    def __init__(self, name, sender="<a@shop.example>"):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_SEC)
        self.socket.connect(SOCKET)
        self.packet("O", struct.pack("!III", 6, 0x1FF, 0x1FFFFF))
        self.hear()
        self.packet("D", b"C_\0" + name.encode() + b"\0j\0mx.example.org\0{client_addr}\0" + b"198.51.100.7\0")
        self.packet("C", name.encode() + b"\0004" + struct.pack("!H", 1234) + b"198.51.100.7\0")
        self.hear()
        self.packet("M", sender.encode() + b"\0")
        self.hear()
        self.packet("R", b"<b@example.net>\0")

    def packet(self, command, body):
        self.socket.sendall(struct.pack("!I", len(body) + 1) + command.encode() + body)

    def take(self, n):
        got = b""
        while len(got) < n:
            part = self.socket.recv(n - len(got))
            if not part:
                raise EOFError("tarsierd has closed the connection")
            got += part
        return got

    def hear(self):
        """The next reply that is not PROGRESS: its letter."""
        while True:
            packet = self.take(struct.unpack("!I", self.take(4))[0])
            if packet[:1] != b"p":
                return packet[:1].decode()


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
        check(chosen.hear() == "c", "it is let in")
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


def main():
    if not shutil.which("tmux"):
        print("1..0 # SKIP no tmux")
        return 0
    for count, function in enumerate(cases, 1):
        del failures[:]
        try:
            function()
        except Exception as error:  # one case must not take the others with it
            failures.append(error)
            print("# %s: %s" % (type(error).__name__, error))
        print("%s %d - %s" % ("not ok" if failures else "ok", count, function.__name__))
        if failures and os.path.exists(LOG):
            print("".join("#     %s\n" % line for line in log().splitlines()[-15:]), end="")
        sys.stdout.flush()
    print("1..%d" % len(cases))
    shutil.rmtree(DIR)
    return 0


sys.exit(main())
