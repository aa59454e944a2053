#!/usr/bin/env python3
"""commands.py - `tarsier detect`, `import milter-manager` and `explain` as processes; what README says to write.

    commands.py TARSIER TARSIERD MANAGER     TAP on standard output. Needs no root. MANAGER: what --show-config prints.

detect/NAME is a machine's tree and detect/NAME.want what is said of it; sockets, which a repository cannot hold, are made here.
"""

import gzip
import json
import os
import random
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import program
from program import case, check

TARSIER, TARSIERD, MANAGER = sys.argv[1:4]
HERE = os.path.dirname(os.path.abspath(__file__))
DIR = program.directory("tarsier-")

def run(*arguments, stdin="", environment=None):
    done = subprocess.run([TARSIER, *arguments], input=stdin, capture_output=True, text=True, errors="replace", timeout=60,
                          env={**os.environ, **(environment or {})})
    return done.returncode, done.stdout, done.stderr


def detect(root):
    status, out, err = run("detect", "--root", root)
    check(status == 0 and err == "", (status, err))
    return out


def loads(text):
    """Whether tarsierd takes it; files that it includes are not here, and it could not start: its users and directories are not."""
    path = DIR + "/tarsier.conf"
    with open(path, "w") as conf:
        conf.write("".join(line for line in text.splitlines(True) if not line.startswith("include")))
    done = subprocess.run([TARSIERD, "--show-config", "-f", path], capture_output=True, text=True, timeout=60)
    return done.returncode == 0, done.stderr


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(content if isinstance(content, bytes) else content.encode())


# ---- detect ----


@case
def tells_of_each_tree():
    for name in ("debian", "redhat"):
        with open("%s/detect/%s.want" % (HERE, name)) as want:
            got, wanted = detect("%s/detect/%s" % (HERE, name)), want.read()
        check(got == wanted, "%s:\n%s" % (name, got))
        check(*loads(got))


@case
def says_that_there_is_nothing():
    os.mkdir(DIR + "/empty")
    check(detect(DIR + "/empty") == "# No milter was found on this machine.\n", "an empty tree")
    check(detect(DIR + "/no/such/tree") == "# No milter was found on this machine.\n", "no tree")
    check(run("detect")[0] == 0, "this machine")


@case
def takes_no_other_arguments():
    check(run("detect", "x")[0] == 2, "an argument")
    check(run("detect", "--rot", "x")[0] == 2, "a misspelled option")
    check(run("detect", "--root")[0] == 2, "no directory")


def postfix_tree(root, main="", options="", columns=""):
    """What a postconf of our own answers for the tree; the environment in which it is found before any other."""
    write(DIR + "/bin/postconf", '#!/bin/sh\ntest "$1" = -c && cat "$2/answer$3"\n')
    os.chmod(DIR + "/bin/postconf", 0o755)
    write(root + "/etc/postfix/main.cf", "")
    write(root + "/etc/postfix/answer-x", main)
    write(root + "/etc/postfix/answer-xP", options)
    write(root + "/etc/postfix/answer-F", columns)
    return {"PATH": DIR + "/bin:" + os.environ["PATH"]}


