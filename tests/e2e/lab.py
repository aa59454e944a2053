"""lab.py - one small world for one test: its own network, DNS, file system corners, Postfix and tarsierd.

Everything here runs as process 1 of namespaces that `run` (or `demo.py`) made with unshare(1): network, mounts and
processes. So the lab may use the real paths (/etc/postfix, /var/spool/postfix, /etc/tarsier, /var/lib/tarsier) and the
shipped configuration unchanged, and nothing can be left behind: when process 1 ends, the kernel ends every other process
in it and drops the mounts. Nothing of the machine itself is written to.

Documentation networks are local here ("AnyIP"), so that a client may come from any of their addresses; dnsmasq knows their
names: verified, forged, missing or failing (NAMES below).
"""

import ctypes
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import smtp

# --- who is who -------------------------------------------------------------------------------------------------------

MX = "192.0.2.25"
MX6 = "2001:db8::25"
RELAY = "192.0.2.80"  # may use XCLIENT

GOOD = "203.0.113.10"  # mail.good.example, verified
GOOD_NAME = "mail.good.example"
DSL = "203.0.113.20"  # p1234-203-0-113-20.dsl.isp.example, verified, S25R
DSL_NAME = "p1234-203-0-113-20.dsl.isp.example"
FORGED = "203.0.113.30"  # a name whose address is another one
NO_FORWARD = "203.0.113.31"  # a name that has no address
NO_PTR = "203.0.113.40"
PTR_FAILS = "203.0.113.50"  # SERVFAIL for the reverse name
FORWARD_FAILS = "203.0.113.51"  # a mail server's name; SERVFAIL for its address
DSL_FORWARD_FAILS = "203.0.113.52"  # an end user's name; SERVFAIL for its address
GOOD6 = "2001:db8:a::10"
DSL6 = "2001:db8:b::20"
DSL6_NEIGHBOUR = "2001:db8:b::21"  # same /64, another name


def pool(n):
    """The n-th end user's line of a provider (verified, S25R): 198.51.100.n."""
    return "198.51.100.%d" % n


def farm(n):
    """The n-th server of a mail provider's farm (verified, numbered names that are S25R's and no line's), n up to 10."""
    return "203.0.113.%d" % (100 + n)


def farm_name(n):
    return "mail-bn8nam12on20%02d.outbound.protection.farm.example" % n


NAMES = (
    [
        "host-record=%s,%s" % (GOOD_NAME, GOOD),
        "host-record=%s,%s" % (DSL_NAME, DSL),
        "ptr-record=30.113.0.203.in-addr.arpa,mx.forged.example",
        "host-record=mx.forged.example,203.0.113.99",
        "ptr-record=31.113.0.203.in-addr.arpa,mail.nowhere.example",
        # An upstream at which nobody listens: SERVFAIL.
        "server=/50.113.0.203.in-addr.arpa/127.0.0.9",
        "ptr-record=51.113.0.203.in-addr.arpa,mail.fails.example",
        "ptr-record=52.113.0.203.in-addr.arpa,p52-113.fails.example",
        "server=/fails.example/127.0.0.9",
        "host-record=mail6.good.example," + GOOD6,
        "host-record=dhcp-20-7.six.isp.example," + DSL6,
        "host-record=dhcp-21-7.six.isp.example," + DSL6_NEIGHBOUR,
        # DNS lists: the first knows one client, the second refuses to answer, the third fails.
        "host-record=20.113.0.203.list.example,127.0.0.2",
        "address=/mail.example.net/" + pool(33),  # a self-hoster's own name for his line
        "host-record=line36.selfhoster.org," + pool(36),  # a CNAME wants one
        "ptr-record=36.100.51.198.in-addr.arpa,host198-51-100-36.dynamic.isp.example",
        "cname=mx.alias-36.net,line36.selfhoster.org",
        "host-record=20.113.0.203.refuses.example,127.255.255.254",
        "server=/broken.example/127.0.0.9",
        "server=/silent.example/127.0.0.77",  # for who binds there, and never answers
    ]
    + ["host-record=host198-51-100-%d.dynamic.isp.example,%s" % (n, pool(n)) for n in range(1, 255)]
    + ["host-record=%s,%s" % (farm_name(n), farm(n)) for n in range(1, 11)]
)

