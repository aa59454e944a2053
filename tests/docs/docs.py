"""docs.py TARSIER TARSIERD SOURCE - do the manuals and docs say what the programs know?

 - the lists that are made from the tables are what the tables say;
 - each request of the control socket is told of, and no other;
 - each `tarsier ...` and `tarsierd ...` in an example or in code names a command that there is, and options that it has;
 - each example of a configuration is read without an error.

Output is TAP. Each check is also run over examples that are wrong (SPOILT): one that finds nothing there fails.
"""

import glob
import os
import re
import subprocess
import sys
import tempfile

TARSIER, TARSIERD, SOURCE = sys.argv[1:4]
PAGES = sorted(glob.glob(SOURCE + "/man/*.[1-8]"))
TEXTS = [SOURCE + "/README.md", SOURCE + "/NEWS"] + sorted(glob.glob(SOURCE + "/docs/*.md"))
# What an example of a configuration begins with, in a text that has others too.
STATEMENT = re.compile(r'(racl|list|network|condition|listen|store|generic_rdns|dnsrbl|holds|greylist|include)\s+\S|filter "[^"]*" \{')
SHORT = 4  # words: a mention of a statement has less, such as `racl whitelist addr`
room = tempfile.mkdtemp(prefix="tarsier-docs-")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


# ---- what is code in a page, and in a text ----


def plain(text):
    """mdoc's escapes, as they are read."""
    for escape, byte in (("\\e", "\\"), ("\\-", "-"), ("\\(dq", '"'), ("\\&", ""), ("\\(aq", "'")):
        text = text.replace(escape, byte)
    return text


