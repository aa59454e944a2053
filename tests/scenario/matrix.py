#!/usr/bin/env python3
"""Write matrix.scn: how each failure of a child ends, in each fallback, in each order of two children, with and without evaluation.

Of two children "a" fails, and "b" refuses every mail at its end with 550, or lets it pass. The peer's table of what got lost
(reference: milter-manager 2.3.2, section 3) is the reason for it. What must come out is said in outcome() and in nothing else.
"""
import sys

STAGES = ["negotiate", "connect", "helo", "mail", "rcpt", "data", "header", "eoh", "body", "eom"]
COMMANDS = [
    ("connect", "connect 192.0.2.7 mail.example.com"),
    ("helo", "helo x"),
    ("mail", "mail <a@example.org>"),
    ("rcpt", "rcpt <b@example.net>"),
    ("data", "data"),
    ("eoh", "header A b | eoh"),
    ("body", "body Hello"),
    ("eom", "eom"),
]
NAMES = [name for name, _ in COMMANDS]
MAIL, DATA, EOM = NAMES.index("mail"), NAMES.index("data"), NAMES.index("eom")
FIRST, SECOND, LIVE = "a first", "a second", "a second, sees original"
DOORS = {"missing": "missing", "refuses": "refuses", "deaf": "accepts never"}


def seen_at(stage, manner, order, b_passes):
    """The MTA's command whose reply shows the failure: a header is answered with EOH, an idle death is seen at the next one."""
    name = {"negotiate": "connect", "header": "eoh"}.get(stage, stage)
    at = NAMES.index(name) + (manner == "idle")
    if order == SECOND and at > DATA and manner != "idle":
        return EOM if b_passes else None  # it waits behind b, which may edit, and is not asked when b has refused
    return at


def outcome(stage, manner, fallback, order, evaluation, b_passes):
    """(the MTA's command that ends the mail, the reply)."""
    b_decides = (EOM, "continue" if b_passes else "550 5.7.1 b")
    at = seen_at(stage, manner, order, b_passes)
    if evaluation or fallback == "accept" or at is None:
        return b_decides
    if manner == "idle" and at <= MAIL:
        return b_decides  # between messages a child may close; it is connected to again
    if at == EOM and not b_passes and order != FIRST and fallback in ("tempfail", "reject"):
        return b_decides  # both are asked: the stronger one counts, then the first
    if fallback == "discard" and at < MAIL:
        at = MAIL  # before there is nothing that could be discarded
    return at, fallback


def commands(of, to):
    return "mta    " + " | ".join(line for _, line in COMMANDS[of : to + 1])


def waits(stage, manner):
    """How long a failure takes to be one: connect 5s, command 30s, message 30s, end-of-message 5m."""
    if manner == "deaf" or (manner == "silent" and stage == "negotiate"):
        return "36s"
    return None if manner != "silent" else "301s" if stage == "eom" else "31s"


def play(stage, manner, order, b_passes, ends_at):
    """The MTA's commands, and what happens between them."""
    out = []
    at = 0 if manner in DOORS else seen_at(stage, manner, order, b_passes)
    wait = waits(stage, manner)
    if manner == "idle":
        out += [commands(0, at - 1), "child  a now die"]
        if ends_at >= at:
            out.append(commands(at, ends_at))
        return out
    stops = [] if at is None or not wait else [at]
    if stops and at < MAIL and ends_at >= MAIL:
        stops.append(MAIL)  # it is tried again with the message
    start = 0
    for stop in stops:
        out += [commands(start, stop), f"pass   {wait}"]
        start = stop + 1
    if start <= ends_at:
        out.append(commands(start, ends_at))
    return out


def cell(out, stage, manner, fallback, order, evaluation, b_passes):
    ends_at, reply = outcome(stage, manner, fallback, order, evaluation, b_passes)
    a = f"connect \"unix:/a\" fallback {fallback}"
    a += " evaluation yes" if evaluation else ""
    a += " sees original" if order == LIVE else ""
    filters = [f"filter \"a\" {{ {a} }}", "filter \"b\" { connect \"unix:/b\" }"]
    where = "" if manner in DOORS else f" at {stage}"
    title = f"{manner}{where}, fallback {fallback}, {order}, b {'passes' if b_passes else 'refuses'}"
    out.append(f"scenario \"{title}{', evaluation' if evaluation else ''}\"")
    out += ["conf <<"] + (filters if order == FIRST else filters[::-1]) + ["."]
    if manner in DOORS:
        out.append(f"child  a {DOORS[manner]}")
    elif manner != "idle":
        out.append(f"child  a at {stage}: {manner}")
    if not b_passes:
        out.append("child  b at eom: reply 550 5.7.1 b")
    out += play(stage, manner, order, b_passes, ends_at)
    out += [f"want   reply {reply}", "want   delivered" if reply == "continue" else "want   not-delivered", ""]


def main():
    out = ["# Written by matrix.py.", "crashes no", "child  a", "child  b", ""]
    columns = [(fallback, False) for fallback in ("accept", "tempfail", "reject", "discard")] + [("reject", True)]
    for fallback, evaluation in columns:
        for order in (FIRST, SECOND, LIVE):
            for b_passes in (False, True):
                for manner in DOORS:
                    cell(out, "connect", manner, fallback, order, evaluation, b_passes)
                for stage in STAGES:
                    for manner in ("silent", "die") if order != FIRST or b_passes else ("silent", "die", "lie", "garbage"):
                        cell(out, stage, manner, fallback, order, evaluation, b_passes)
                for stage in ("connect", "helo", "mail", "rcpt", "data", "eoh", "body"):
                    cell(out, stage, "idle", fallback, order, evaluation, b_passes)
    with open(sys.argv[1], "w", encoding="ascii") as f:
        f.write("\n".join(out))


main()