@case
def says_who_asks_each_milter():
    root = DIR + "/use"
    for name in ("opendkim", "opendmarc", "clamav-milter"):
        write("%s/usr/sbin/%s" % (root, name), "")
    write(root + "/etc/opendkim.conf", "Socket inet:8891@localhost\n")
    write(root + "/etc/opendmarc.conf", "Socket inet:8893@localhost\n")
    write(root + "/etc/clamav/clamav-milter.conf", "MilterSocket inet:7357\n")
    environment = postfix_tree(
        root,
        "smtpd_milters = unix:tarsier/tarsier.sock, { inet:127.0.0.1:8891, default_action=accept } unix:x/own.sock\n"
        "non_smtpd_milters = inet:localhost:8891\nsmtpd_milter_maps =\nqueue_directory = /q\n",
        "submission/inet/smtpd_milters = inet:localhost:8893 unix:y/own.sock\nsmtps/inet/smtpd_milters =\n",
        "smtp/inet/chroot = y\nsubmission/inet/chroot = n\n",
    )
    write(
        root + "/etc/tarsier/tarsier.conf",
        'listen "unix:/q/tarsier/tarsier.sock"\nfilter "dkim" {\n    connect "inet:8891@localhost"\n}\ninclude "/etc/tarsier/conf.d/*.conf"\n',
    )
    write(root + "/etc/tarsier/conf.d/a.conf", 'filter "virus" {\n    connect "inet:7357@127.0.0.1"\n    enabled no\n}\n')
    status, out, err = run("detect", "--root", root, environment=environment)
    check(status == 0 and err == "", (status, err))
    for wanted in (
        "# Postfix (%s/etc/postfix) asks:\n" % root,
        "\n#     smtpd_milters: unix:tarsier/tarsier.sock is tarsierd\n",
        '\n#     smtpd_milters: inet:127.0.0.1:8891 is opendkim, which tarsierd leads already (filter "dkim")\n',
        "\n#     smtpd_milters: unix:x/own.sock is not known here\n",
        "\n#     non_smtpd_milters: inet:localhost:8891 is opendkim, which",
        "\n#     submission/inet smtpd_milters: inet:localhost:8893 is opendmarc\n",
        "\n#     smtps/inet smtpd_milters: nobody: its own list is empty\n",
        '\n# led by tarsierd already: filter "dkim" in %s/etc/tarsier/tarsier.conf:2\n' % root,
        "\n# ATTENTION: Postfix asks it too (smtpd_milters): take it out there\n",
        "\n# Postfix asks it now (submission/inet): take it out there when the block is in force\n",
        '\n# led by tarsierd already: filter "virus" in %s/etc/tarsier/conf.d/a.conf:1, but `enabled no` stands there\n' % root,
        'filter "opendmarc" {\n', 'filter "own" {\n    connect "unix:/q/x/own.sock"\n', 'filter "own-6" {\n    connect "unix:/q/y/own.sock"\n',
    ):
        check(wanted in out, "%r in\n%s" % (wanted, out))
    check("not among them" not in out and 'filter "opendkim"' not in out and 'filter "clamav' not in out, out)
    check(*loads(out))
    # What cannot be looked at is said, and the rest is told as before.
    postfix_tree(root, "smtpd_milters =\nsmtpd_milter_maps = cidr:/etc/postfix/m\n")
    write(root + "/etc/tarsier/tarsier.conf", "nonsense\n")
    status, out, err = run("detect", "--root", root, environment=environment)
    check(status == 0 and "asks no milter.\n# tarsierd is not among them: tarsier setup postfix\n" in out and "tarsier.conf has errors" in out, out)
    check("# smtpd_milter_maps is set in main.cf" in out and "# neither Postfix asks it now nor tarsierd\n" in out, out)
    check('filter "opendkim" {\n' in out, out)
    os.unlink(root + "/etc/postfix/answer-xP")
    status, out, err = run("detect", "--root", root, environment=environment)
    check(status == 0 and "# Whom Postfix asks is not known: postconf failed (exit status 1)" in out, out)
    check("neither Postfix" not in out and 'filter "opendkim" {\n' in out, out)
    # A directory and a file that are named.
    postfix_tree(DIR + "/other", "smtpd_milters = inet:localhost:8893\n")
    write(DIR + "/other/t.conf", 'filter "p" {\n    connect "inet6:8893@::1"\n}\n')
    status, out, err = run("detect", "--root", root, "-c", DIR + "/other/etc/postfix", "-f", DIR + "/other/t.conf", environment=environment)
    check(status == 0 and 'is opendmarc, which tarsierd leads already (filter "p")\n' in out, out)


def socket_tree(name, uid, groups):
    """A tree with OpenDKIM's socket in run/opendkim; tarsier has this uid, and these groups of the runner's are its own."""
    root = "%s/%s" % (DIR, name)
    write(root + "/usr/sbin/opendkim", "")
    write(root + "/etc/opendkim.conf", "Socket local:/run/opendkim/opendkim.sock\n")
    write(root + "/etc/passwd", "nonsense\n:::\ntarsier:x:%d:65000::/:/bin/false\n" % uid)
    write(root + "/etc/group", "opendkim:x:%d:%s\n" % (os.getgid() or 64999, groups))
    os.makedirs(root + "/run/opendkim")
    here = os.getcwd()
    os.chdir(root + "/run/opendkim")  # a socket's path is short
    socket.socket(socket.AF_UNIX).bind("opendkim.sock")
    os.chdir(here)
    if os.getgid() == 0:
        for path in ("/run/opendkim", "/run/opendkim/opendkim.sock"):
            os.chown(root + path, 0, 64999)
    return root