def code_of_page(text):
    """[(line, code, whether it is a block)]"""
    found = []
    for m in re.finditer(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed", text, re.S | re.M):
        found.append((text.count("\n", 0, m.start()) + 2, plain(m.group(1)), True))
    for m in re.finditer(r"^\.(?:Ql|Dl) (.*)$", text, re.M):
        found.append((text.count("\n", 0, m.start()) + 1, plain(m.group(1)).strip('"'), False))
    return found


def code_of_text(text):
    found, lines = [], text.split("\n")
    at = 0
    while at < len(lines):
        m = re.match(r"( {4,})\S", lines[at])
        if not m or (at > 0 and lines[at - 1].strip()):
            at += 1
            continue
        begin, indent = at, len(m.group(1))
        while at < len(lines) and (not lines[at].strip() or lines[at].startswith(" " * indent)):
            at += 1
        found.append((begin + 1, "\n".join(line[indent:] for line in lines[begin:at]), True))
    for m in re.finditer(r"`([^`]+)`", text):
        found.append((text.count("\n", 0, m.start()) + 1, re.sub(r"\s*\n\s*", " ", m.group(1)), False))
    return found


def code_of(path):
    return code_of_page(read(path)) if path in PAGES else code_of_text(read(path))


# ---- commands ----


def known_commands():
    """{name: options}, of `tarsier help --mdoc` and of `tarsierd --help`."""
    commands, options = {"help": set(), "version": set()}, set()
    for line in plain(run(TARSIER, "help", "--mdoc")[1]).splitlines():
        if m := re.match(r"\.It Ic ([a-z]+(?: [a-z]+)?)", line):
            options = commands[m.group(1)] = set()
        elif line.startswith(".It Fl"):
            options |= {"-" + name for name in re.findall(r"Fl (\S+)", line)}
    return commands, set(re.findall(r"(?<![\w-])--?[a-zA-Z][a-z-]*", run(TARSIERD, "--help")[1]))


COMMANDS, DAEMON = known_commands()


def command_lines(code):
    """[(program, words)]: what stands where a shell looks for a command."""
    code = re.sub(r"\\\n\s*", " ", code)
    found = []
    for line in code.split("\n"):
        for m in re.finditer(r"(?:^|[|;&(] *|^[#$] |ssh \S+ )(?:build/\S+/)?(tarsierd?)(?= |$)([^|;&>()#\n]*)", line.strip()):
            found.append((m.group(1), m.group(2).split()))
    return found


def wrong_command(program, words):
    """What is wrong with it, or None."""
    if program == "tarsierd":
        unknown = [w for w in words if w.startswith("-") and w.split("=")[0] not in DAEMON]
        return "no option of tarsierd: %s" % unknown if unknown else None
    if not words or words[0] in ("--version", "--help"):
        return None
    if not re.match(r"[a-z-]+$", words[0]):
        return None  # a sentence, or a placeholder
    name = " ".join(words[:2])
    if name not in COMMANDS:
        name = words[0]
    if name not in COMMANDS:
        parts = [n for n in COMMANDS if n.startswith(name + " ")]
        return None if parts and len(words) == 1 else "no command of tarsier: %s" % " ".join(words[:2])
    options = {re.split(r"[=\]]", w.lstrip("["))[0] for w in words if re.match(r"\[?-", w) and w != "-"}
    unknown = [o for o in options if o not in COMMANDS[name] and name != "help"]
    return "tarsier %s has no option %s" % (name, ", ".join(sorted(unknown))) if unknown else None


def commands_of(path, code=None):
    wrong, n = [], 0
    for line, text, _ in code or code_of(path):
        for program, words in command_lines(text):
            n += 1
            why = wrong_command(program, words)
            if why:
                wrong.append("%s:%d: %s" % (os.path.relpath(path, SOURCE), line, why))
    return n, wrong


# ---- configurations ----


def is_configuration(path, code, is_block):
    if "..." in code or "…" in code:
        return False
    if is_block and path.endswith(".conf.5"):
        return not code.startswith(("$ ", "# "))
    lines = [line for line in code.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return bool(lines and STATEMENT.match(lines[0].strip()) and (is_block or len(code.split()) >= SHORT))


def configurations_of(path, code=None):
    wrong, n = [], 0
    for line, text, is_block in code or code_of(path):
        if not is_configuration(path, text, is_block):
            continue
        n += 1
        name, other = room + "/example.conf", room + "/other.conf"
        for file, content in ((other, ""), (name, re.sub(r'include "/[^"]*"', 'include "%s"' % other, text) + "\n")):
            with open(file, "w", encoding="utf-8") as out:
                out.write(content)
        status, _, err = run(TARSIERD, "--show-config", "-f", name)
        if status != 0:
            wrong.append("%s:%d: %s" % (os.path.relpath(path, SOURCE), line, err.strip()))
    return n, wrong


# ---- the cases ----


def made_list(page, begin, end, *command):
    text = read(SOURCE + "/man/" + page)
    listed = text.split(begin)[1].split('.\\" ' + end)[0]
    made = run(TARSIER, "help", *command)[1]
    return [] if listed == made else ["man/%s is not what `tarsier help %s` prints:\n%s" % (page, command[0], made)]


def requests():
    text = read(SOURCE + "/man/tarsier-control.7")
    told = set(re.findall(r"^\.It Ic ([a-z]+(?: [a-z]+)?)(?= [A-Z]|$)", text.split(".Sh REQUESTS")[1], re.M))
    wanted = set(re.findall(r"^\.It Ic (.*?) Ta", run(TARSIER, "help", "--mdoc=requests")[1], re.M))
    return ["tarsier-control(7) does not tell of: " + name for name in sorted(wanted - told)] + [
        "tarsier-control(7) tells of what is not there: " + name for name in sorted(told - wanted)
    ]


SPOILT = """
Say `tarsier sttaus`, or `tarsier status --jsno`; `tarsierd --chekc`.

    # tarsier grey forget 192.0.2.7; tarsier pause 1h
    cat x | tarsier import --merge -

Or `racl whitelst addr 192.0.2.7/32`.

    filter "x" {
        conect "unix:/x"
    }
"""

results = [
    ("the commands in tarsier(1)", made_list("tarsier.1", "src/ctl/commands.c\n", "commands: end", "--mdoc")),
    ("the requests in tarsier-control(7)", made_list("tarsier-control.7", "src/ctl/commands.c\n", "requests: end", "--mdoc=requests")),
    ("what tarsier-control(7) tells of", requests()),
]
for name, check, least in (("commands", commands_of, 150), ("configurations", configurations_of, 10)):
    n, wrong = 0, []
    for path in PAGES + TEXTS:
        some, bad = check(path)
        n, wrong = n + some, wrong + bad
    results.append(("%d %s in examples and code" % (n, name), wrong + (["only %d are found" % n] if n < least else [])))
for name, check, want in (("commands", commands_of, 5), ("configurations", configurations_of, 2)):
    n, wrong = check(SOURCE + "/spoilt.md", code_of_text(SPOILT))
    results.append(("spoilt %s are found" % name, [] if len(wrong) == want else ["%d of %d are: %s" % (len(wrong), want, wrong)]))

failed = 0
for number, (name, wrong) in enumerate(results, 1):
    failed += bool(wrong)
    print("%s %d - %s" % ("not ok" if wrong else "ok", number, name))
    for line in wrong:
        print("# " + line.replace("\n", "\n# "))
print("1..%d" % len(results))
for name in os.listdir(room):
    os.unlink(room + "/" + name)
os.rmdir(room)
sys.exit(failed != 0)
