"""The administrator's commands on what a real Postfix does: who is let in by hand, and what is told of a mail afterwards."""

import json
import re
import socket

import lab as L
from case import case


def asked(lab, check, *words):
    """What a command says in JSON, one value a line."""
    status, said = lab.tool("tarsier", *words)
    check.that(status == 0, "tarsier " + " ".join(words[:2]), said)
    return [json.loads(line) for line in said.splitlines()] if status == 0 else []


def held(lab):
    """Who is held now: {sender: ID}."""
    return {row["sender"]: row["id"] for row in json.loads(lab.tool("tarsier", "holds", "--json")[1])}


def ask_for(c, sender, recipient):
    c.open(sender)
    c.send("RCPT TO:<%s>\r\n" % recipient)


@case("a held client that is released by hand is delivered at once and known; its other connection is held as before", weight_sec=12)
def released(lab, check):
    lab.tarsier(L.conf(hold="300s", greylist="30m"))
    lab.postfix()
    with lab.client(L.DSL) as one, lab.client(L.DSL) as other:
        ask_for(one, "a@example.org", "b@example.net")
        ask_for(other, "c@example.org", "d@example.net")
        check.that(L.wait_until("both", 10, lambda: len(held(lab)) == 2), "both are held", lab.log())
        number = held(lab)["<a@example.org>"]
        status, said = lab.tool("tarsier", "holds", "release", number)
        check.that(status == 0 and said == "", "tarsier holds release", said)
        check.reply(one.reply(timeout=100), 250, "it is let in, long before the 300 seconds are over")
        check.reply(one.data("released by hand"), 250, "and its message is taken")
        one.quit()
        text = lab.delivered("released by hand")
        check.that(text, "the mail arrives", lab.maillog())
        check.that(text and "\nX-Greylist: " in text, "X-Greylist tells why", text)
        rows = {row["sender"]: row for row in asked(lab, check, "grey", "list", "--json") if row["type"] == "tuple"}
        check.that(rows.get("<a@example.org>", {}).get("auto") is True, "its tuple is known for good", rows)
        check.that("<c@example.org>" not in rows or not rows["<c@example.org>"].get("auto"), "the other's is not", rows)
        check.that(other.reply(timeout=1).code == -2 and list(held(lab)) == ["<c@example.org>"], "the other is still held", held(lab))
        status, said = lab.tool("tarsier", "holds", "release", number)
        check.that(status == 1 and "nobody who is held now has the ID" in said, "twice is refused", said)
        number = held(lab)["<c@example.org>"]
        status, said = lab.tool("tarsier", "holds", "drop", number)
        check.that(status == 0, "tarsier holds drop", said)
        check.reply(other.reply(timeout=100), 421, "which is sent away")
    lab.settled()
    answer, _ = lab.send(L.DSL, "known")
    check.reply(answer, 250, "the same tuple is let in again", most_sec=1.5)
    with lab.client(L.DSL) as third:
        ask_for(third, "e@example.org", "b@example.net")
        check.that(L.wait_until("a hold", 10, lambda: "<e@example.org>" in held(lab)), "another sender is held: no patience is proved", lab.log())
    check.log(lab.wait_log(r"control: uid 0, process \d+: holds release"), "the log says who has done it", lab.log())


# A line of Postfix's log, and the row of the history that tells the same.
CHAIN = (
    ("held", r"smtpd\[\d+\]: connect from {client}$"),
    ("left", r"milter-reject: RCPT from {client}: 421 .*from=<a@example\.org> to=<b@example\.net>"),
    ("deferred", r"milter-reject: RCPT from {client}: 451 .*from=<a@example\.org> to=<b@example\.net>"),
    ("let-in", r"smtpd\[\d+\]: {id}: client={client}$"),
    ("queue-id", r"cleanup\[\d+\]: {id}: message-id="),
)


