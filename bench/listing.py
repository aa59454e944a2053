"""listing.py - what mail pays while somebody looks at all records: RCPT beside `tarsier grey list` over and over."""

import statistics
import subprocess
import threading
import time


class Listing:
    """`tarsier grey list` without an end, its rows thrown away; by the daemon, as for a user who may not read its files."""

    def __init__(self, b, conf):
        self.command = [b.o.tarsier, "grey", "list", "--json", "-f", conf, "--socket", conf + ".control"]
        self.walks, self.seconds, self.failed = 0, 0.0, ""
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.walk)

    def walk(self):
        while not self.ended.is_set():
            begin = time.monotonic()
            p = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            while p.poll() is None and not self.ended.wait(0.02):
                pass
            if self.ended.is_set():
                p.kill()
            elif p.returncode != 0:
                self.failed = p.stderr.read().strip()[-200:]
                return
            else:
                self.walks += 1
                self.seconds += time.monotonic() - begin
            p.stderr.close()
            p.wait()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def measure(b, size):
    """size: a store of bench/run's with its tarsierd."""
    alone, beside, walks = [], [], []
    for n in range(b.o.rounds):
        alone.append(b.load(size.server, *size.known_args, "--seed", 1 + n))
        with Listing(b, size.conf) as listing:
            beside.append(b.load(size.server, *size.known_args, "--seed", 1 + n))
        if listing.failed:
            raise RuntimeError(listing.failed)
        walks.append(listing)
    p99 = [statistics.median(v["rcpt_p99_us"] for v in runs) for runs in (alone, beside)]
    p50 = [statistics.median(v["rcpt_p50_us"] for v in runs) for runs in (alone, beside)]
    whole = sum(w.walks for w in walks)
    walked = f"{sum(w.seconds for w in walks) / whole:.1f} s a walk" if whole else "no walk has ended"
    b.row(f"RCPT of known tuples while `grey list` walks {size.tuples:,} records",
          f"p50 {p50[1]:.0f}, p99 {p99[1]:.0f} µs", f"alone p50 {p50[0]:.0f}, p99 {p99[0]:.0f} µs; {walked}",
          f"{p99[1] / p99[0]:.2f}", "p99 < 5 ms", p99[1] < 5000)
    b.remember(f"grey list beside {size.tuples:,}", *size.known_args)
