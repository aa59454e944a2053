"""milters.py - children for tarsierd in a lab: milter_child (milter_child.c) as a process, its log, and configurations.

Knows the lab and the form of milter_child's log. Knows nothing of any single case.
"""

import os
import re
import shutil
import signal

import lab as L

ALONE_PORT = 26  # Postfix asks the child itself there, not tarsierd
ALONE = "inet:127.0.0.1:9100"
SENDER = "a@example.org"
RECIPIENT = "b@example.net"


class Child:
    """One milter_child. address is as tarsier.conf has it; words as milter_child.c tells."""

    def __init__(self, lab, name, *words, address=None, start=True):
        self.lab, self.name, self.words = lab, name, words
        self.address = address or "unix:%s/%s.sock" % (L.ROOM, name)
        self.log_path = "%s/%s.log" % (L.ROOM, name)
        self.process = None
        os.chmod(L.ROOM, 0o755)
        if start:
            self.start()

    def start(self):
        if "milter_child" not in self.lab.program:
            raise L.LabError("milter_child was not built: libmilter-dev is missing")
        path = self.address.replace("unix:", "")
        if path != self.address and os.path.exists(path):
            os.unlink(path)
        before = self.log().count("ready\n")
        self.process = self.lab.spawn(
            self.lab.program["milter_child"], self.address, self.log_path, *self.words, name="child-" + self.name
        )
        if not L.wait_until("child", 10, lambda: self.log().count("ready\n") > before):
            raise L.LabError("child %s does not listen: %s" % (self.name, L.read("%s/child-%s.err" % (L.ROOM, self.name))))
        return self

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait(5)

    def stop(self):
        """SIGSTOP: it takes connections (the kernel does) and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def log(self):
        return L.read(self.log_path)

    def events(self, stage=None):
        """The lines of the log, of one stage or all, without the number of the connection."""
        lines = [re.sub(r"^#\d+ ", "", line) for line in self.log().splitlines()]
        return [line for line in lines if line != "ready" and (stage is None or line.split(" ")[0] == stage)]

    def stages(self, connection=1):
        """The stages that a connection went through, as words."""
        return " ".join(re.findall(r"^#%d (\w+)" % connection, self.log(), re.M))

    def connections(self):
        """Those of clients: a connection that is only negotiated has the number 0."""
        return len(set(re.findall(r"^#([1-9]\d*) ", self.log(), re.M)))

    def wait(self, pattern, seconds=5, count=1):
        """Wait until pattern stands count times in the log; the last match, or None."""

        def look():
            found = list(re.finditer(pattern, self.log(), re.M))
            return found[-1] if len(found) >= count else None

        return L.wait_until(pattern, seconds, look)

    def filter(self, *lines):
        """Its block for tarsier.conf."""
        address = self.address
        return 'filter "%s" {\n    connect "%s"\n%s}\n' % (self.name, address, "".join("    %s\n" % line for line in lines))


def conf(*filters, head=""):
    """A configuration of these filters alone."""
    return 'listen "unix:%s" mode 660 group postfix\nstore "/var/lib/tarsier"\n%s%s' % (L.SOCKET, head, "".join(filters))


def postfix(lab, alone=None, **options):
    """Postfix, with a second listener that asks the child at this address itself."""
    if alone:
        options["services"] = ["%s:%d inet n - y - - smtpd -o smtpd_milters=%s" % (L.MX, ALONE_PORT, alone)]
    lab.postfix(**options)


def restart(lab, text):
    """tarsierd anew, with this configuration and nothing remembered."""
    if lab.tarsierd:
        lab.stop_tarsier()
    lab.tarsier(text)


def same(text):
    """A child's log, or a delivered file, without what differs from one session to the next."""
    ids = {}

    def number(match):
        return match.group(1) + ids.setdefault(match.group(2), "ID%d" % (len(ids) + 1)) + match.group(3)

    text = re.sub(r'( i=")([0-9A-F]{6,})(")', number, text)
    text = re.sub(r'(\{daemon_port\}=")2[56](")', r"\1PORT\2", text)
    text = re.sub(r"(\bid |queued as )([0-9A-F]{6,})(\b)", number, text)
    text = re.sub(r"\w\w\w, +\d+ \w\w\w \d{4} \d\d:\d\d:\d\d [-+]\d{4} \(\w+\)", "DATE", text)
    return text


def difference(one, other):
    """What two texts do not have in common, line by line, as text; empty when they are the same."""
    import difflib

    lines = difflib.unified_diff(one.splitlines(), other.splitlines(), "alone", "behind tarsierd", lineterm="", n=1)
    return "\n".join(list(lines)[:60])


def take_box(marker, count=1, seconds=8):
    """Wait for so many files in the mailbox that hold marker; take them out, sorted."""

    def look():
        paths = [L.BOX + "/" + name for name in os.listdir(L.BOX)] if os.path.isdir(L.BOX) else []
        found = [p for p in paths if marker in L.read(p)]
        return found if len(found) >= count else None

    paths = (L.wait_until("files", seconds, look, 0.1) or []) if count else (look() or [])
    texts = sorted(L.read(p) for p in paths)
    for p in paths:
        os.unlink(p)
    return texts


def send(lab, text, recipients=(RECIPIENT,), sender=SENDER, source=L.GOOD, **options):
    """One mail whose whole text is given (lines end in \\r\\n): the replies to MAIL, to each RCPT, and to the end."""
    with lab.client(source, **options) as c:
        c.ehlo()
        replies = [c.mail(sender)] + [c.rcpt(r) for r in recipients]
        if any(r.code == 250 for r in replies[1:]):
            replies.append(data(c, text))
        c.quit()
    return replies


def data(c, text):
    go = c.command("DATA")
    if go.code != 354:
        return go
    c.send(re.sub(r"(?m)^\.", "..", text) + ".\r\n")
    return c.reply()


def mail(subject, body="A short text.\r\n", headers=""):
    return (
        "From: <a@example.org>\r\nTo: <b@example.net>\r\nSubject: %s\r\nMessage-Id: <1@example.org>\r\n"
        "Date: Tue, 24 Nov 2026 08:00:00 +0000\r\n%s\r\n%s" % (subject, headers, body)
    )


def logs(lab, *children):
    """For a check's detail."""
    parts = [lab.log()[-3000:]] + ["%s:\n%s" % (c.name, c.log()[-3000:]) for c in children]
    return "\n".join(parts)


def has(program):
    return shutil.which(program) is not None
