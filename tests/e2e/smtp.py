"""smtp.py - an SMTP client that can misbehave: every byte, pause, FIN and RST is the caller's.

Knows TCP and the form of SMTP replies. Knows nothing of the lab, of Postfix or of tarsier.
"""

import socket
import ssl
import struct
import time
from typing import NamedTuple

# linux/in.h, linux/in6.h: bind to an address that no interface has (the lab routes whole networks to itself).
IP_FREEBIND = 15
IPV6_FREEBIND = 78


class Reply(NamedTuple):
    """One SMTP reply. code 0: the server closed, -1: it reset, -2: nothing came in time."""

    code: int
    text: str  # all lines, joined by "\n", with their codes
    sec: float  # from the last byte we sent to the end of the reply

    def __str__(self):
        return "%s (after %.2f s)" % (self.text, self.sec)


class Client:
    """One connection. log is called with ("C"|"S"|"-", text) for everything that happens."""

    def __init__(self, source, server="192.0.2.25", port=25, source_port=0, log=None, greet=True):
        self.log = log or (lambda who, text: None)
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        self.sock = socket.socket(family)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            self.sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        else:
            self.sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.bind((source, source_port))
        self.sock.settimeout(20)
        self.sock.connect((server, port))
        self.source, self.source_port = self.sock.getsockname()[:2]
        self.buffer = b""
        self.sent = time.monotonic()
        self.log("-", "connected from %s port %d" % (self.source, self.source_port))
        self.greeting = self.reply() if greet else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def reply(self, timeout=60):
        """Wait for one whole reply."""
        lines = []
        end = time.monotonic() + timeout
        while True:
            line, newline, rest = self.buffer.partition(b"\n")
            if newline:
                self.buffer = rest
                text = line.decode("latin-1").rstrip("\r")
                lines.append(text)
                self.log("S", text)
                if text[3:4] != "-":
                    code = int(text[:3]) if text[:3].isdigit() else 0
                    return self._reply(code, lines)
                continue
            self.sock.settimeout(max(0.01, end - time.monotonic()))
            try:
                data = self.sock.recv(65536)
            except (socket.timeout, ssl.SSLWantReadError):
                self.log("-", "no reply in %g s" % timeout)
                return self._reply(-2, lines + ["(no reply)"])
            except OSError as error:
                self.log("-", "connection lost: %s" % error)
                return self._reply(-1, lines + ["(reset)"])
            if not data:
                self.log("-", "the server closed")
                return self._reply(0, lines + ["(closed)"])
            self.buffer += data

    def _reply(self, code, lines):
        return Reply(code, "\n".join(lines), time.monotonic() - self.sent)

    def send(self, data):
        """Send bytes (or text) as they are."""
        if isinstance(data, str):
            data = data.encode("latin-1")
        for line in data.decode("latin-1").split("\r\n"):
            if line:
                self.log("C", line)
        self.sock.settimeout(20)
        self.sock.sendall(data)
        self.sent = time.monotonic()

    def command(self, line, timeout=60):
        self.send(line + "\r\n")
        return self.reply(timeout)

    def ehlo(self, name="client.example.org"):
        return self.command("EHLO " + name)

    def rcpt(self, recipient, timeout=60):
        return self.command("RCPT TO:<%s>" % recipient, timeout)

    def mail(self, sender):
        return self.command("MAIL FROM:<%s>" % sender)

    def data(self, subject, body="A short text.\r\n"):
        """DATA and the message; the reply to the final dot, or to DATA when that is refused."""
        go = self.command("DATA")
        if go.code != 354:
            return go
        self.send(message(subject, body) + ".\r\n")
        return self.reply()

    def open(self, sender="a@example.org"):
        """EHLO and MAIL; for the many cases in which only RCPT is of interest."""
        self.ehlo()
        return self.mail(sender)

    def starttls(self):
        """STARTTLS without verification; afterwards everything goes through TLS."""
        go = self.command("STARTTLS")
        if go.code == 220:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.sock.settimeout(20)
            self.sock = context.wrap_socket(self.sock)
            self.log("-", "TLS: " + self.sock.version())
        return go

    def quit(self):
        answer = self.command("QUIT")
        self.sock.close()
        return answer

    def fin(self):
        """Hang up politely: the server sees the end of the stream."""
        self.log("-", "client hangs up (FIN)")
        self.sock.close()

    def half_close(self):
        self.log("-", "client closes its sending half")
        self.sock.shutdown(socket.SHUT_WR)

    def rst(self):
        """Hang up rudely: the server's socket vanishes."""
        self.log("-", "client hangs up (RST)")
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def message(subject, body="A short text.\r\n"):
    return "From: <a@example.org>\r\nTo: <b@example.net>\r\nSubject: %s\r\n\r\n%s" % (subject, body)


def dialogue(sender, recipient, subject, bdat=False):
    """A whole session as one string, for clients that send without listening."""
    text = "EHLO client.example.org\r\nMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\n" % (sender, recipient)
    body = message(subject)
    if bdat:
        return text + "BDAT %d LAST\r\n%sQUIT\r\n" % (len(body), body)
    return text + "DATA\r\n" + body + ".\r\nQUIT\r\n"