@case
def looks_at_the_sockets_rights():
    table = [
        # directory, socket, member?, what is said
        (0o755, 0o777, False, None),
        (0o755, 0o770, True, None),
        (0o750, 0o660, True, None),
        (0o755, 0o770, False, "tarsier may not write to /run/opendkim/opendkim.sock (mode 770): usermod -aG opendkim tarsier"),
        (0o750, 0o666, False, "tarsier may not enter /run/opendkim (mode 750): usermod -aG opendkim tarsier"),
        (0o755, 0o755, True, "tarsier may not write to /run/opendkim/opendkim.sock (mode 755): its group opendkim needs the right"),
    ]
    for i, (directory, mode, member, said) in enumerate(table):
        root = socket_tree("socket%d" % i, 65001, "root,tarsier" if member else "root")
        os.chmod(root + "/run/opendkim/opendkim.sock", mode)
        os.chmod(root + "/run/opendkim", directory)
        out = detect(root)
        check(("ATTENTION" in out) == bool(said) and (not said or said in out), (i, out))
    both = socket_tree("both", 65001, "root")  # as amavisd-milter's is by default: to join the group is not enough
    os.chmod(both + "/run/opendkim/opendkim.sock", 0o755)
    os.chmod(both + "/run/opendkim", 0o750)
    out = detect(both)
    said = ("enter /run/opendkim (mode 750): usermod -aG opendkim", "write to /run/opendkim/opendkim.sock (mode 755): its group opendkim needs")
    check(all(out.count("# ATTENTION: tarsier may not " + one) == 1 for one in said), out)
    os.unlink(both + "/run/opendkim/opendkim.sock")
    out = detect(both)
    check("may not enter /run/opendkim (" in out and "\n# ATTENTION: /run/opendkim/opendkim.sock does not exist" in out, out)
    own = socket_tree("own", os.getuid(), "")
    os.chmod(own + "/run/opendkim/opendkim.sock", 0o600)
    check("ATTENTION" not in detect(own), "the owner")
    os.unlink(own + "/run/opendkim/opendkim.sock")
    check("/run/opendkim/opendkim.sock does not exist" in detect(own), "no socket")
    write(own + "/run/opendkim/opendkim.sock", "")
    check("/run/opendkim/opendkim.sock is no socket" in detect(own), "a file")


@case
def stays_below_the_root():
    root = socket_tree("link", 65001, "root")
    os.chmod(root + "/run/opendkim/opendkim.sock", 0o777)
    os.chmod(root + "/run/opendkim", 0o755)
    os.mkdir(root + "/var")
    os.symlink("/run", root + "/var/run")  # as in Debian
    write(root + "/etc/opendkim.conf", "Socket local:/var/run/opendkim/opendkim.sock\n")
    check("ATTENTION" not in detect(root), detect(root))
    os.unlink(root + "/run/opendkim/opendkim.sock")
    check("/run/opendkim/opendkim.sock does not exist" in detect(root), detect(root))


@case
def reads_as_debians_scripts_do():
    root = DIR + "/scripts"
    for name in ("amavisd-milter", "clamav-milter", "spamass-milter"):
        write("%s/usr/sbin/%s" % (root, name), "")
        write("%s/etc/init.d/%s" % (root, name), "")
        os.makedirs(root + "/etc/rc2.d", exist_ok=True)
        os.symlink("../init.d/" + name, "%s/etc/rc2.d/S01%s" % (root, name))
    out = detect(root)
    check(out.count("; enabled\n") == 3 and "enabled no" not in out, out)
    for name, address in (("amavisd-milter", "/var/lib/amavis/amavisd-milter.sock"), ("spamass-milter", "/run/spamass/spamass.sock")):
        check('filter "%s" {\n    connect "unix:%s"\n' % (name, address) in out, (name, out))
    # the options stand last on the command line
    write(root + "/etc/default/spamass-milter", 'SOCKET=/run/one.sock\nOPTIONS="-u x -p inet:783@127.0.0.1"\nOPTIONS="${OPTIONS} -r 15"\n')
    write(root + "/etc/default/amavisd-milter", 'MILTERSOCKET=/run/one.sock\nEXTRAPARAMS="-d 1 -s inet:60001@127.0.0.1"\n')
    out = detect(root)
    check('connect "inet:783@127.0.0.1"' in out and 'connect "inet:60001@127.0.0.1"' in out, out)
    write(root + "/etc/default/spamass-milter", 'SOCKET=/run/one.sock\nOPTIONS="-u x"\n')
    write(root + "/etc/default/amavisd-milter", 'MILTERSOCKET=/run/two.sock\nEXTRAPARAMS=""\n')
    out = detect(root)
    check('connect "unix:/run/one.sock"' in out and 'connect "unix:/run/two.sock"' in out, out)
    # the mask of the unit that systemd makes of a script
    os.makedirs(root + "/etc/systemd/system")
    os.symlink("/dev/null", root + "/etc/systemd/system/clamav-milter.service")
    out = detect(root)
    check("# clamav-milter: /etc/init.d/clamav-milter; masked: systemctl unmask clamav-milter\n" in out, out)


