"""tarsier setup postfix, against a real postconf and a real Postfix."""

import os
import re
import shutil
import subprocess

import lab as L
import toymilter
from case import case


def without_milters(text):
    return "".join(line for line in text.splitlines(True) if not re.match(r"(smtpd_milters|milter_default_action|mynetworks) *=", line))


# Ends of main.cf of different shape; what stands before them is the lab's.
SHAPES = {
    "nothing of milters": "",
    "no newline at the end": "biff = no",
    "one milter, and a default action": "smtpd_milters = inet:127.0.0.1:8891\nmilter_default_action = tempfail\n",
    "several lines, comments, names": "dkim = inet:127.0.0.1:8891\nsmtpd_milters =\n\t$dkim,\n# a scanner\n\n"
    "    { unix:scan/scan.sock, connect_timeout=3s }\n# the end\nbiff=no\n",
    "set, and empty": "smtpd_milters=\n",
    "twice": "smtpd_milters = unix:old/old.sock\nbiff = no\nsmtpd_milters = unix:new/new.sock\n# end",
    "all set already": "milter_default_action = accept\nsmtpd_forbid_unauth_pipelining = yes\nsmtpd_milters  =  unix:a/b\n",
}


def postconf(directory, name):
    return L.run("postconf", "-c", directory, "-xh", name).strip()


@case("setup postfix: seven shapes of main.cf, there and back to the byte", weight_sec=15)
def setup_shapes(lab, check):
    lab.postfix(milters="", start=False)
    L.write("/etc/tarsier/tarsier.conf", L.conf(hold="60s"))
    lab.tarsier()
    base = without_milters(L.read("/etc/postfix/main.cf"))
    other = L.ROOM + "/other"
    shutil.copytree("/etc/postfix", other, symlinks=True)
    for name, end in SHAPES.items():
        with open(other + "/main.cf", "w") as out:
            out.write(base + end)
        os.chmod(other + "/main.cf", 0o640)
        os.utime(other + "/main.cf", (1, 1))
        before, listed = L.read(other + "/main.cf"), postconf(other, "smtpd_milters")
        status, said = lab.tool("tarsier", "setup", "postfix", "-c", other, "--dry-run")
        check.that(status == 0 and L.read(other + "/main.cf") == before, name + ": --dry-run changes nothing", said)
        status, said = lab.tool("tarsier", "setup", "postfix", "-c", other)
        check.that(status == 1 and L.read(other + "/main.cf") == before, name + ": nobody says yes", said)
        status, said = lab.tool("tarsier", "setup", "postfix", "-c", other, "--yes")
        now = postconf(other, "smtpd_milters")
        wanted = L.MILTERS + (", " + listed if listed else "")
        check.that(status == 0 and re.sub(r",? +", " ", now) == re.sub(r",? +", " ", wanted), name + ": we come first, the others as they were", said + now)
        check.that("+ smtpd_milters = " + L.MILTERS in said and "tarsierd answers at" in said, name + ": it shows", said)
        check.that(postconf(other, "smtpd_forbid_unauth_pipelining") == "yes", name + ": pipelining")
        action = "accept" if not listed or "= accept" in end else "tempfail"
        check.that(postconf(other, "milter_default_action") == action, name + ": the default action is " + action, said)
        check.that(os.stat(other + "/main.cf").st_mode & 0o777 == 0o640, name + ": the mode stays")
        changed = L.read(other + "/main.cf")
        status, said = lab.tool("tarsier", "setup", "postfix", "-c", other, "--yes")
        check.that(status == 0 and "already" in said and L.read(other + "/main.cf") == changed, name + ": once is enough", said)
        status, said = lab.tool("tarsier", "setup", "postfix", "-c", other, "--undo", "--dry-run")
        check.that(status == 0 and L.read(other + "/main.cf") == changed, name + ": --undo --dry-run", said)
        status, said = lab.tool("tarsier", "setup", "postfix", "-c", other, "--undo", "--yes")
        check.that(status == 0 and L.read(other + "/main.cf") == before, name + ": undone, it is what it was", said + L.read(other + "/main.cf"))
        status, said = lab.tool("tarsier", "setup", "postfix", "-c", other, "--undo", "--yes")
        check.that(status == 0 and "nothing to undo" in said, name + ": there is no more to undo", said)
    check.that(sorted(os.listdir(other)) == sorted(os.listdir("/etc/postfix")), "nothing is left beside main.cf")
    check.that(not [name for name in os.listdir("/tmp") if name.startswith("tarsier-setup-")], "nor in /tmp")


