"""A store that cannot be used: tarsierd starts by the lines of its unit, mail flows, the log says what is wrong and what to do."""

import os
import pwd
import re
import shutil
import signal
import time

import lab as L
import unit
from case import case
from cases_grey import plain
from cases_hold import COME_BACK

STORE = "/var/lib/tarsier"
DATA = STORE + "/data.mdb"
PAGE = 4096


def start_by_unit(lab, check):
    """What systemd does."""
    unit.start(lab, check)


def tuples(lab, check, first, count):
    """Clients that are put off."""
    for n in range(first, first + count):
        check.reply(lab.greylisted(L.pool(n)), 451, "client %d is put off" % n, COME_BACK)


def filled(lab, check):
    L.write("/etc/tarsier/tarsier.conf", plain())
    lab.postfix()
    start_by_unit(lab, check)
    tuples(lab, check, 1, 3)
    time.sleep(1.1)  # so that from here on a first sight has another text
    lab.stop_tarsier()


def flows(lab, check, what, pool, said):
    """tarsierd starts, somebody new is let in, and the log has these words."""
    begin = len(lab.log())
    start_by_unit(lab, check)
    check.reply(lab.greylisted(L.pool(pool)), 250, "%s: mail flows" % what, most_sec=5)
    for words in said:
        check.that(re.search(words, lab.log()[begin:]), "%s: the log says %s" % (what, words), lab.log()[begin:])
    check.that(re.search("mail flows without the store", lab.log()[begin:]), "%s: and that mail flows" % what)


def remembers(lab, check, what):
    """Those of filled() are known: their time runs since then."""
    for n in range(1, 4):
        check.reply(lab.greylisted(L.pool(n)), 451, "%s: client %d is known" % (what, n), r"in 00:29:\d\d", most_sec=5)


def owned(path, uid):
    for name in [path] + [os.path.join(path, n) for n in os.listdir(path)]:
        os.chown(name, uid, uid)


@case("a store that may not be written, or is another's or another version's: mail flows, and it is told what to do", weight_sec=20)
def store_refused(lab, check):
    filled(lab, check)
    user = pwd.getpwnam("tarsier").pw_uid
    owned(STORE, 0)
    os.chown(STORE, user, user)
    flows(lab, check, "another's files", 10, [r"Permission denied", r"belongs to uid 0", r"chown -R"])
    owned(STORE, user)
    check.log(lab.wait_log("store %s: open again" % STORE, 40), "given back it is open without a restart", lab.log())
    remembers(lab, check, "given back")
    lab.stop_tarsier()

    shutil.copytree(STORE, L.ROOM + "/kept")
    owned(L.ROOM + "/kept", user)
    L.run("mount", "--bind", L.ROOM + "/kept", STORE)
    L.run("mount", "-o", "remount,bind,ro", STORE)
    flows(lab, check, "read-only", 11, [r"Read-only file system", r"mount it for writing"])
    L.run("mount", "-o", "remount,bind,rw", STORE)
    check.log(lab.wait_log("store %s: open again" % STORE, 40, count=2), "writable it is open without a restart", lab.log())
    remembers(lab, check, "writable")
    lab.stop_tarsier()
    L.run("umount", STORE)

    version = open(DATA, "r+b")
    kept = version.read()
    for page in (0, 1):
        version.seek(page * PAGE + 20)
        version.write(b"\x09")
    version.close()
    flows(lab, check, "another version's", 12, [r"written by another version"])
    lab.stop_tarsier()
    check.that(not os.path.exists(STORE + "/damaged.1.mdb"), "none of these is taken for damage", os.listdir(STORE))
    with open(DATA, "wb") as out:
        out.write(kept)

    shutil.rmtree(STORE)
    L.write(STORE, "no directory\n")
    flows(lab, check, "a file in its place", 13, [r"Not a directory|File exists", r"move that away"])
    lab.stop_tarsier()
    os.unlink(STORE)


@case("a disk that is full at the first start: mail flows, and with room there is a store", weight_sec=10)
def store_first_full(lab, check):
    L.write("/etc/tarsier/tarsier.conf", plain())
    lab.postfix()
    os.makedirs(STORE)
    user = pwd.getpwnam("tarsier")
    L.run("mount", "-t", "tmpfs", "-o", "size=8k,mode=700,uid=%d,gid=%d" % (user.pw_uid, user.pw_gid), "tmpfs", STORE)
    flows(lab, check, "full", 10, [r"No space left on device", r"make room"])
    L.run("mount", "-o", "remount,size=8m", STORE)
    check.log(lab.wait_log("store %s: open again" % STORE, 40), "with room it is open without a restart", lab.log())
    check.reply(lab.greylisted(L.pool(11)), 451, "and greylisting is back", COME_BACK)
    check.that(lab.tarsierd.poll() is None, "it is the same process")