@case
def is_not_upset_by_odd_files():
    seed = int(os.environ.get("TARSIER_SEED", random.randrange(1 << 32)))
    print("# TARSIER_SEED=%d" % seed)
    draw = random.Random(seed)
    files = ["etc/opendkim.conf", "etc/default/opendkim", "usr/lib/systemd/system/opendkim.service", "etc/clamav/clamav-milter.conf",
             "etc/systemd/system/opendkim.service.d/x.conf", "etc/rspamd/local.d/worker-proxy.inc", "etc/default/spamass-milter",
             "etc/milter-greylist/greylist.conf", "etc/passwd", "etc/group"]
    words = [b"Socket ", b"SOCKET=", b"ExecStart=", b"-p ", b"[Service]\n", b"$SOCKET", b"${", b"}", b"{", b'"', b"'", b"\\\n", b"\n", b"\0",
             b"\xff\x1b[31m", b"inet:25@", b"unix:/", b"bind_socket = ", b";", b"tarsier:x:1:1:::\n", b"A" * 9000, b"EnvironmentFile=/etc/passwd\n"]
    for number in range(8):
        root = "%s/odd%d" % (DIR, number)
        for path in files:
            write("%s/%s" % (root, path), b"".join(draw.choice(words) for _ in range(draw.randrange(60))))
        for program in ("opendkim", "clamav-milter", "rspamd", "spamass-milter"):
            write("%s/usr/sbin/%s" % (root, program), "")
        out = detect(root)
        check(not any(ord(c) < 32 and c != "\n" for c in out), (number, out))
        ok, said = loads(out)
        check(ok, (number, out, said))
    root = DIR + "/stranger"
    os.makedirs(root + "/etc/opendkim.conf")  # a directory
    os.makedirs(root + "/usr/lib/systemd/system/opendkim.service")
    os.makedirs(root + "/etc/default")
    os.mkfifo(root + "/etc/default/opendkim")
    os.makedirs(root + "/etc/clamav")
    os.symlink("clamav-milter.conf", root + "/etc/clamav/clamav-milter.conf")  # onto itself
    write(root + "/etc/opendmarc.conf", b"x" * (3 << 20))  # above what is read
    for program in ("clamav-milter", "opendmarc"):
        write("%s/usr/sbin/%s" % (root, program), "")
    check(detect(root).count("\n#filter ") == 3, detect(root))


# ---- the command line ----


@case
def helps_with_each_command():
    status, out, err = run("help", "--mdoc")
    names = re.findall(r"^\.It Ic (\S+(?: [a-z]+)?)(?: Ar .*)?$", out, re.M)
    check(len(names) > 30 and "grey list" in names and "status" in names, names)
    for name in names:
        for words in (name.split() + ["--help"], name.split() + ["x", "-h"], ["help"] + name.split(), ["--help"] + name.split()):
            status, out, err = run(*words)
            check(status == 0 and err == "" and re.search(r"^(usage:)? +tarsier %s\b" % name, out, re.M), (words, status, out, err))
            check(all(len(line) <= 80 for line in out.splitlines()), out)
        status, out, err = run(*name.split(), "--nonsense")
        check(status == 2 and out == "" and err.startswith("tarsier %s: unrecognized option '--nonsense'\nusage: " % name), (name, status, err))
        check(len(err.splitlines()) < 24, "the error stays on the screen: " + err)
        status, out, err = run(*name.split(), *"abcdefghij")
        check(status in (1, 2), (name, status, out, err))
        check(status == 1 or err.startswith("tarsier %s: " % name) and "usage: " in err, (name, err))
    for first, seconds in (("grey", "list|show|delete|flush"), ("show", "config"), ("holds", "release|drop")):
        status, out, err = run("help", first)
        check(status == 0 and len(re.findall("tarsier %s (%s)" % (first, seconds), out)) >= len(seconds.split("|")), out)
    for words, said in (
        (["gray"], 'no command "gray"'),
        (["statsu"], 'did you mean "status"?'),
        (["grey"], 'tarsier: "grey" takes a second word\nusage:\n  tarsier grey list '),
        (["grey"], "\n  tarsier grey flush "),
        (["grey", "lsit"], 'did you mean "grey list"?'),
        (["help", "nonsense"], 'no command "nonsense"\nAll commands: tarsier help\n'),
        (["-f", "x", "status"], "options stand behind the command, such as: tarsier status -f"),
    ):
        status, out, err = run(*words)
        check(status == 2 and out == "" and said in err, (words, status, out, err))
    check(run()[0] == 2, "no words")


