"""control_rig.py - what the tests of the control socket share: a configuration, a daemon, the protocol by hand, a client that is held.

sys.argv: TARSIERD TARSIER. Needs no root; as root the daemon becomes nobody, and rights are tried.
"""

import json
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import program
from program import PATIENCE_SEC, check, read

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


def ask_json(*arguments):
    status, out, err = tarsier(*arguments, "--json", "-f", CONF)
    check(status == 0, (arguments, status, err))
    return out


HOLD = "racl whitelist tarpit 125s\nracl greylist default delay 30m\n"


def held():
    return json.loads(ask_json("holds"))


def verdict(**who):
    mta = Mta(**who)
    letter = mta.rcpt().hear()[0]
    mta.close()
    return letter


def run():
    """All cases of the file that calls it. Returns the exit status."""
    return program.run(DIR, LOG, before_each=lambda: program.new_store(DIR + "/store"))
