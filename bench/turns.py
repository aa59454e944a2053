"""turns.py - two tarsierd in turn, by one thing that differs: the build, the configuration, what is asked of it meanwhile."""

import os
import re
import statistics
import subprocess
import threading

from measure import Failed

ORDINARY = ["--kind", "ordinary", "--concurrent", 64]
MESSAGE = ["--message", "--headers", 10, "--body", 2048]


def median(runs, key):
    return statistics.median(v[key] for v in runs)


def ratio(runs, others, key):
    """Round by round: what else the machine did then has met both."""
    return statistics.median(v[key] / max(o[key], 0.001) for v, o in zip(runs, others))


def told(runs):
    return (f"{median(runs, 'sessions_per_second'):,.0f}/s, {median(runs, 'cpu_us'):.0f} µs CPU a session, "
            f"RCPT p99 {median(runs, 'rcpt_p99_us') / 1000:.2f} ms")


def in_turn(b, one, other, *args):
    """Values of both, taken one after the other; who begins changes from round to round."""
    runs, others = [], []
    for n in range(b.o.rounds):
        for server, out in ((one, runs), (other, others)) if n % 2 == 0 else ((other, others), (one, runs)):
            out.append(b.load(server, *args, "--seconds", b.o.seconds))
    return runs, others


def row(b, what, runs, others, goal, met):
    b.row(what, told(runs), told(others),
          f"sessions/s {ratio(runs, others, 'sessions_per_second'):.2f}, CPU {ratio(runs, others, 'cpu_us'):.2f}, "
          f"RCPT p99 {ratio(runs, others, 'rcpt_p99_us'):.2f}", goal, met)


# ---------------------------------------------------------------------------------------------------------------------
# the build before


def against(b, configurations):
    """Each of these configurations, by this build's tarsierd and by another's (--against)."""
    if not b.o.against:
        return
    for name, rules, kind in configurations:
        for message in ((), MESSAGE) if kind == "ordinary" else ((),):
            what = f"{kind} clients, {name}{', with a message' if message else ''}: this build ÷ the other"
            args = ["--kind", kind, "--concurrent", 64, *message]
            if kind == "suspicious":
                runs, others = first_sights(b, rules, args)
            else:
                with b.tarsierd(rules) as one, the_other(b, rules) as other:
                    runs, others = in_turn(b, one, other, *args)
            row(b, what, runs, others, "CPU ≤ 1.05", ratio(runs, others, "cpu_us") <= 1.05)
            b.remember(what, *args)


def the_other(b, rules):
    """Builds from before there was a control socket do not know its setting."""
    return b.tarsierd_on(b.write_conf(rules, control=False), b.o.against)


def first_sights(b, rules, args):
    """Each round on empty stores: with what is in it a commit takes longer."""
    runs, others = [], []
    for _ in range(b.o.rounds):
        first = b.tuples(1_000_000)
        for start, out in ((b.tarsierd, runs), (lambda rules: the_other(b, rules), others)):
            with start(rules) as t:
                out.append(b.load(t, *args, "--seconds", b.o.seconds, "--first", first))
    return runs, others


# ---------------------------------------------------------------------------------------------------------------------
# the shipped file


def shipped_lines(path):
    """What the shipped file decides by; where it listens and stores is the measurement's."""
    with open(path) as f:
        return "".join(line for line in f if not re.match(r"(listen|store|include)\b", line))


def shipped(b, s25r):
    """The shipped file, by the same with the condition of before."""
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "dist", "tarsier.conf")
    with b.tarsierd(shipped_lines(path)) as one, b.tarsierd(s25r) as other:
        for message in ((), MESSAGE):
            runs, others = in_turn(b, one, other, *ORDINARY, *message)
            what = f"ordinary clients{', with a message' if message else ''}: the shipped file ÷ a filter block with s25r"
            row(b, what, runs, others, "reported", None)
            b.remember(what, *ORDINARY, *message)


# ---------------------------------------------------------------------------------------------------------------------
# keeping and telling


def records(b, configurations):
    """With the journal and the lines of statistics, by the same without them."""
    for name, rules in configurations:
        with b.tarsierd("journal 7d\nstatistics yes\n" + rules) as one, b.tarsierd("journal 0s\nstatistics no\n" + rules) as other:
            runs, others = in_turn(b, one, other, *ORDINARY)
        sessions = ratio(runs, others, "sessions_per_second")
        what = f"ordinary clients, {name}: journal and statistics on ÷ off"
        row(b, what, runs, others, "sessions/s ≥ 0.95", sessions >= 0.95)
        b.remember(what, *ORDINARY)


class Scraper:
    """`tarsier metrics` each second."""

    def __init__(self, b, conf):
        self.command = [b.o.tarsier, "metrics", "-f", conf, "--socket", conf + ".control"]
        self.asked, self.failed = 0, ""
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.ask)

    def ask(self):
        while not self.ended.wait(1):
            done = subprocess.run(self.command, capture_output=True, text=True)
            if done.returncode != 0 or "tarsier_" not in done.stdout:
                self.failed = done.stderr.strip()[-200:] or "metrics: an empty answer"
                return
            self.asked += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def scraped(b, rules):
    """RCPT while the metrics are asked for each second, by the same without."""
    conf = b.write_conf(rules)
    args = ["--kind", "ordinary", "--rate", 500, "--concurrent", 16, "--seconds", max(b.o.seconds, 3)]
    runs, others, asked = [], [], 0
    with b.tarsierd_on(conf) as t:
        for _ in range(b.o.rounds):
            others.append(b.load(t, *args))
            with Scraper(b, conf) as s:
                runs.append(b.load(t, *args))
            if s.failed:
                raise Failed(s.failed)
            asked += s.asked
    if asked == 0:
        raise Failed("nobody has asked for metrics")
    row(b, f"RCPT of ordinary clients while metrics are asked for each second ({asked} times)", runs, others,
        "p99 < 5 ms", median(runs, "rcpt_p99_us") < 5000)
    b.remember("metrics each second", *args)