# ---- replay ----

SHIPPED = """filter "greylist" {
    builtin greylist
    when generic_rdns or unknown_client
}
autowhite 35d
racl whitelist tarpit 125s
racl greylist default
"""


@case
def replays_a_trace():
    conf, trace = DIR + "/shipped.conf", DIR + "/trace.tsv"
    write(conf, SHIPPED)
    rows = ["time\taddress\tname\tsender\trecipient"]
    rows += ["%d\t192.0.2.%d\t%s\ta@example.com\tb@example.net" % row for row in (
        (1700000000, 1, "mail.example.com"), (1700000000, 2, "unknown"), (1700000060, 2, "unknown"),
        (1700090000, 2, "unknown"), (1700090001, 1, "mail.example.com"), (1700090002, 3, "dsl3.isp.example"))]
    write(trace, "\n".join(rows) + "\n")
    with gzip.open(trace + ".gz", "wb") as out:
        out.write("\n".join(rows).encode())
    for path, stdin in (trace, ""), (trace + ".gz", ""), ("-", "\n".join(rows)):
        status, out, err = run("replay", "-f", conf, "--format", "trace", "--json", path, stdin=stdin)
        said = json.loads(out)
        check(status == 0 and err == "", (status, err))
        want = {"deliveries": 6, "suspects": 4, "held": 2, "held_low": 2, "deferred": 2, "deferred_low": 0,
                "deferred_bound": 3, "delay_p50_min": 30, "lines": 7, "unread": 0}
        check(all(said[key] == want[key] for key in want), (path, said))
        check(said["by_rule"]["generic_rdns"]["deferred"] == 1, said)
    said = json.loads(run("replay", "-f", conf, "--format", "trace", "--warm-up", "1d", "--json", trace)[1])
    check((said["deliveries"], said["deferred"], said["warm_up_deliveries"]) == (3, 1, 3), said)
    for wrong in [], ["--retry", "x", trace], ["--format", "tsv", trace], ["--warm-up", "9999999999w", trace]:
        status, out, err = run("replay", "-f", conf, *wrong)
        check(status == 2 and out == "" and "usage: tarsier replay" in err, (wrong, status, out, err))
    status, out, err = run("replay", "-f", conf, "--format", "trace", DIR + "/none.tsv")
    check(status == 1 and "cannot read" in err, (status, out, err))


def logs(name):
    """The files of replay/NAME, as a machine has them: the older one compressed; without years its own time tells."""
    folder = os.path.join(DIR, "replay-" + name)
    paths = []
    for entry in sorted(os.listdir(os.path.join(HERE, "replay"))):
        if not entry.startswith(name + ".log"):
            continue
        path = os.path.join(folder, entry)
        with open(os.path.join(HERE, "replay", entry), "rb") as log:
            content = log.read()
        packed = entry.endswith(".2")
        write(path + (".gz" if packed else ""), gzip.compress(content) if packed else content)
        paths.append(path + (".gz" if packed else ""))
        os.utime(paths[-1], (1799150400 if entry.endswith(".log") else 1798800000,) * 2)  # 2027-01-05, 2027-01-01
    return paths


def replay(conf, *arguments, stdin=""):
    done = subprocess.run([TARSIER, "replay", "-f", conf, *arguments], input=stdin, capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, TZ="UTC"))
    return done.returncode, done.stdout, done.stderr


