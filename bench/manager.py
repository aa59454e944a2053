"""manager.py - what bench/run measures of children: other milters behind tarsierd, each the least possible one or a bad one."""

import os
import re
import resource
import signal
import statistics
import time

from measure import Failed, Holders, Server, note, values

MESSAGE = ["--kind", "suspicious", "--message", "--headers", 10, "--body", 2048]

# The peer's four: all true for a suspicious client, so the child is asked in the end.
FOUR_CONDITIONS = r"when remote and unauthenticated and s25r and rcpt /@example\.net/"


def child_filter(name, server, *settings):
    lines = "".join(f"    {s}\n" for s in settings)
    return f'filter "{name}" {{\n    connect "{server.address}"\n{lines}}}\n'


def start_child(b, program, *arguments):
    path = b.fresh(os.path.basename(program))
    address = f"unix:{path}.sock"
    return child_at(b, program, address, *arguments)


def child_at(b, program, address, *arguments):
    # umask 0: tarsierd runs as somebody else
    return Server(os.path.basename(program), [program, "--listen", address, *map(str, arguments)], address,
                  address.removeprefix("unix:") + ".log", b.dir, umask=0)


# ---------------------------------------------------------------------------------------------------------------------
# what a session costs


class Variant:
    """Some children and a tarsierd before them. All variants run side by side, so that rounds can alternate."""

    def __init__(self, what, goal, children, *settings):
        self.what, self.goal, self.n_children, self.settings = what, goal, children, settings
        self.busy, self.single, self.sessions = [], [], 0

    def start(self, b):
        self.children = [start_child(b, b.o.reference) for _ in range(self.n_children)]
        self.server = b.tarsierd("".join(child_filter(f"child {n}", c, *self.settings) for n, c in enumerate(self.children)))

    def load(self, b, *arguments):
        v = b.load(self.server, *MESSAGE, *arguments)
        self.sessions += v["sessions"]
        if v["messages"] < v["sessions"]:
            raise Failed(f"{self.what}: {v['messages']:.0f} of {v['sessions']:.0f} messages came to their end")
        return v

    def stop(self, failed):
        self.server.stop()
        for c in self.children:
            c.stop()
        # every session through every child, and told: else it was not measured
        told = self.server.log_text().count("statistics: filter ")
        if not failed and told < self.sessions * self.n_children:
            raise Failed(f"{self.what}: the log tells of {told} answers of children in {self.sessions:.0f} sessions")


def variants():
    return [Variant("one trivial child", 0.45, 1),
            Variant("two trivial children", None, 2),
            Variant("one trivial child under four conditions", None, 1, FOUR_CONDITIONS)]


def cost(b):
    """Sessions a second, time and CPU of a session, against the child alone."""
    busy_args = ["--concurrent", 20, "--seconds", b.o.seconds]
    single_args = ["--concurrent", 1, "--seconds", b.o.seconds]
    alone, all_variants = start_child(b, b.o.reference), variants()
    busy, single, started = [], [], []
    failed = True
    try:
        for v in all_variants:
            v.start(b)
            started.append(v)
            v.load(b, "--concurrent", 20, "--sessions", 500)
        for _ in range(b.o.rounds):
            busy.append(b.load(alone, *MESSAGE, *busy_args))
            for v in all_variants:
                v.busy.append(v.load(b, *busy_args))
            single.append(b.load(alone, *MESSAGE, *single_args))
            for v in all_variants:
                v.single.append(v.load(b, *single_args))
        failed = False
    finally:
        alone.stop()
        for v in started:
            v.stop(failed)
    for v in all_variants:
        rows_of(b, v, busy, single)
    b.remember("trivial children", *MESSAGE, *busy_args)
    b.remember("trivial children, one session at a time", *MESSAGE, *single_args)