@case("setup postfix: a running Postfix holds after it, and not after --undo", weight_sec=20)
def setup_running(lab, check):
    lab.postfix(milters="")
    with open("/etc/postfix/main.cf", "r+") as main:
        text = without_milters(main.read())
        main.seek(0)
        main.truncate()
        main.write(text + "mynetworks = 127.0.0.0/8 192.0.2.0/24\n")
    before = L.read("/etc/postfix/main.cf")
    L.run("postfix", "reload")
    check.reply(lab.greylisted(L.DSL), 250, "before: nobody is held", most_sec=15)
    L.write("/etc/tarsier/tarsier.conf", L.conf(hold="3s"))

    status, said = lab.tool("tarsier", "setup", "postfix", "--yes")
    check.that(status == 1 and "Does tarsierd run?" in said and L.read("/etc/postfix/main.cf") == before, "without tarsierd nothing is changed", said)
    toymilter.ToyMilter(L.SOCKET)
    status, said = lab.tool("tarsier", "setup", "postfix", "--yes")
    check.that(status == 1 and "it was not tarsierd" in said, "another milter at the socket is not taken for it", said)
    check.that(L.read("/etc/postfix/main.cf") == before, "and it is as it was", said)
    os.unlink(L.SOCKET)
    lab.tarsier()
    L.write("/etc/postfix/main.cf", before + "smtpd_milter_maps = static:DISABLE\n")
    status, said = lab.tool("tarsier", "setup", "postfix", "--yes")
    check.that(status == 0 and "tarsierd was not asked: smtpd_milter_maps" in said, "a list of its own for this client is told", said)
    L.write("/etc/postfix/main.cf", before)
    L.run("postfix", "reload")
    status, said = lab.tool("tarsier", "setup", "postfix", "--yes")
    check.that(status == 0 and "Postfix is reloaded." in said, "set up", said)
    check.that("  tarsierd was asked.\n" in said, "tarsierd says so itself", said)
    check.that("to postfix in the chroot /var/spool/postfix" in said, "tried as smtpd would", said)
    check.that(re.search(r"MAIL FROM:<> +250 .*\n +RCPT TO:<postmaster> +\d", said), "a test session", said)
    check.that("network local { 192.0.2.0/24 }" in said, "lines for its networks", said)
    check.reply(lab.greylisted(L.DSL), 250, "now a line is held", least_sec=2, most_sec=20)
    check.log(lab.wait_log(r"has waited, and no DATA"), "tarsierd held it", lab.log())
    status, said = lab.tool("tarsier", "setup", "postfix", "--undo", "--yes")
    check.that(status == 0 and L.read("/etc/postfix/main.cf") == before, "undone", said)
    count = lab.log().count(L.DSL)
    check.reply(lab.greylisted(L.DSL, sender="n@example.org"), 250, "nobody is held any more", most_sec=15)
    check.that(lab.log().count(L.DSL) == count, "tarsierd is not asked", lab.log())


