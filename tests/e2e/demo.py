#!/usr/bin/env python3
"""The demonstration behind `./run --demo`: four clients, a hold of five seconds, and what everybody says meanwhile.

On the left the SMTP dialogue, on the right tarsierd's log, in the order in which things happen. Everything runs in a lab
(lab.py), so nothing is left behind, also on Ctrl-C. Exit status 0 when all went as told.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import textwrap
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)

import lab as L  # noqa: E402

HOLD_SEC = 5
DELAY_SEC = 10


class Stage:
    """Two columns on one clock."""

    def __init__(self, width):
        self.start = time.monotonic()
        self.left = max(46, min(66, width // 2 - 6))
        self.right = max(40, width - self.left - 10)
        self.lock = threading.Lock()
        self.good = self.count = 0
        self.in_message = self.over = False

    def say(self, text, right=False):
        at = "%6.2f  " % (time.monotonic() - self.start)
        lines = textwrap.wrap(text, self.right if right else self.left, subsequent_indent="   ") or [""]
        with self.lock:
            for line in lines:
                print((at + " " * self.left + "| " + line) if right else (at + line.ljust(self.left) + "|").rstrip(" "))
                at = " " * 8
            sys.stdout.flush()

    def title(self, text):
        with self.lock:
            print("\n" + "=" * 8 + " " + text + "\n", flush=True)

    def note(self, who, text):
        sign = {"C": "client > ", "S": "server < ", "-": "       * "}[who]
        if who == "S" and re.match(r"250-", text):
            return  # EHLO's list says nothing here
        if who == "C" and self.in_message and text != ".":
            return
        self.in_message = who == "S" and text.startswith("354")
        self.say(sign + text)

    def verdict(self, good, text):
        time.sleep(0.3)  # let the log have its say first
        self.count += 1
        self.good += bool(good)
        with self.lock:
            print("%s%s %s" % (" " * 8, "-->" if good else "!!!", text), flush=True)


def follow_log(stage):
    """tarsierd's lines as they come, without their time: there is a clock on the left."""
    with open(L.ROOM + "/tarsierd.err", errors="replace") as log:
        rest = ""
        while True:
            rest += log.read(65536)
            *lines, rest = rest.split("\n")
            for line in lines:
                if not stage.over:
                    stage.say(re.sub(r"^\d{4}-\d\d-\S+ ", "", line), right=True)
            time.sleep(0.02)


def visit(lab, stage, source, subject, hang_up_after=None):
    """One delivery attempt; the reply to RCPT."""
    c = L.smtp.Client(source, L.MX, log=stage.note)
    c.open("friend@example.org")
    c.send("RCPT TO:<you@example.net>\r\n")
    answer = c.reply(timeout=60 if hang_up_after is None else hang_up_after)
    if hang_up_after is not None and answer.code == -2:
        c.fin()
        return answer
    if answer.code == 250:
        c.data(subject)
    c.quit()
    return answer


def play(lab, stage):
    stage.title("1. An ordinary server (%s): not a line of tarsier's applies" % L.GOOD_NAME)
    answer = visit(lab, stage, L.GOOD, "ordinary")
    stage.verdict(answer.code == 250 and answer.sec < 1 and lab.delivered("ordinary"), "let in at once, and delivered")

    stage.title("2. An end user's line that waits (%s): held for %d s, then let in" % (L.DSL_NAME, HOLD_SEC))
    answer = visit(lab, stage, L.DSL, "patient")
    stage.verdict(answer.code == 250 and answer.sec >= HOLD_SEC - 0.5 and lab.delivered("patient"), "held, let in, delivered")
    answer = visit(lab, stage, L.DSL, "again")
    stage.verdict(answer.code == 250 and answer.sec < 1, "remembered: not held the next time")

    stage.title("3. An end user's line that hangs up, and comes back too early: greylisted")
    first = time.monotonic()
    visit(lab, stage, L.pool(30), "early", hang_up_after=2)
    lab.settled()
    time.sleep(1)
    answer = visit(lab, stage, L.pool(30), "early")
    stage.verdict(answer.code == 451 and lab.not_delivered("early"), "nothing delivered; told to come back later")

    pause = first + DELAY_SEC + 1.5 - time.monotonic()
    stage.title("4. The same, back after the delay of %d s (in %.0f s): let in" % (DELAY_SEC, pause))
    time.sleep(max(0, pause))
    answer = visit(lab, stage, L.pool(30), "late")
    stage.verdict(answer.code == 250 and answer.sec < 1 and lab.delivered("late"), "let in at once, and delivered")


def inside(build, width):
    lab = None
    try:
        lab = L.Lab(daemon=build + "/src/daemon/tarsierd")
        stage = Stage(width)
        print("A private Postfix and tarsierd; the hold is %d s here (125 s as shipped), the greylisting delay %d s (30 min)."
              % (HOLD_SEC, DELAY_SEC))
        print("Left: client and Postfix. Right: tarsierd's log.\n", flush=True)
        lab.tarsier(L.conf(hold="%ds" % HOLD_SEC, greylist="%ds" % DELAY_SEC))
        lab.postfix()
        threading.Thread(target=follow_log, args=(stage,), daemon=True).start()
        play(lab, stage)
        stage.over = True
        print("\n%d of %d as it should be." % (stage.good, stage.count), flush=True)
        return 0 if stage.good == stage.count else 1
    except L.LabError as error:
        print("demo: %s" % error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if lab:
            lab.close()


def main():
    parser = argparse.ArgumentParser(description="what tarsier does, in half a minute")
    parser.add_argument("-b", dest="build", default=TOP + "/build", help="build directory")
    parser.add_argument("--inside", type=int, metavar="WIDTH", help=argparse.SUPPRESS)
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    if options.inside:
        return inside(build, options.inside)
    reason = L.missing()
    if reason:
        print("demo: not possible here: %s" % reason, file=sys.stderr)
        return 2
    width = shutil.get_terminal_size((132, 24)).columns
    child = L.enter([sys.executable, os.path.abspath(__file__), "-b", build, "--inside", str(width)], stdin=subprocess.DEVNULL)
    try:
        return child.wait()
    except KeyboardInterrupt:
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        print("\nended; nothing is left behind")
        return 130


if __name__ == "__main__":
    sys.exit(main())