@case("a damaged store: mail flows, it is looked at twice, what is whole is kept", weight_sec=20)
def store_damaged(lab, check):
    filled(lab, check)
    flaws = [("a damaged header", 0), ("the other header", 1), ("all branches and the first leaves", None)]
    for n, (what, page) in enumerate(flaws):
        with open(DATA, "r+b") as data:
            pages = os.fstat(data.fileno()).st_size // PAGE
            for at in [page] if page is not None else range(2, pages):
                data.seek(at * PAGE)
                head = data.read(PAGE)
                if page is not None or head[10:12] == b"\x01\0":
                    data.seek(at * PAGE)
                    data.write(os.urandom(PAGE))
            if page is None:
                data.seek(PAGE)
                data.write(b"\0" * PAGE)
        begin = len(lab.log())
        start_by_unit(lab, check)
        check.that(lab.greylisted(L.pool(20 + n)).code in (250, 451), "%s: mail flows" % what)
        check.log(lab.wait_log("kept as damaged.1.mdb", 20, count=n + 1), "%s: it is exchanged" % what, lab.log()[begin:])
        check.log(lab.wait_log("store %s: open again" % STORE, 20, count=n + 1), "%s: and open" % what, lab.log()[begin:])
        check.that("looked at once more" in lab.log()[begin:], "after a second look", lab.log()[begin:])
        remembers(lab, check, what)
        lab.stop_tarsier()
    kept = sorted(n for n in os.listdir(STORE) if n.startswith("damaged"))
    check.that(kept == ["damaged.1.mdb", "damaged.2.mdb"], "two damaged ones are kept", kept)
    start_by_unit(lab, check)
    lab.tarsierd.send_signal(signal.SIGKILL)
    lab.tarsierd.wait()
    begin = len(lab.log())
    start_by_unit(lab, check)
    check.that("looked at" not in lab.log()[begin:], "kill -9 costs no look", lab.log()[begin:])
    remembers(lab, check, "after kill -9")


@case("a store that brings tarsierd down does so once", weight_sec=12, expects="warning: milter unix:|tarsierd ended with")
def store_fatal(lab, check):
    filled(lab, check)
    start_by_unit(lab, check)
    os.truncate(DATA, 3 * PAGE)
    lab.greylisted(L.pool(1))
    check.that(L.wait_until("the end", 10, lambda: lab.tarsierd.poll() is not None), "a file cut off under it ends it")
    check.that(lab.tarsierd.returncode == -signal.SIGBUS, "with SIGBUS", lab.tarsierd.returncode)
    start_by_unit(lab, check)
    check.that(lab.greylisted(L.pool(2)).code in (250, 451), "started again: mail flows, without the store or with the new one")
    check.log(lab.wait_log("has brought tarsierd down", 10), "it knows why it ended", lab.log())
    check.log(lab.wait_log("kept as damaged.1.mdb", 20), "and makes a new store", lab.log())
    check.log(lab.wait_log("store %s: open again" % STORE, 10), "which is open", lab.log())
    check.reply(lab.greylisted(L.pool(30)), 451, "greylisting is back", COME_BACK)
    check.that(lab.tarsierd.poll() is None, "and stays")


@case("a store removed while it runs is made anew", weight_sec=10)
def store_removed(lab, check):
    filled(lab, check)
    start_by_unit(lab, check)
    for name in os.listdir(STORE):
        if not os.path.isdir(os.path.join(STORE, name)):  # the journal is another thing
            os.unlink(os.path.join(STORE, name))
    check.log(lab.wait_log("somebody has removed or replaced its data.mdb", 10), "it is noticed", lab.log())
    check.log(lab.wait_log("made anew, and empty", 10), "and made anew", lab.log())
    check.reply(lab.greylisted(L.pool(1)), 451, "greylisting goes on", r"in 00:30:00")
    shutil.rmtree(STORE)
    check.log(lab.wait_log("make the directory, or restart tarsierd", 10), "a directory that it may not make: it says so", lab.log())
    check.reply(lab.greylisted(L.pool(2)), 250, "mail flows")
    os.makedirs(STORE, mode=0o700)
    user = pwd.getpwnam("tarsier").pw_uid
    os.chown(STORE, user, user)
    check.log(lab.wait_log("made anew, and empty", 40, count=2), "made by hand, it is there again", lab.log())
    check.reply(lab.greylisted(L.pool(3)), 451, "and used", COME_BACK)