ROOM = "/run/lab"  # a tmpfs of this lab
SOCKET = "/var/spool/postfix/tarsier/tarsier.sock"
MILTERS = "unix:tarsier/tarsier.sock"  # as smtpd sees it from its chroot
MAIL_LOG = "/var/log/mail.log"
BOX = ROOM + "/mail/inbox/new"

# What most cases run with: short times, the shipped structure.
CONF = """\
listen "unix:{socket}" mode 660 group postfix
store "/var/lib/tarsier"
greylist {greylist}
autowhite 35d
hostkey domain
subnetmatch6 /64
{globals}
filter "greylist" {{
    builtin greylist
    when remote and unauthenticated and s25r
}}
racl whitelist tarpit {hold}
racl greylist default
"""


def conf(hold="4s", greylist="8s", extra=""):
    return CONF.format(socket=SOCKET, hold=hold, greylist=greylist, globals=extra)


class LabError(Exception):
    """The lab itself did not come up: no verdict on tarsier."""


def takes(path):
    """Whether somebody accepts connections there. Not for a milter of others: it would have a session of it."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


def wait_until(what, seconds, test, step=0.05):
    """Poll test() until it is true; its value, or the last false one when the time is over."""
    end = time.monotonic() + seconds
    while True:
        value = test()
        if value or time.monotonic() > end:
            return value
        time.sleep(step)


def run(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise LabError("%s: %s" % (" ".join(command), (done.stderr or done.stdout).strip()))
    return done.stdout


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as out:
        out.write(text)


def read(path):
    try:
        with open(path, errors="replace") as source:
            return source.read()
    except FileNotFoundError:
        return ""


class Lab:
    """binaries: directory with tarsierd and tarsier (copied in: the place they are in may be hidden by a mount)."""

    def __init__(self, daemon=None, cli=None, shipped_conf=None, others=()):
        self.children = []  # Popen of everything started, newest last
        self.transcript = []  # (seconds, connection, who, text)
        self.start = time.monotonic()
        self.connections = 0
        self.tarsierd = None
        self._mounts(daemon, cli, shipped_conf, *others)
        self._network()
        self._dns()

    # --- building -----------------------------------------------------------------------------------------------------

    def _mounts(self, *brought_in):
        if os.getpid() != 1:
            raise LabError("a lab must be process 1 of its own namespaces")
        brought = [(p, open(p, "rb").read()) for p in brought_in if p and os.path.exists(p)]
        for place in ("/run", "/var/lib", "/var/spool", "/var/log"):
            run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place)
        os.makedirs(ROOM)
        run("cp", "-a", "/etc", ROOM + "/etc")
        run("mount", "--bind", ROOM + "/etc", "/etc")
        self.program = {}
        for path, data in brought:
            copy = ROOM + "/bin/" + os.path.basename(path)
            os.makedirs(ROOM + "/bin", exist_ok=True)
            with open(copy, "wb") as out:
                out.write(data)
            os.chmod(copy, 0o755)
            self.program[os.path.basename(path)] = copy
        shutil.rmtree("/etc/tarsier", ignore_errors=True)
        os.makedirs("/etc/tarsier")
        for name in ("/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/hosts"):
            if os.path.lexists(name):
                os.unlink(name)  # it may be a symbolic link into /run
        write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n")
        write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
        if not re.search(r"^tarsier:", read("/etc/passwd"), re.M):
            with open("/etc/passwd", "a") as passwd, open("/etc/group", "a") as group:
                passwd.write("tarsier:x:64998:64998::/var/lib/tarsier:/usr/sbin/nologin\n")
                group.write("tarsier:x:64998:\n")

        # What a package does at installation: smtpd's way to the socket, inside its chroot.
        os.makedirs("/var/spool/postfix")
        self._directory(os.path.dirname(SOCKET), 0o2750, "tarsier", "postfix")

    def _network(self):
        run("ip", "link", "set", "lo", "up")
        for prefix in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"):
            run("ip", "route", "add", "local", prefix, "dev", "lo")
        self.has_ipv6 = True
        try:
            run("ip", "-6", "route", "add", "local", "2001:db8::/32", "dev", "lo")
            run("ip", "-6", "address", "add", MX6 + "/128", "dev", "lo", "nodad")
        except LabError:
            self.has_ipv6 = False
        run("ip", "address", "add", MX + "/32", "dev", "lo")

    def _dns(self):
        write(
            ROOM + "/dnsmasq.conf",
            "no-resolv\nno-hosts\nlisten-address=127.0.0.1\nbind-interfaces\nlocal=/#/\nuser=root\n"
            + "\n".join(NAMES)
            + "\n",
        )
        self.spawn("dnsmasq", "--keep-in-foreground", "--conf-file=" + ROOM + "/dnsmasq.conf", "--pid-file=")

        def answers():
            try:
                return socket.gethostbyaddr(GOOD)[0] == GOOD_NAME
            except OSError:
                return False

        if not wait_until("DNS", 10, answers):
            raise LabError("dnsmasq does not answer: " + read(ROOM + "/dnsmasq.err"))

    def spawn(self, *command, name=None, **options):
        """Start a child of this lab; its output goes to ROOM/NAME.err."""
        name = name or os.path.basename(command[0])
        with open("%s/%s.err" % (ROOM, name), "ab") as out:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **options)
        self.children.append(child)
        return child

    def close(self):
        """End what was started, newest first; what is left ends with process 1."""
        for child in reversed(self.children):
            if child.poll() is None:
                child.terminate()
        for child in self.children:
            try:
                child.wait(3)
            except subprocess.TimeoutExpired:
                child.kill()

    # --- Postfix ------------------------------------------------------------------------------------------------------

    def postfix(self, milters=MILTERS, main="", processes="-", chroot="y", services=(), ipv6=True, start=True):
        """
        Debian's master.cf with our listeners, and a main.cf of the least. main: further lines. services: further
        lines for master.cf. Everybody in example.net has a mailbox, but nosuch*.
        """
        self._postfix_files(milters, main, processes, chroot, services, ipv6)
        if not start:
            return
        # master -s is what "postfix start-fg" comes to, without its checks.
        self.spawn("/usr/lib/postfix/sbin/master", "-s", "-c", "/etc/postfix", name="postfix")
        ready = wait_until("Postfix", 30, lambda: self._listening(MX))
        if not ready:
            raise LabError("Postfix did not start: " + read(ROOM + "/postfix.err") + read(MAIL_LOG))

    def _postfix_files(self, milters, main, processes, chroot, services, ipv6):
        spool = "/var/spool/postfix"
        os.makedirs(spool, exist_ok=True)
        os.makedirs("/var/lib/postfix", exist_ok=True)
        shutil.chown("/var/lib/postfix", "postfix", "postfix")
        os.makedirs(ROOM + "/mail", exist_ok=True)
        os.chown(ROOM + "/mail", 5000, 5000)
        write("/etc/postfix/boxes", "if !/^nosuch/\n/@example\\.net$/ inbox/\nendif\n")
        write(
            "/etc/postfix/main.cf",
            "compatibility_level = 3.6\nmaillog_file = %s\nmyhostname = mx.example.net\nmyorigin = example.net\n"
            "mydestination =\nlocal_recipient_maps =\nalias_maps =\nalias_database =\nmynetworks = 127.0.0.0/8\n"
            "inet_interfaces = all\ninet_protocols = all\nsmtp_dns_support_level = disabled\n"
            "virtual_mailbox_domains = example.net\nvirtual_mailbox_maps = regexp:/etc/postfix/boxes\n"
            "virtual_mailbox_base = %s/mail\nvirtual_minimum_uid = 1\nvirtual_uid_maps = static:5000\n"
            "virtual_gid_maps = static:5000\ndefault_transport = discard:\nrelay_transport = discard:\nbiff = no\n"
            "smtpd_relay_restrictions = reject_unauth_destination\nsmtpd_tls_security_level = none\n"
            "smtpd_milters = %s\nmilter_default_action = tempfail\n%s\n" % (MAIL_LOG, ROOM, milters, main),
        )
        # A main.cf younger than two seconds makes every Postfix program wait until it is older.
        os.utime("/etc/postfix/main.cf", (1, 1))
        listeners = "%s:25 inet n - %s - %s smtpd\n" % (MX, chroot, processes)
        if ipv6 and self.has_ipv6:
            listeners += "[%s]:25 inet n - %s - %s smtpd\n" % (MX6, chroot, processes)
        master = re.sub(r"^smtp +inet .*\n", listeners, read("/usr/share/postfix/master.cf.dist"), flags=re.M)
        write("/etc/postfix/master.cf", master + "".join(line + "\n" for line in services))
        # The queue, as "postfix check" would make it, which takes seconds.
        for name in "active bounce corrupt defer deferred flush hold incoming private saved trace".split():
            self._directory(spool + "/" + name, 0o700, "postfix", "root")
        self._directory(spool + "/maildrop", 0o1730, "postfix", "postdrop")
        self._directory(spool + "/public", 0o2710, "postfix", "postdrop")
        self._directory(spool + "/pid", 0o755, "root", "root")
        # What Debian's start script puts into the chroot.
        for name in ("resolv.conf", "nsswitch.conf", "hosts", "services"):
            write(spool + "/etc/" + name, read("/etc/" + name))

    @staticmethod
    def _directory(path, mode, owner, group):
        os.makedirs(path, exist_ok=True)
        shutil.chown(path, owner, group)
        os.chmod(path, mode)

    @staticmethod
    def _listening(address, port=25):
        """Look, without connecting: a connection would be a client."""
        number = int.from_bytes(socket.inet_aton(address), sys.byteorder)
        return re.search(r"^ *\d+: %08X:%04X \S+ 0A " % (number, port), read("/proc/net/tcp"), re.M) is not None

    def maillog(self):
        return read(MAIL_LOG)

    def wait_maillog(self, pattern, seconds=5, count=1):
        """Wait until pattern stands count times in the mail log; the last match, or None."""

        def look():
            found = list(re.finditer(pattern, self.maillog(), re.M))
            return found[-1] if len(found) >= count else None

        return wait_until(pattern, seconds, look)

    def settled(self, seconds=10):
        """Wait until no smtpd is in a session and the queue is empty. A check that nothing was delivered comes after."""

        def quiet():
            log = self.maillog()
            opened = len(re.findall(r"smtpd\[\d+\]: connect from", log))
            closed = len(re.findall(r"smtpd\[\d+\]: disconnect from", log))
            return opened <= closed and "Mail queue is empty" in run("postqueue", "-p")

        return wait_until("quiet", seconds, quiet, 0.1)

    def delivered(self, subject, seconds=8):
        """Wait for the mail with this subject in the mailbox; its text, or None."""
        return wait_until("delivery", seconds, lambda: self._find(subject), 0.1)

    def not_delivered(self, subject):
        self.settled()
        return self._find(subject) is None

    @staticmethod
    def _find(subject):
        if os.path.isdir(BOX):
            for name in sorted(os.listdir(BOX)):
                text = read(BOX + "/" + name)
                if re.search(r"^Subject: %s$" % re.escape(subject), text, re.M):
                    return text
        return None

    # --- tarsierd -----------------------------------------------------------------------------------------------------

    def tarsier(self, text=None, path="/etc/tarsier/tarsier.conf", arguments=None, wait=True):
        """
        Start tarsierd with this configuration (None: as the file at path stands). Its log is log(). With wait, it must
        listen within ten seconds.
        """
        if text is not None:
            write(path, text)
        command = [self.program["tarsierd"]] + (["-f", path] if arguments is None else arguments)
        self.tarsierd = self.spawn(*command)
        if wait and not wait_until("tarsierd", 10, self._tarsierd_listens):
            raise LabError("tarsierd does not listen: " + self.log()[-2000:])
        return self.tarsierd

    def _tarsierd_listens(self):
        if self.tarsierd.poll() is not None:
            raise LabError("tarsierd ended with %s: %s" % (self.tarsierd.returncode, self.log()[-2000:]))
        found = re.search(r'(?:listen|socket)\s+"([^"]+)"', read(self.tarsierd.args[-1])) if self.tarsierd.args[1:] else None
        path = (found.group(1) if found else SOCKET).replace("unix:", "")
        if path.startswith("inet"):
            return self._listening("127.0.0.1", int(re.search(r"\d+", path.partition(":")[2]).group()))
        return takes(path)

    def log(self):
        """All that tarsierd wrote, of every start in this lab."""
        return read(ROOM + "/tarsierd.err")

    def wait_log(self, pattern, seconds=5, count=1):
        def look():
            found = list(re.finditer(pattern, self.log(), re.M))
            return found[-1] if len(found) >= count else None

        return wait_until(pattern, seconds, look)

    def stop_tarsier(self, number=signal.SIGTERM, seconds=10):
        """Send a signal and wait for the end; the seconds it took, or None when it did not end."""
        start = time.monotonic()
        self.tarsierd.send_signal(number)
        try:
            self.tarsierd.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        return time.monotonic() - start

    def tool(self, program, *arguments):
        """Run tarsierd or tarsier to its end: (exit status, standard output and error together)."""
        done = subprocess.run(
            [self.program[program], *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=30,
        )
        return done.returncode, done.stdout

    def audit(self, expects=""):
        """
        What must be so after every case, whatever it did: lines of the logs that must not be there. No 5xx for a
        suspicion, no complaint of Postfix about the milter, no panic, no report of a sanitizer.
        """
        bad = []
        for line in self.maillog().splitlines():
            if re.search(r"milter-reject: .*: 5\d\d |warning: milter |warning: .*unexpected|fatal:|panic:", line):
                bad.append(line)
        for line in self.log().splitlines():
            if re.search(r"panic|ERROR: \w+Sanitizer|runtime error:|[Aa]ssertion", line):
                bad.append(line)
        if self.tarsierd and self.tarsierd.poll() not in (None, 0, -signal.SIGKILL):
            bad.append("tarsierd ended with %d" % self.tarsierd.returncode)
        return [line for line in bad if not (expects and re.search(expects, line))]

    # --- clients ------------------------------------------------------------------------------------------------------

    def client(self, source, **options):
        """An SMTP client from this address; its dialogue goes into the lab's transcript (with quiet=True only the replies)."""
        self.connections += 1
        number = self.connections
        quiet = options.pop("quiet", False)

        def note(who, text):
            if quiet and who == "C":
                return
            self.transcript.append((time.monotonic() - self.start, number, who, text))

        server = MX6 if ":" in source else MX
        return smtp.Client(source, server=options.pop("server", server), log=note, **options)

    def greylisted(self, source, sender="a@example.org", recipient="b@example.net"):
        """One visit that stops after RCPT: the reply."""
        with self.client(source) as c:
            c.open(sender)
            answer = c.rcpt(recipient)
            c.quit()
        return answer

    def send(self, source, subject, sender="a@example.org", recipient="b@example.net"):
        """One whole mail: (reply to RCPT, reply to the message or None)."""
        with self.client(source) as c:
            c.open(sender)
            answer = c.rcpt(recipient)
            end = c.data(subject) if answer.code == 250 else None
            c.quit()
        return answer, end

    def leave(self, source, after, sender="a@example.org", recipient="b@example.net", rst=False):
        """Come, be held, and hang up after so many seconds. True when there was a hold (no reply till then)."""
        with self.client(source) as c:
            c.open(sender)
            c.send("RCPT TO:<%s>\r\n" % recipient)
            held = c.reply(timeout=after).code == -2
            c.rst() if rst else c.fin()
        return held

    def save(self, directory):
        """Keep what one wants to read after a failure."""
        os.makedirs(directory, exist_ok=True)
        files = [MAIL_LOG, ROOM + "/tarsierd.err", ROOM + "/postfix.err", "/etc/tarsier/tarsier.conf", "/etc/postfix/main.cf"]
        for source in files + glob.glob(ROOM + "/*.log"):
            if os.path.exists(source):
                shutil.copy(source, directory)
        with open(directory + "/smtp.txt", "w") as out:
            for seconds, number, who, text in sorted(self.transcript):
                out.write("%8.3f #%-2d %s %s\n" % (seconds, number, who, text))


# --- entering the namespaces ------------------------------------------------------------------------------------------

UNSHARE = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--propagation", "private"]

PR_SET_PDEATHSIG = 1


def _die_with_parent():
    """Even when the runner is killed the lab must not stay: unshare gets SIGKILL, and with it process 1."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def enter(command, **options):
    """Popen of command as process 1 of new namespaces."""
    return subprocess.Popen(UNSHARE + command, preexec_fn=_die_with_parent, **options)


def missing():
    """What keeps a lab from working on this machine: a text, or None."""
    if os.geteuid() != 0:
        return "it needs root (namespaces, a Postfix of its own)"
    for program in ("unshare", "ip", "dnsmasq", "postfix", "openssl"):
        if not shutil.which(program):
            return "%s is not installed" % program
    if not os.path.exists("/usr/share/postfix/master.cf.dist"):
        return "/usr/share/postfix/master.cf.dist (Debian's Postfix) is not there"
    done = subprocess.run(UNSHARE + ["true"], capture_output=True, text=True)
    if done.returncode:
        return "namespaces cannot be made here: " + done.stderr.strip()
    return None


if __name__ == "__main__":
    sys.exit("lab.py is a library; see run")
