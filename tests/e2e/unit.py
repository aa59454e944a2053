"""unit.py - dist/tarsierd.service and dist/tarsierd.socket as systemd obeys them, as far as a lab without systemd needs it."""

import grp
import os
import pwd
import re
import shutil
import shlex
import socket
import subprocess

import lab as L

DIST = os.path.join(os.path.dirname(os.path.abspath(L.__file__)), "..", "..", "dist")
FIRST = 3  # SD_LISTEN_FDS_START


def values(unit, name):
    """The values of all lines NAME=."""
    return re.findall(r"^%s=(.*)$" % name, L.read(os.path.join(DIST, unit)), re.M)


def words(line):
    """A command line without what systemd escapes; the signs in front, and the words."""
    signs, line = re.fullmatch(r"([-+@!:]*)(.*)", line).groups()
    return signs, shlex.split(line.replace("$$", "$").replace("%%", "%"))


def before(unit, check):
    """ExecStartPre=, as root."""
    for line in values(unit, "ExecStartPre"):
        signs, command = words(line)
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode != 0 and "-" not in signs:
            check.that(False, "%s: ExecStartPre=%s" % (unit, line), done.returncode)


class Socket:
    """tarsierd.socket: it listens as long as this object is there."""

    def __init__(self, check):
        before("tarsierd.socket", check)
        (self.path,) = values("tarsierd.socket", "ListenStream")
        (mode,) = values("tarsierd.socket", "SocketMode")
        (user,) = values("tarsierd.socket", "SocketUser")
        (group,) = values("tarsierd.socket", "SocketGroup")
        (backlog,) = values("tarsierd.socket", "Backlog")
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        os.chown(self.path, pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid)
        os.chmod(self.path, int(mode, 8))
        self.socket.listen(int(backlog))


def as_user(lab, name):
    """The unit's line NAME=, with its user and capabilities, as words."""
    (line,) = values("tarsierd.service", name)
    (user,) = values("tarsierd.service", "User")
    sets = {name: ",+".join(["-all"] + values("tarsierd.service", name)[0].lower().replace("cap_", "").split())
            for name in ("AmbientCapabilities", "CapabilityBoundingSet")}  # fmt: skip
    command = ["setpriv", "--reuid=" + user, "--regid=" + user, "--init-groups", "--no-new-privs",
               "--inh-caps=" + sets["AmbientCapabilities"], "--ambient-caps=" + sets["AmbientCapabilities"],
               "--bounding-set=" + sets["CapabilityBoundingSet"]]  # fmt: skip
    line = line.replace("@sbindir@/tarsierd", lab.program["tarsierd"]).replace("@bindir@/tarsier", lab.program["tarsier"])
    return command + words(line)[1]


def reload(lab):
    """ExecReload=: exit status, and what was said."""
    done = subprocess.run(as_user(lab, "ExecReload"), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr


def start(lab, check, inherit=None, wait=True):
    """ExecStartPre= and ExecStart= with the unit's user and capabilities, and with this Socket. wait: until it serves."""
    begin = len(lab.log())
    before("tarsierd.service", check)
    (user,) = values("tarsierd.service", "User")
    for name in values("tarsierd.service", "RuntimeDirectory"):
        os.makedirs("/run/" + name, exist_ok=True)
        shutil.chown("/run/" + name, user, user)
    command = as_user(lab, "ExecStart")
    options = {}
    if inherit:
        command = ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "systemd"] + command
        options = {"pass_fds": (FIRST,), "preexec_fn": lambda: os.dup2(inherit.socket.fileno(), FIRST)}
    lab.tarsierd = lab.spawn(*command, name="tarsierd", **options)

    def serves():
        return lab.tarsierd.poll() is not None or re.search(r"generation 1, listening at ", lab.log()[begin:])

    if wait and not (L.wait_until("tarsierd", 10, serves) and lab.tarsierd.poll() is None):
        raise L.LabError("tarsierd does not start: " + lab.log()[begin:])
    return lab.tarsierd