def rows_of(b, v, busy, single):
    def med(runs, key):
        return statistics.median(r[key] for r in runs)

    def added(quantile):
        """Round by round: what else the machine did then has met both."""
        return statistics.median(r[quantile] - x[quantile] for r, x in zip(v.single, single))

    ratio = statistics.median(r["sessions_per_second"] / x["sessions_per_second"] for r, x in zip(v.busy, busy))
    b.row(f"{v.what}: sessions/s ÷ the child alone", f"{med(v.busy, 'sessions_per_second'):,.0f}/s",
          f"{med(busy, 'sessions_per_second'):,.0f}/s", f"{ratio:.2f}", f"≥ {v.goal}" if v.goal else "reported",
          ratio >= v.goal if v.goal else None)
    b.row(f"{v.what}: a session, one at a time", f"p50 {med(v.single, 'session_p50_us') / 1000:.2f}, "
          f"p99 {med(v.single, 'session_p99_us') / 1000:.2f} ms",
          f"p50 {med(single, 'session_p50_us') / 1000:.2f}, p99 {med(single, 'session_p99_us') / 1000:.2f} ms",
          f"added p50 {added('session_p50_us') / 1000:.2f}, p99 {added('session_p99_us') / 1000:.2f} ms", "reported")
    b.row(f"{v.what}: a session, 20 at once", f"p50 {med(v.busy, 'session_p50_us') / 1000:.2f}, "
          f"p99 {med(v.busy, 'session_p99_us') / 1000:.2f} ms",
          f"p50 {med(busy, 'session_p50_us') / 1000:.2f}, p99 {med(busy, 'session_p99_us') / 1000:.2f} ms", "", "reported")
    b.row(f"{v.what}: CPU a session, 20 at once", f"{med(v.busy, 'cpu_us') / 1000:.2f} ms",
          f"the child itself {med(busy, 'cpu_us') / 1000:.2f} ms", "", "reported")


# ---------------------------------------------------------------------------------------------------------------------
# memory


def memory(b):
    """Sessions open at RCPT, their child's answer awaited."""
    # tarsierd takes sessions up to a third of its files where there is one child
    most = (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200) // 3
    for asked in (1000, 10000):
        b.check_time()
        count = min(asked, most)
        what = f"{count:,} sessions open at RCPT with one child"
        if count < asked:
            what += f" (more than the limit of open files allows would be {asked:,})"
        with start_child(b, b.o.reference, "--rcpt", "hold") as child, b.tarsierd(child_filter("child", child)) as t:
            Holders(b, t, 64, 86400, b.namespace).stop()
            time.sleep(0.5)
            before = t.rss_anon_bytes()
            h = Holders(b, t, count, 86400, b.namespace)
            try:
                if h.held < count:
                    raise Failed(f"{what}: only {h.held:.0f} are open ({h.told}); {t.tail()}")
                time.sleep(1)
                each = (t.rss_anon_bytes() - before) / count
            finally:
                h.stop()
            b.row(f"{what}: RssAnon each", f"{each / 1024:.1f} KiB", f"{before / 1024:,.0f} KiB before", "", "≤ 8 KiB",
                  each <= 8192)
            b.remember(what, *h.arguments, "--first N")


# ---------------------------------------------------------------------------------------------------------------------
# soak

QUICK_TIMEOUTS = ["timeout connect 1s", "timeout command 1s", "timeout message 1s", "timeout end-of-message 1s"]
STEPS = 20  # of the soak: a look at memory and descriptors after each, with no session open