@case("setup postfix: what it refuses, and what it warns of", weight_sec=15)
def setup_refuses(lab, check):
    lab.postfix(milters="", start=False)
    other = L.ROOM + "/other"
    shutil.copytree("/etc/postfix", other, symlinks=True)
    base = without_milters(L.read("/etc/postfix/main.cf"))
    master = L.read(other + "/master.cf")
    L.write(other + "/main.cf", base)

    def setup(*arguments):
        return lab.tool("tarsier", "setup", "postfix", "-c", other, *arguments)

    # Out of reach: the path, the rights.
    L.write("/etc/tarsier/tarsier.conf", L.conf().replace(L.SOCKET, "/run/tarsier.sock"))
    status, said = setup("--yes")
    check.that(status == 1 and "runs in a chroot, /var/spool/postfix, and does not see" in said and "listen \"unix:" in said, "a socket outside of the chroot", said)
    L.write("/etc/tarsier/tarsier.conf", L.conf(hold="60s").replace("mode 660", "mode 600"))
    lab.tarsier()
    status, said = setup("--yes")
    check.that(status == 1 and "Permission denied" in said and "mode 600" in said and "group postfix" in said, "a socket that smtpd may not open", said)
    check.that(L.read(other + "/main.cf") == base, "main.cf is as it was")
    os.chmod(L.SOCKET, 0o660)

    # Lists of services.
    L.write(other + "/master.cf", re.sub(r"^(%s:25 .*)$" % re.escape(L.MX), r"\1\n  -o smtpd_milters=unix:x/x.sock", master, flags=re.M))
    status, said = setup("--yes")
    check.that(status == 1 and "postconf -P '%s:25/inet/smtpd_milters=%s,unix:x/x.sock'" % (L.MX, L.MILTERS) in said, "port 25 with a list of its own", said)
    command = re.search(r"postconf -P '(.*)'", said)
    if command:
        L.run("postconf", "-c", other, "-P", command.group(1))
    status, said = setup("--yes")
    check.that(status == 0 or "main.cf's does not count" not in said, "the line that it names is the remedy", said)
    own = "submission inet n - y - - smtpd\n  -o smtpd_milters=\n"
    L.write(other + "/master.cf", master + own)
    L.write(other + "/main.cf", base + "smtpd_forbid_unauth_pipelining = no\nmilter_command_timeout = 5s\ndefault_process_limit = 10\n")
    L.write("/etc/tarsier/tarsier.conf", L.conf(hold="60s", extra="holds max 30"))
    status, said = setup("--yes")
    for words in (
        "smtpd_forbid_unauth_pipelining is off",
        "let in unchecked then (milter_default_action = accept)",
        "`holds max 30` may take them all",
        "submission/inet has a list of its own",
    ):
        check.that(status == 0 and words in said, "it warns: " + words, said)
    check.that(L.read(other + "/master.cf") == master + own, "the service's own list stays")

    # The answer of a person; a link; somebody who is not root; a Postfix that is not there.
    L.write(other + "/main.cf", base)
    os.rename(other + "/main.cf", L.ROOM + "/true.cf")
    os.symlink(L.ROOM + "/true.cf", other + "/main.cf")
    done = subprocess.run([lab.program["tarsier"], "setup", "postfix", "-c", other], input="y\n", capture_output=True, text=True, timeout=30)
    check.that(done.returncode == 0 and os.path.islink(other + "/main.cf") and L.MILTERS in L.read(L.ROOM + "/true.cf"), "yes, by hand; a link stays one", done.stdout + done.stderr)
    L.write("/etc/tarsier/tarsier.conf", "nonsense\n")
    status, said = setup("--undo", "--yes")
    check.that(status == 0 and L.read(L.ROOM + "/true.cf") == base, "--undo needs no tarsier.conf", said)
    L.write("/etc/tarsier/tarsier.conf", L.conf(hold="60s"))
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", lab.program["tarsier"]]
    done = subprocess.run(as_nobody + ["setup", "postfix", "-c", other, "--yes"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    check.that(done.returncode == 1 and L.read(L.ROOM + "/true.cf") == base, "without rights nothing is changed", done.stdout + done.stderr)
    status, said = lab.tool("tarsier", "setup", "postfix", "-c", L.ROOM + "/nowhere", "--yes")
    check.that(status == 1 and "/nowhere/main.cf cannot be read" in said, "no Postfix there", said)
    check.that(lab.tool("tarsier", "setup", "sendmail")[0] == 2, "wrong usage")