@case
def replays_logs():
    conf = DIR + "/shipped.conf"
    write(conf, SHIPPED)
    paths = logs("mx")
    with open(os.path.join(HERE, "replay", "mx.want")) as want:
        screen = want.read()
    for order in paths, paths[::-1]:
        status, out, err = replay(conf, *order)
        check((status, err) == (0, ""), (status, err))
        check(out == screen, "want\n%s\ngot\n%s" % (screen, out))
    check(all(len(line) <= 80 for line in screen.splitlines()), screen)
    said = json.loads(replay(conf, "--json", *paths)[1])
    want = {"deliveries": 6, "suspects": 4, "held": 3, "held_low": 2, "deferred": 3, "deferred_bound": 4, "refused": 5,
            "refused_suspects": 4, "users": 2, "local": 1, "seen_before": 1, "unfinished": 1, "unread": 2, "helo_known": 1,
            "perhaps_temp": 1}
    check(said["correspondents"] == {"deliveries": 2, "suspects": 2, "held": 1, "deferred": 1, "held_low": 1, "deferred_low": 0,
                                     "held_bound": 1, "deferred_bound": 2}, said["correspondents"])
    check(all(said[key] == want[key] for key in want), (said, {k: said[k] for k in want}))
    # as one log of standard input; a year that is missing is this one or the last one, whatever that is
    text = "".join(gzip.open(p, "rt").read() if p.endswith(".gz") else open(p).read() for p in paths[::-1])
    said = json.loads(replay(conf, "--json", "-", stdin=text)[1])
    check((said["deliveries"], said["suspects"]) == (6, 4), said)
    # lines that several machines have written at the same time, each into its own file, are one log
    rng = random.Random(7)
    parts = [[], [], []]
    second = None
    with open(paths[0]) as log:
        for line in log:
            if line[:19] != second:  # the order of lines of one second is that of their file
                second, part = line[:19], rng.choice(parts)
            part.append(line)
    split = [os.path.join(DIR, "split-%d.log" % i) for i in range(len(parts))]
    for path, part in zip(split, parts):
        write(path, "".join(part))
    check(all(parts) and replay(conf, "--json", *split) == replay(conf, "--json", paths[0]), "merged by time")
    # what the list of those who are let in by hand spares
    write(DIR + "/allowing.conf", 'store "%s"\nuser "nobody"\n' % (DIR + "/state") + SHIPPED)
    check(run("allow", "add", "-f", DIR + "/allowing.conf", "dsl-198-51-100-23.werk.example")[0] == 0, "allowed")
    said = json.loads(replay(DIR + "/allowing.conf", "--json", *paths)[1])
    check((said["suspects"], said["held"], said["deferred_bound"]) == (4, 2, 2), said)
    status, out, err = replay(conf, "--show-unread", *paths)
    check(err == "       2  postfix/smtpd[17]: something that nobody knows of 4711\n", err)
    status, out, err = replay(conf, *paths, DIR + "/none.log")
    check(status == 1 and "accepted" in out and "cannot read %s/none.log: No such file" % DIR in err, (status, out, err))
    master, terminal = os.openpty()
    done = subprocess.run([TARSIER, "replay", "-f", conf, *paths], stdout=subprocess.PIPE, stderr=terminal, text=True, timeout=60)
    shown = os.read(master, 4096).decode()
    check(done.returncode == 0 and re.match(r"\r\[(?=.{40}\])#* *\] +\d+ %  1 lines\r\x1b\[K$", shown), repr(shown))
    os.close(master), os.close(terminal)
    status, out, err = replay(conf, "-", stdin="")
    check(status == 0 and out.startswith("nothing to replay: 0 lines"), (status, out, err))


# ---- judge ----


def vectors():
    with open(os.path.join(os.path.dirname(HERE), "match", "generic_vectors.tsv")) as table:
        return [line.rstrip("\n").split("\t") for line in table][1:]


def empty_conf():
    write(DIR + "/empty.conf", "racl greylist default\n")
    return DIR + "/empty.conf"


@case
def judges_a_name():
    conf = empty_conf()
    said = run("judge", "-f", conf, "203-0-113-45.static.isp.example.net", "203.0.113.45")
    check(said == (0, "+4 the name spells the four numbers of the address\n+2 weak words of a line: isp, static\n"
                   "= 6 points: selected (from 3 on a name is selected)\n", ""), said)
    said = run("judge", "-f", conf, "mail.example.com", "2001:db8::7")
    check(said == (0, "nothing found: 0 points: not selected (from 3 on a name is selected)\n", ""), said)
    said = run("judge", "-f", conf, "dsl1.example.com", "-")
    check(said[0] == 0 and said[1].endswith("= 3 points: selected (from 3 on a name is selected)\n"), said)
    for wrong in (["x"], ["x", "y"], ["x", "192.0.2.1", "z"], ["-x"], [], ["-f"]):
        status, out, err = run("judge", "-f", conf, *wrong)
        check(status == 2 and out == "" and "usage: tarsier judge" in err, (wrong, status, out, err))
    check(run("judge", "-f", DIR + "/none.conf", "x", "192.0.2.1")[0] == 1, "no such file")