class Soak:
    """Two bad children and a good one behind them; no child ever refuses a message, so that each must come to its end."""

    def __init__(self, b):
        self.b, self.sessions, self.failed, self.looks = b, 0, 0, []
        self.chunk = max(b.o.soak // STEPS, 1)
        # about 20 times in all
        bad = ["--stall", 10, "--restart", max(b.o.soak // STEPS, 100)]
        self.children = [start_child(b, b.o.badchild, *bad, "--seed", 1), start_child(b, b.o.badchild, *bad, "--seed", 2),
                         start_child(b, b.o.reference)]
        self.conf = b.write_conf(self.rules("breaker failures 0"))
        self.server = b.tarsierd_on(self.conf)

    def rules(self, *settings):
        """The good one has time-outs and breaker as shipped: on a busy machine a second is soon over."""
        bad = [child_filter(f"bad {n}", c, *QUICK_TIMEOUTS, *settings) for n, c in enumerate(self.children[:2])]
        return "".join(bad) + child_filter("good", self.children[2])

    def look(self):
        deadline = time.monotonic() + 10
        previous = -1
        while time.monotonic() < deadline:  # the last connections of children linger for a moment
            files = len(os.listdir(f"/proc/{self.server.process.pid}/fd"))
            if files == previous:
                break
            previous = files
            time.sleep(0.3)
        return self.server.rss_anon_bytes(), files

    def step(self):
        v = self.b.load(self.server, *MESSAGE, "--sessions", self.chunk, "--concurrent", 64, "--first",
                        self.b.tuples(self.chunk))
        blamed = re.search(r'filter "good": .*; its fallback counts', self.server.log_text())
        if blamed:
            raise Failed(f"soak: the good child is blamed: {blamed.group(0)}")
        if v["errors"] > 0 or v["messages"] < self.chunk:
            raise Failed(f"soak: of {self.chunk} messages {v['messages']:.0f} came to their end, {v['errors']:.0f} sessions "
                         f"broke off ({v['last_error']}); {self.server.tail()}")
        self.sessions += self.chunk
        self.looks.append(self.look())
        self.failed += len(re.findall(r"statistics: filter .* status=failed", self.server.log_text()))
        os.truncate(self.server.log_path, 0)

    def reload(self, *settings):
        self.b.write_conf(self.rules(*settings), path=self.conf)
        self.server.process.send_signal(signal.SIGHUP)
        self.wait_log("reload: .* is in force", 20)

    def wait_log(self, pattern, seconds):
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.server.log_text()):
            if time.monotonic() > deadline:
                raise Failed(f"soak: `{pattern}` is not logged; {self.server.tail()}")
            time.sleep(0.1)

    def replace(self, n, program):
        """Another program at the same address. What the old one said that it did."""
        old = self.children[n]
        old.stop()
        self.children[n] = child_at(self.b, program, old.address)
        return values(old.log_text())

    def come_back(self):
        """Good children again: how long until both are asked again."""
        begin = time.monotonic()
        while time.monotonic() < begin + 130:  # the longest pause is a minute, and each may just have begun one
            os.truncate(self.server.log_path, 0)
            self.b.load(self.server, *MESSAGE, "--sessions", 1)
            self.wait_log("statistics: session ", 5)
            if len(re.findall("statistics: filter .* status=pass ", self.server.log_text())) == len(self.children):
                return time.monotonic() - begin
            time.sleep(1)
        raise Failed(f"soak: the children are not asked again; {self.server.tail()}")

    def stop(self):
        self.server.stop()
        for c in self.children:
            c.stop()


def soak(b):
    """Sessions with children that die, stall, lie and come back."""
    s = Soak(b)
    try:
        begin = time.monotonic()
        for n in range(STEPS):
            b.check_time()
            if n == STEPS // 2:
                half = s.failed
                s.reload()  # breakers as shipped
            s.step()
        seconds = time.monotonic() - begin
        did = [s.replace(n, b.o.reference) for n in (0, 1)]
        back = s.come_back()
        ended = s.look()
    finally:
        s.stop()
    soak_rows(b, s, seconds, half, did, back, ended)


def soak_rows(b, s, seconds, half, did, back, ended):
    note("RssAnon, KiB: " + " ".join(f"{m[0] / 1024:.0f}" for m in s.looks))
    kinds = ("died", "stalled", "deaf", "noisy", "lying", "edited", "restarts")
    b.row(f"soak: {s.sessions:,} sessions, two bad children before a good one", f"{seconds:.0f} s, every message came to its end",
          "the bad ones: " + ", ".join(f"{k} {sum(d[k] for d in did):,.0f}" for k in kinds),
          f"failed asks {half:,} without breakers, {s.failed - half:,} with them", "no session breaks off", True)
    first, middle, end = s.looks[0], s.looks[STEPS // 2 - 1], s.looks[-1]
    b.row("… RssAnon after the first twentieth, the half, the end",
          " → ".join(f"{m[0] / 1024:,.0f}" for m in (first, middle, end)) + " KiB",
          f"{ended[0] / 1024:,.0f} KiB when all were well again", "", "flat within 10 %", end[0] <= middle[0] * 1.1)
    b.row("… open descriptors, the same", " → ".join(str(m[1]) for m in (first, middle, end)), f"{ended[1]} in the end", "",
          "flat", end[1] <= first[1] and ended[1] <= first[1])
    b.row("… good children in the bad ones' places are asked again", f"after {back:.1f} s", "", "", "≤ 60 s", back <= 60)


MEASUREMENTS = {"children": cost, "children-memory": memory, "soak": soak}
