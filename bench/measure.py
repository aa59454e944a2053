"""measure.py - what all measurements of bench/run need: the programs, started and watched; the load; the table's rows."""

import os
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time

DAEMON_ADDRESS = "198.18.0.1"
TICKS = os.sysconf("SC_CLK_TCK")


def note(text):
    print(f"# {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Failed(Exception):
    """A part of the measurement that could not be made; the others go on."""


# ---------------------------------------------------------------------------------------------------------------------
# processes


class Server:
    """A milter under test: started, watched by /proc, ended."""

    def __init__(self, name, command, address, log, cwd, umask=-1):
        self.name, self.command, self.address = name, command, address
        self.log_path = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=cwd,
                                            umask=umask)
        self.wait_ready()

    def wait_ready(self, seconds=20):
        path = self.address.removeprefix("unix:")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended: {self.tail()}")
            try:
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(path)
                return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise Failed(f"{self.name} does not listen: {self.tail()}")

    def tail(self):
        with open(self.log_path, errors="replace") as f:
            return " | ".join(f.read().splitlines()[-4:])

    def log_text(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_anon_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(r"RssAnon:\s+(\d+) kB", f.read()).group(1)) * 1024

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def values(line):
    return {k: (float(v) if re.fullmatch(r"-?[\d.]+", v) else v) for k, v in re.findall(r"(\S+?)=(\S+)", line)}


class Bench:
    def __init__(self, options, directory):
        self.o, self.dir = options, directory
        self.started = time.monotonic()
        self.rows, self.commands, self.skipped = [], [], []
        self.number = 0
        self.next_tuple = 10_000_000  # first sights: never the same tuple twice, nor one that fill made
        self.conf_address = {}

    # -- bounded in all

    def check_time(self):
        if time.monotonic() - self.started > self.o.limit:
            raise Failed(f"left out: the limit of {self.o.limit} s is over (--limit)")

    def fresh(self, stem):
        self.number += 1
        return os.path.join(self.dir, f"{stem}{self.number}")

    def tuples(self, count):
        first = self.next_tuple
        self.next_tuple += count
        return first

    # -- the programs; all that is known of tarsierd's command line stands here

    def tarsierd(self, rules):
        """Start it on these rules with an empty store."""
        return self.tarsierd_on(self.write_conf(rules))

    def tarsierd_on(self, conf, program=None):
        # no Postfix's limits: one of 100 processes would be under stress from 75 connections on, and nobody held
        command = [program or self.o.tarsierd, "-f", conf, "--postfix", os.path.join(self.dir, "no-postfix")]
        return Server("tarsierd", command, self.conf_address[conf], conf + ".log", self.dir)

    def import_dump(self, conf, dump):
        done = subprocess.run([self.o.tarsier, "import", "-f", conf, dump], capture_output=True, text=True,
                              timeout=self.o.import_seconds)
        if done.returncode != 0:
            raise Failed(f"import failed: {(done.stderr or done.stdout).strip()[-200:]}")

    def commit_p50(self, server):
        """tarsierd tells it when it ends, where it tells it."""
        found = re.findall(r"commit[^\n]*?p50[^\d\n]*([\d.]+) ?(us|µs|ms)", server.log_text())
        if not found:
            return None
        value, unit = found[-1]
        return float(value) * (1000 if unit == "ms" else 1)

    def write_conf(self, rules, store=None, path=None, control=True):
        path = path or self.fresh("conf")
        address = f"unix:{path}.sock"
        store = store or path + ".store"
        user = 'user "nobody"\n' if os.geteuid() == 0 else ""
        with open(path, "w") as f:
            f.write(f'listen "{address}" mode 666\nstore "{store}"\n{user}{rules}')
            if control:
                f.write(f'\ncontrol "{path}.control"\n')
        self.conf_address[path] = address
        return path

    def reference(self, *arguments):
        path = self.fresh("reference")
        address = f"unix:{path}.sock"
        command = [self.o.reference, "--listen", address, *arguments]
        return Server("reference", command, address, path + ".log", self.dir)

    def load_command(self, server, *arguments):
        return [self.o.load, "--connect", server.address, *map(str, arguments)]

    def load(self, server, *arguments):
        """One run; its values, with `cpu_us`: the server's CPU a session."""
        self.check_time()
        before = server.cpu_seconds()
        done = subprocess.run(self.load_command(server, *arguments), capture_output=True, text=True,
                              timeout=90 + 3 * self.o.seconds)
        cpu = server.cpu_seconds() - before
        if not done.stdout:
            raise Failed(f"load: {done.stderr.strip()[-200:]}")
        v = values(done.stdout.splitlines()[0])
        if v["sessions"] == 0 or v["errors"] > v["sessions"] / 100:
            raise Failed(f"load against {server.name}: {v['sessions']:.0f} sessions, {v['errors']:.0f} errors "
                         f"({v['last_error']}); {server.tail()}")
        v["cpu_us"] = cpu * 1e6 / v["sessions"]
        v["terms"] = done.stdout.splitlines()[1:]
        return v

    def remember(self, row, *arguments):
        self.commands.append((row, "load --connect unix:… " + " ".join(map(str, arguments))))

    def terms_of(self, server, *arguments):
        """What the filter asks of the MTA, as options for the reference."""
        v = self.load(server, "--sessions", 1, "--show-terms", *arguments)
        out = []
        for line in v["terms"]:
            if line.startswith("macros="):
                out += ["--macros", line.removeprefix("macros=")]
            else:
                t = dict(f.split("=") for f in line.split())
                out += ["--steps", t["steps"], "--actions", t["actions"]]
        if v["accept_at"] != "none":
            out += ["--accept", v["accept_at"]]
        return out

    def greylisting_reference(self, server):
        """One that answers a suspicious client as server does: 451 at RCPT."""
        terms = self.terms_of(server, "--kind", "suspicious", "--first", self.tuples(1))
        return self.reference(*terms, "--rcpt", "451")

    # -- the tables

    def row(self, what, tarsierd, reference, ratio, goal, met=None):
        mark = {True: "yes", False: "**no**", None: ""}[met]
        self.rows.append((what, tarsierd, reference, ratio, goal, mark))
        note(f"{what}: {tarsierd} | {reference} | {ratio} | goal {goal} {mark}")

    def skip(self, what, why):
        self.skipped.append(f"{what}: {why}")
        note(f"{what}: {why}")

    def compare(self, what, rounds, goal):
        """rounds: pairs (tarsierd's values, the reference's), taken one after the other."""
        def med(key, side):
            return statistics.median(r[side][key] for r in rounds)

        per_session = statistics.median(t["sessions_per_second"] / r["sessions_per_second"] for t, r in rounds)
        per_reply = statistics.median(t["replies_per_second"] / max(r["replies_per_second"], 1) for t, r in rounds)

        def told(side):
            return (f"{med('sessions_per_second', side):,.0f}/s, {med('replies_per_second', side):,.0f} replies/s, "
                    f"{med('cpu_us', side):.0f} µs CPU, reply p50 {med('reply_p50_us', side):.0f} "
                    f"p99 {med('reply_p99_us', side):.0f} µs")

        self.row(what, told(0), told(1), f"{per_session:.2f} (replies {per_reply:.2f})",
                 f"≥ {goal}" if goal else "reported", per_session >= goal if goal else None)


