#!/usr/bin/env python3
"""How long `tarsier replay` takes for a made-up log, and how much memory.   bench/replay.py [-b BUILD] [-n DELIVERIES]

The log is 90 days of one Postfix: ordinary servers, a part without a name or with a line's name, refused mail, users' mail.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-b", dest="build", default=TOP + "/build", help="build directory")
    parser.add_argument("-n", type=int, default=1000000, help="deliveries")
    parser.add_argument("-s", "--suspects", type=float, default=0.02, help="share of suspects among them")
    parser.add_argument("--refused", type=float, default=1.0, help="refused attempts a delivery")
    return parser.parse_args()


def write_log(path, n, suspects, refused):
    rng = random.Random(1)
    span = 90 * 86400
    start = 1790000000
    days = {}
    with open(path, "w", buffering=1 << 20) as out:
        for i in range(n):
            at = start + i * span // n
            day = at // 86400
            if day not in days:
                days = {day: time.strftime("%Y-%m-%dT", time.gmtime(at))}
            stamp = "%s%02d:%02d:%02d.000000+00:00 mx postfix/" % (days[day], at // 3600 % 24, at // 60 % 60, at % 60)
            pid = 1000 + i % 50
            number = rng.randrange(1 << 24)
            a, b, c = number >> 16, number >> 8 & 255, number & 255
            for _ in range(int(refused + rng.random())):
                out.write("%ssmtpd[%d]: NOQUEUE: reject: RCPT from unknown[100.%d.%d.%d]: 554 5.7.1 Service unavailable; Client host "
                          "[100.%d.%d.%d] blocked using zen.example; from=<s%d@spam.example> to=<u%d@mx.example> proto=ESMTP "
                          "helo=<h>\n" % (stamp, pid, a & 63, b, c, a & 63, b, c, i, i % 100))
            if rng.random() < suspects:
                name, address = ("dsl-%d-%d-%d.isp%d.example" % (a, b, c, a), "110.%d.%d.%d" % (a, b, c)) \
                    if rng.random() < 0.5 else ("unknown", "120.%d.%d.%d" % (a, b, c))
            else:
                server = number % 20000
                name, address = "mail.d%d.example" % server, "90.%d.%d.1" % (server // 256, server % 256)
            who = "%s[%s]" % (name, address)
            queue = "4%07X" % (i & 0xfffffff)
            out.write("%ssmtpd[%d]: connect from %s\n%ssmtpd[%d]: %s: client=%s\n"
                      "%scleanup[7]: %s: message-id=<%d@x.example>\n"
                      "%sqmgr[3]: %s: from=<a%d@d%d.example>, size=9000, nrcpt=1 (queue active)\n"
                      "%slmtp[4]: %s: to=<u%d@mx.example>, relay=mx[private/lmtp], delay=0.1, delays=0/0/0/0.1, dsn=2.0.0, "
                      "status=sent (250 2.0.0 ok)\n%sqmgr[3]: %s: removed\n"
                      "%ssmtpd[%d]: disconnect from %s ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5\n" % (
                          stamp, pid, who, stamp, pid, queue, who, stamp, queue, i, stamp, queue, number % 7, number % 20000,
                          stamp, queue, i % 100, stamp, queue, stamp, pid, who))


def main():
    o = options()
    with tempfile.TemporaryDirectory(prefix="tarsier-replay-") as folder:
        path = folder + "/mail.log"
        write_log(path, o.n, o.suspects, o.refused)
        size = os.path.getsize(path)
        began = time.monotonic()
        done = subprocess.Popen([o.build + "/src/cli/tarsier", "replay", "-f", TOP + "/dist/tarsier.conf", path])
        _, status, usage = os.wait4(done.pid, 0)
        seconds = time.monotonic() - began
        print("\n%d deliveries, %d MB: %.1f s, CPU %.1f s, %d MiB at most" % (
            o.n, size // 1000000, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024))
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main())