@case("history of a queue id and of a client tell the chain that Postfix's log shows", weight_sec=16)
def history_of_a_mail(lab, check):
    lab.tarsier(L.conf(hold="60s", greylist="4s"))
    lab.postfix()
    check.that(lab.leave(L.DSL, after=1), "held, and it hangs up")
    lab.settled()
    check.reply(lab.greylisted(L.DSL), 451, "it comes back too early")

    def in_time():
        return lab.send(L.DSL, "chain")[1]

    end = L.wait_until("its delay", 20, in_time, 0.5)
    check.that(end and end.code == 250, "and in time: it is let in", end)
    number = re.search(r"queued as (\S+)", end.text)[1] if end else "none"
    check.that(lab.delivered("chain"), "delivered")
    check.log(lab.wait_maillog(r"%s: to=<b@example\.net>, .*status=sent" % number, 10), "Postfix has delivered it", lab.maillog())
    rows = []

    def written():
        status, said = lab.tool("tarsier", "history", "--json", number)
        rows[:] = [json.loads(line) for line in said.splitlines()] if status == 0 else []
        return any(row["what"] == "queue-id" for row in rows)

    check.that(L.wait_until("the journal", 10, written), "the journal knows the queue id", rows)
    check.that([row["what"] for row in rows] == ["let-in", "queue-id"], "of that connection: let in, and its queue id", rows)
    check.that(all(row["address"] == L.DSL and row["name"] == L.DSL_NAME for row in rows), "its client", rows)
    check.that(rows and (rows[0]["sender"], rows[0]["recipient"]) == ("<a@example.org>", "<b@example.net>"), "its envelope", rows)
    check.that(rows and rows[-1].get("queue_id") == number, "the queue id", rows)
    # All of the client, in the order of Postfix's log.
    rows = [row for row in asked(lab, check, "history", "--json", L.DSL) if row["what"] in dict(CHAIN)]
    kinds = [row["what"] for row in rows]
    first_of_each = sorted(dict(CHAIN), key=lambda what: kinds.index(what) if what in kinds else 99)
    check.that(first_of_each == [what for what, _ in CHAIN] and kinds[-2:] == ["let-in", "queue-id"], "the chain, in order", kinds)
    log, places = lab.maillog().splitlines(), []
    for what, pattern in CHAIN:
        pattern = pattern.format(client=re.escape("%s[%s]" % (L.DSL_NAME, L.DSL)), id=number)
        found = [i for i, line in enumerate(log) if re.search(pattern, line)]
        check.that(found, "Postfix's log has it, too: " + what, pattern)
        places.append(found[0] if found else -1)
    check.that(places == sorted(places), "in the same order", places)
    check.that(kinds.count("deferred") == len([1 for line in log if ": 451 4.7.1 Greylisting" in line]), "each deferral is told once", kinds)
    status, said = lab.tool("tarsier", "history", number)
    check.that(status == 0 and "queue id " + number in said and "came back after" in said, "for people", said)
    check.that(all(len(line) <= 80 for line in said.splitlines()), "within 80 columns", said)


@case("tarsier status tells who waits for DNS, and how DNS does", weight_sec=9)
def status_of_dns(lab, check):
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.77", 53))
    lab.tarsier(L.conf(hold="60s", extra='dnsrbl "list" silent.example\n').replace("and s25r", 'and s25r and dnsrbl "list"'))
    lab.postfix()
    said = lab.tool("tarsier", "status")[1]
    check.that("\ndns        0/h, median 0 ms, 0 timeouts\n" in said, "nothing was asked", said)
    with lab.client(L.DSL, greet=False) as c:  # Postfix asks before its greeting
        waits = lambda: "\nsessions   1 open, 1 wait for DNS\n" in lab.tool("tarsier", "status")[1]
        check.that(L.wait_until("who waits", 10, waits, 0.1), "who waits is told", lab.tool("tarsier", "status")[1])
        ended = lambda: re.search(r"\ndns        1/h, median \d+ ms, 1 timeouts\n", lab.tool("tarsier", "status")[1])
        check.that(L.wait_until("its time is out", 30, ended, 0.2), "and that its time is out", lab.tool("tarsier", "status")[1])
        check.that(" wait for DNS" not in lab.tool("tarsier", "status")[1], "nobody waits any more")
        c.fin()
    silent.close()
