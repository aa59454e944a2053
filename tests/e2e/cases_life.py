"""tarsierd as its units run it: no root's rights, systemd's socket, one process after the other without anybody noticing."""

import os
import re
import signal
import socket
import threading

import lab as L
import unit
from case import case


def mailers(lab, stop):
    """Four servers that send one mail after the other until stop is set: [(threads), (what they were told)]."""
    told = []

    def send(number):
        while not stop.is_set():
            answer, end = lab.send(L.GOOD, "mail of %d" % number)
            told.append((answer, end))

    threads = [threading.Thread(target=send, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    return threads, told


@case("an upgrade: nobody is refused, 421 only to who is held, the next process serves who has waited", weight_sec=14)
def upgrade(lab, check):
    L.write("/etc/tarsier/tarsier.conf", L.conf(hold="60s"))
    at = unit.Socket(check)
    inode = os.stat(at.path).st_ino
    first = unit.start(lab, check, at)
    lab.postfix()
    with lab.client(L.DSL) as held:
        held.open()
        held.send("RCPT TO:<b@example.net>\r\n")
        check.log(lab.wait_log("held for"), "one is held", lab.log())
        stop = threading.Event()
        threads, told = mailers(lab, stop)
        for n in range(3):
            L.wait_until("mails", 10, lambda: len(told) >= 5 * (n + 1))
            lab.stop_tarsier()
            check.that(lab.tarsierd.returncode == 0, "process %d has ended well" % n, lab.tarsierd.returncode)
            if n == 0:
                check.reply(held.reply(), 421, "421 to who was held", most_sec=30)
            check.that(os.path.exists(at.path) and os.stat(at.path).st_ino == inode, "the socket's file stays")
            unit.start(lab, check, at)
        stop.set()
        for thread in threads:
            thread.join()
    check.that(lab.tarsierd.pid != first.pid, "another process by now")
    bad = [(a, e) for a, e in told if a.code != 250 or not e or e.code != 250]
    check.that(not bad, "each of %d mails was accepted" % len(told), bad[:5])
    check.that(not re.search(r"warning: .*milter|Milter service", lab.maillog()), "Postfix has seen no trouble", lab.maillog()[-1500:])
    check.that(lab.log().count("listening at unix:" + at.path) == 4, "four starts at that socket", lab.log()[-2000:])


@case("as the unit starts it: never root, no capability left, a file that only root may read is read", weight_sec=6)
def rights(lab, check):
    L.write("/etc/tarsier/tarsier.conf", L.conf(hold="2s"))
    os.chmod("/etc/tarsier/tarsier.conf", 0o600)
    at = unit.Socket(check)
    unit.start(lab, check, at)
    lab.postfix()
    status = L.read("/proc/%d/status" % lab.tarsierd.pid)
    check.that(not re.search(r"^[UG]id:.*\t0\b", status, re.M), "not root", status)
    check.that(re.search(r"^CapPrm:\t0+$", status, re.M) and re.search(r"^CapAmb:\t0+$", status, re.M), "no capabilities", status)
    answer, _ = lab.send(L.DSL, "held")
    check.reply(answer, 250, "a client is watched and held", least_sec=1.8, most_sec=5)
    check.that("cannot be watched" not in lab.log(), "the watch is there", lab.log())
    check.that("no control socket" not in lab.log(), "the control socket is there", lab.log())
    os.chmod("/etc/tarsier/tarsier.conf", 0o644)
    L.write("/etc/tarsier/tarsier.conf", L.conf(hold="3s"))
    status, said = unit.reload(lab)
    check.that(status == 0 and "in force, generation 2" in said, "the unit's reload ends when the new rules are in force", said)
    L.write("/etc/tarsier/tarsier.conf", "racl greylst default\n")
    status, said = unit.reload(lab)
    check.that(status != 0 and "tarsier.conf:1:6: error" in said, "of a broken file it fails and says where", said)
    check.that("generation 3" not in lab.log(), "and nothing is changed", lab.log())
    L.write("/etc/tarsier/tarsier.conf", L.conf(hold="2s"))
    lab.stop_tarsier()
    at.socket.close()
    os.unlink(at.path)
    unit.start(lab, check)
    found = os.stat(L.SOCKET)
    check.that(oct(found.st_mode & 0o777) == "0o660" and unit.grp.getgrgid(found.st_gid).gr_name == "postfix",
               "without tarsierd.socket it makes the socket, for Postfix's group", oct(found.st_mode))  # fmt: skip
    answer, _ = lab.send(L.GOOD, "own socket")
    check.reply(answer, 250, "and serves", most_sec=2)


@case("a socket whose file was removed is made again; the next process is told, and makes its own", weight_sec=10)
def orphan(lab, check):
    L.write("/etc/tarsier/tarsier.conf", L.conf())
    at = unit.Socket(check)
    unit.start(lab, check, at)
    lab.postfix()
    os.unlink(at.path)
    check.log(lab.wait_log("was removed: it is made again", 10), "the log says so", lab.log())
    answer, _ = lab.send(L.GOOD, "made again")
    check.reply(answer, 250, "mail flows", most_sec=2)
    lab.stop_tarsier()
    unit.start(lab, check, at)
    check.log(lab.wait_log("handed over is not used: .* does not lead to it"), "the next one says why it does not use systemd's", lab.log())
    answer, _ = lab.send(L.GOOD, "its own")
    check.reply(answer, 250, "mail flows", most_sec=2)


@case("a socket's directory that was removed: it says what to do, and serves as soon as it is there", weight_sec=12, expects="warning: milter")
def directory(lab, check):
    L.write("/etc/tarsier/tarsier.conf", L.conf())
    unit.start(lab, check)
    lab.postfix()
    where = os.path.dirname(L.SOCKET)
    os.unlink(L.SOCKET)
    os.rmdir(where)
    check.log(lab.wait_log("was removed, and it cannot be made again: cannot make the directory %s: Permission denied" % where, 10), "the log says why", lab.log())
    with lab.client(L.GOOD) as c:
        c.send("EHLO client.example.org\r\n")
        c.reply()
        c.send("MAIL FROM:<a@example.org>\r\n")
        answer = c.reply()
    check.reply(answer, 451, "meanwhile Postfix does what milter_default_action says", "4.7.1 Service unavailable", most_sec=2)
    unit.before("tarsierd.service", check)
    check.log(lab.wait_log("was removed: it is made again", 10), "with the directory the socket is there again", lab.log())
    answer, _ = lab.send(L.GOOD, "directory made")
    check.reply(answer, 250, "and mail flows, in the same process", most_sec=2)
    check.that(lab.tarsierd.poll() is None, "the same process")


@case("a broken file: who waits at systemd's socket is turned away at once, and served when it is mended", weight_sec=8, expects="warning: milter|tarsierd ended with 1")
def broken(lab, check):
    L.write("/etc/tarsier/tarsier.conf", "racl greylst default\n")
    at = unit.Socket(check)
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.settimeout(20)
        waiting.connect(at.path)
        unit.start(lab, check, at, wait=False)
        check.that(waiting.recv(1) == b"", "its connection is closed")
    check.that(lab.tarsierd.wait(10) == 1, "the start fails")
    check.log(lab.wait_log(r"tarsier\.conf:1:6: error: "), "and says where", lab.log())
    L.write("/etc/tarsier/tarsier.conf", L.conf())
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.settimeout(20)
        waiting.connect(at.path)
        waiting.sendall(b"\0\0\0\x0dO\0\0\0\6\0\0\1\xff\0\x1f\xff\xff")
        unit.start(lab, check, at)
        check.that(waiting.recv(5)[4:] == b"O", "who waits meanwhile is served")
    check.that(lab.tarsierd.send_signal(signal.SIGTERM) or lab.tarsierd.wait(10) == 0, "and it ends well")


@case("the manager is told: ready, reloading, the watchdog's beat, stopping", weight_sec=5)
def notify(lab, check):
    L.write("/etc/tarsier/tarsier.conf", L.conf())
    heard = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(L.ROOM + "/notify")
        os.chmod(L.ROOM + "/notify", 0o666)
        manager.settimeout(10)

        def hear(wanted):
            while not any(wanted in said for said in heard):
                heard.append(manager.recv(1000).decode())
            return True

        os.environ.update({"NOTIFY_SOCKET": L.ROOM + "/notify", "WATCHDOG_USEC": "200000"})
        try:
            unit.start(lab, check)
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
        check.that(hear("READY=1"), "ready", heard)
        check.that(hear("WATCHDOG=1"), "the watchdog's beat", heard)
        heard.clear()
        check.that(hear("WATCHDOG=1"), "and the next", heard)
        lab.tarsierd.send_signal(signal.SIGHUP)
        check.that(hear("RELOADING=1\nMONOTONIC_USEC="), "reloading", heard)
        check.that(hear("READY=1"), "ready again", heard)
        lab.tarsierd.send_signal(signal.SIGTERM)
        check.that(hear("STOPPING=1"), "stopping", heard)
        lab.tarsierd.wait(10)