# ---------------------------------------------------------------------------------------------------------------------
# held clients


class Holders:
    """`count` held clients, from as many load processes as the limit of open files asks for."""

    def __init__(self, b, server, count, seconds, real):
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        each = min(count, (files - 200) // (3 if real else 1))
        self.processes, self.opened = [], []
        first = 0
        self.arguments = ["--kind", "suspicious", "--hold", min(each, count), "--seconds", seconds, "--concurrent", 64]
        if real:
            self.arguments += ["--real-clients", "--daemon-address", DAEMON_ADDRESS]
        try:
            while first < count:
                arguments = list(self.arguments)
                arguments[3] = min(each, count - first)
                command = b.load_command(server, *arguments, "--first", first)
                self.processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
                first += arguments[3]
            for p in self.processes:
                self.opened.append(values(p.stdout.readline()))
        except BaseException:
            self.stop()
            raise
        self.held = sum(v.get("held", 0) for v in self.opened)
        self.told = ", ".join(f"{k} {sum(v.get(k, 0) for v in self.opened):.0f}"
                              for k in ("rcpt_451", "rcpt_421", "rcpt_continue", "errors"))

    def stop(self):
        out = []
        for p in self.processes:
            if p.poll() is None:
                p.send_signal(signal.SIGTERM)
        for p in self.processes:
            try:
                out.append(values(p.communicate(timeout=30)[0]))
            except subprocess.TimeoutExpired:
                p.kill()
                p.communicate()
        return {k: sum(v.get(k, 0) for v in out if isinstance(v.get(k, 0), float))
                for k in ("held", "progress", "rcpt_421", "errors")}