@case
def judges_a_list():
    rows = vectors()
    text = "".join("%s\t%s\n" % (row[0], row[1]) for row in rows)
    want = "".join("\t".join(row) + "\n" for row in rows)
    check(run("judge", "-f", empty_conf(), "-", stdin=text) == (0, want, ""), "the vectors, as they are")
    odd = "# a heading\n\nDSL1.example.com\t\tmore\tstill more\r\ndsl1.example.com\t192.0.2.1"
    check(run("judge", "-f", empty_conf(), "-", stdin=odd) == (
        0, "DSL1.example.com\t\t3\tyes\t+3 word of a line: dsl\ndsl1.example.com\t192.0.2.1\t3\tyes\t+3 word of a line: dsl\n", ""), "odd lines")
    check(run("judge", "-f", empty_conf(), "-", stdin="") == (0, "", ""), "nothing")


@case
def says_which_line_of_a_list_is_wrong():
    text = "a1.example.com\t192.0.2.1\nb1.example.com\nc1.example.com\t192.0.2\n\t192.0.2.1\n%s\t192.0.2.1\n" % ("x" * 5000)
    status, out, err = run("judge", "-f", empty_conf(), "-", stdin=text)
    check(status == 1 and out == "a1.example.com\t192.0.2.1\t0\tno\t\n", (status, out))
    check(err == "tarsier judge: line 2: there is no TAB between a name and an address\n"
          "tarsier judge: line 3: the second column is no IP address\ntarsier judge: line 4: the name is empty\n"
          "tarsier judge: line 5: the line is too long\ntarsier judge: 4 of 5 lines could not be read\n", err)
    status, out, err = run("judge", "-f", empty_conf(), "-", stdin="x\n" * 1000)
    check(status == 1 and out == "" and len(err.splitlines()) == 22, (status, err))


@case
def judges_by_the_configuration():
    write(DIR + "/words.conf", 'generic_rdns threshold 9\ngeneric_rdns weight line 9\n'
          'generic_rdns words line replace { "kabel*" }\nracl greylist default\n')
    check(run("judge", "-f", DIR + "/words.conf", "-", stdin="kabel1.example.com\t-\ndsl1.example.com\t-\n") == (
        0, "kabel1.example.com\t-\t9\tyes\t+9 word of a line: kabel\ndsl1.example.com\t-\t0\tno\t\n", ""), "its own words")


# ---- import milter-manager ----


@case
def imports_a_file_and_standard_input():
    status, out, err = run("import", "milter-manager", MANAGER)
    check(status == 0 and err == "", (status, err))
    check('filter "clamav-milter" {\n    connect "inet:7357@127.0.0.1"\n' in out, out)
    check(*loads(out))
    with open(MANAGER) as text:
        check(run("import", "milter-manager", "-", stdin=text.read()) == (0, out, ""), "standard input says the same")


@case
def says_where_a_text_is_wrong():
    status, out, err = run("import", "milter-manager", "-", stdin='a.b = 1\nmanager.daemon = maybe\n')
    check(status == 1 and out == "" and "standard input:2:18: expected a text" in err, (status, out, err))
    status, out, err = run("import", "milter-manager", DIR + "/none")
    check(status == 1 and "No such file" in err, (status, err))
    check(run("import", "milter-manager", "-", stdin="# x\n" * (2 << 20))[0] == 1, "too long")
    check(run("import", "milter-manager", "/dev/null")[0] == 1, "a device")
    check(run("import", "milter-manager")[0] == 2, "no file")
    check(run("import", "milter-manager", "a", "b")[0] == 2, "two files")
    check(run("import", "milter-manager", "-x")[0] == 2, "an option")


# ---- README's line for one server, in the shipped configuration ----


@case
def readmes_line_lets_in_that_domain_and_no_other():
    root = HERE + "/../../.."
    with open(root + "/README.md") as readme:
        line = re.search(r"`(racl whitelist domain (\S+))`", readme.read())
    with open(root + "/dist/tarsier.conf") as shipped:
        conf = shipped.read()
    check(loads(conf) == (True, ""), "nothing is wrong with the shipped file")
    conf = conf.replace("\nracl whitelist tarpit", "\n%s\nracl whitelist tarpit" % line[1])
    check(line[1] in conf, "it has a tarpit line")
    check(loads(conf) == (True, ""), "nor with the line in it")
    for name, let_in in (("dhcp-1-2-3." + line[2], True), ("dhcp-1-2-3.b." + line[2], True), ("dhcp-1-2-3.not-" + line[2], False),
                         ("dhcp-1-2-3.not" + line[2], False), ("dhcp-1-2-3.%s.example" % line[2], False)):
        status, out, err = run("explain", "-f", DIR + "/tarsier.conf", name, "192.0.2.7", "a@example.net", "b@example.net")
        check(status == 0 and (line[1] in out) == let_in, (name, out, err))


