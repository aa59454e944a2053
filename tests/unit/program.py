"""program.py - what the tests of whole programs share: cases as TAP, tarsierd as a process, and an MTA's side of the milter protocol.

A case is a function with @case; each failed check() makes it `not ok`. run() plays all of them. Knows no configuration.
"""

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

PATIENCE_SEC = 30  # for what should come at once, on a machine that is busy

_cases = []
_failures = []


def case(function):
    _cases.append(function)
    return function


def check(so, what):
    """Whether it is so; if not, the case has failed, and what is said is printed."""
    if not so:
        _failures.append(what)
        print("\n".join("# not so: %s" % line for line in str(what).splitlines()))
    return so


def directory(prefix, mode=0o755):
    """A new one for this test, which run() removes; the daemon's user may look into it."""
    path = tempfile.mkdtemp(prefix=prefix)
    os.chmod(path, mode)
    return path


def read(path):
    with open(path, errors="replace") as text:
        return text.read()


def wait_for(what, seconds=PATIENCE_SEC):
    """Whether what() becomes true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


def new_store(path):
    """An empty directory that is the daemon's user's."""
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path, 0o700)
    if os.geteuid() == 0:
        shutil.chown(path, "nobody")


class Daemon:
    """
    tarsierd in the foreground, with its log in a file of its own. `with` ends it by SIGTERM, and sees whether it ends well, unless
    it has ended before. before: a command that the daemon is an argument of, such as unshare(1).
    """

    def __init__(self, program, conf, log, *arguments, before=(), environment=None, ready=True):
        self.log_path = log
        open(log, "w").close()
        with open(log, "a") as out:
            self.process = subprocess.Popen([*before, program, "-f", conf, *arguments], stdin=subprocess.DEVNULL, stderr=out,
                                            env={**os.environ, **(environment or {})})
        if ready:
            check(wait_for(lambda: "listening at" in self.log() or self.process.poll() is not None), "it starts")

    def log(self):
        return read(self.log_path)

    def stop(self, number=signal.SIGTERM):
        """(exit status, seconds)"""
        begin = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SEC), time.monotonic() - begin

    def end(self):
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGCONT)
        try:
            status = self.stop()[0]
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        check(status == 0, "it ends well: " + self.log())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Milter:
    """A connection of an MTA, negotiated: as much of one as these cases need."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_SEC)
        self.socket.connect(path)
        self.say("O", struct.pack("!III", 6, 0x1FF, 0x1FFFFF))
        self.negotiated = self.hear()

    def say(self, command, body=b""):
        self.socket.sendall(struct.pack("!I", len(body) + 1) + command.encode() + body)

    def say_connect(self, name, address):
        host = name.encode()
        self.say("D", b"C_\0" + host + b"\0j\0mx.example.org\0{client_addr}\0" + address.encode() + b"\0")
        self.say("C", host + b"\0004" + struct.pack("!H", 1234) + address.encode() + b"\0")

    def take(self, n):
        got = b""
        while len(got) < n:
            part = self.socket.recv(n - len(got))
            if not part:
                return None
            got += part
        return got

    def hear(self):
        """The next reply that is not PROGRESS: (letter, body); None at the end."""
        while True:
            head = self.take(4)
            if head is None:
                return None
            packet = self.take(struct.unpack("!I", head)[0])
            if packet is None:
                return None
            if packet[:1] != b"p":
                return packet[:1].decode(), packet[1:]

    def expect(self, letter):
        got = self.hear()
        check(got is not None and got[0] == letter, "reply %s, got %r" % (letter, got))

    def close(self):
        self.socket.close()


def run(place, log=None, before_each=lambda: None):
    """
    Play all cases; place is removed in the end. log: whose last lines are shown where a case fails. One case does not take the others
    with it. Returns the exit status.
    """
    bad = 0
    try:
        for number, function in enumerate(_cases, 1):
            _failures.clear()
            try:
                before_each()
                function()
            except Exception as error:
                check(False, "%s: %s" % (type(error).__name__, error))
            bad += bool(_failures)
            print("%s %d - %s" % ("not ok" if _failures else "ok", number, function.__name__))
            if _failures and log and os.path.exists(log):
                print("".join("#     %s\n" % line for line in read(log).splitlines()[-20:]), end="")
            sys.stdout.flush()
        print("1..%d" % len(_cases))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return int(bad > 0)