# ---- history and stats: from the journal's files ----

NOW = int(time.time())
ROWS = [
    (NOW - 3000, "held", "generic_rdns", "-", 125, "s-4gk-17", "", "192.0.2.7", "dhcp-1.isp.example", "", "<a@example.org>",
     "<b@example.net>", "64", ""),
    (NOW - 2960, "left", "generic_rdns", "-", 40, "s-4gk-17", "", "192.0.2.7", "dhcp-1.isp.example", "", "<a@example.org>",
     "<b@example.net>", "64", ""),
    (NOW - 900, "deferred", "generic_rdns", "e", 1160, "s-4gk-18", "", "192.0.2.7", "dhcp-1.isp.example", "", "<a@example.org>",
     "<%s@example.net>" % ("b" * 90), "66", ""),
    (NOW - 99, "queue-id", "-", "-", "", "s-4gk-17", "4BxyZ9", "192.0.2.7", "dhcp-1.isp.example", "", "", "", "64", ""),
    (NOW - 90, "passed", "-", "-", "", "s-4gk-20", "", "203.0.113.9", 'mail."x\\x07.example', "", "", "", "", "not s25r"),
]


def journal(rows, statistics):
    store = DIR + "/store"
    write(store + "/journal/rows.1", "".join("\t".join(map(str, row)) + "\n" for row in rows))
    write(store + "/journal/statistics", statistics)
    write(DIR + "/journal.conf", 'store "%s"\ncontrol none\n' % store)
    return DIR + "/journal.conf"


@case
def history_tells_what_was_decided():
    conf = journal(ROWS, "")
    status, out, err = run("history", "-f", conf, "192.0.2.7")
    check(status == 0 and err == "", (status, err))
    for words in ("held for 2 min 5 s, generic_rdns, line 64", "left after 40 s", "deferred, 19 min 20 s to go",
                  "(evaluation\n                  only: not done)", "queue id 4BxyZ9"):
        check(words in out, (words, out))
    check(out.count("dhcp-1.isp.example[192.0.2.7] <a@example.org> -> <b@example.net>") == 1, out)  # said once for both rows
    long = [line for line in out.splitlines() if len(line) > 80]
    check(long == ["<%s@example.net>" % ("b" * 90)], long)  # a word is wrapped, never cut
    status, out, err = run("history", "-f", conf, "4BxyZ9")
    check(status == 0 and "held for" in out and "deferred" not in out, out)  # all of that connection


@case
def history_of_nothing_is_a_failure_that_says_so():
    conf = journal(ROWS, "")
    status, out, err = run("history", "-f", conf, "198.51.100.1")
    check(status == 1 and out == "" and "nothing is known" in err, (status, out, err))
    status, out, err = run("history", "-f", conf, "--since", "10m", "s-4gk-18")
    check(status == 1, (status, out, err))
    for bad in (["192.0.2.0/40"], [], ["a", "b"], ["--since", "soon", "192.0.2.7"], ["--nonsense", "192.0.2.7"]):
        status, out, err = run("history", "-f", conf, *bad)
        check(status == 2 and "usage:" in err, (bad, status, err))


@case
def history_speaks_json():
    conf = journal(ROWS, "")
    status, out, err = run("history", "-f", conf, "--json", "203.0.113.0/24")
    check(status == 0, err)
    row = json.loads(out)
    check(row["what"] == "passed" and row["name"] == 'mail."x\x07.example' and row["why"] == "not s25r", row)


@case
def stats_sum_up():
    conf = journal([], "%d passed=38005 held=3 left=2 left-0=2 would-held=7 held-for-s25r=3\n" % (NOW // 3600))
    status, out, err = run("stats", "-f", conf)
    check(status == 0 and re.search(r"passed untouched +38,005\n", out) and re.search(r"held +3   stayed 0   left 2", out), out)
    check("s25r 3" in out and "<10 s 2" in out, out)
    status, out, err = run("stats", "-f", conf, "--would", "--json")
    check(json.loads(out)["recipients"] == {"held": 7}, out)
    status, out, err = run("stats", "-f", conf, "--day", "2020-02-29", "--json")
    check(json.loads(out)["recipients"] == {}, out)
    for bad in (["--day", "someday"], ["--since", "x"], ["more"]):
        check(run("stats", "-f", conf, *bad)[0] == 2, bad)
    write(DIR + "/store/journal/statistics", "rubbish\n")
    status, out, err = run("stats", "-f", conf)
    check(status == 1 and "damaged" in err, (status, err))


sys.exit(program.run(DIR))
