"""case.py - the list of cases and the checks they make. Knows nothing of mail."""

import re
import sys
from typing import Callable, NamedTuple

CASES = {}


class Case(NamedTuple):
    name: str
    text: str
    function: Callable
    weight_sec: int  # about how long it takes: the long ones are begun first
    limit_sec: int
    expects: str  # a regular expression of what the closing look over the logs is to pass over; "": nothing


def case(text, weight_sec=12, limit_sec=120, expects=""):
    """Make the function below a case; its name is its function's."""

    def add(function):
        CASES[function.__name__] = Case(function.__name__, text, function, weight_sec, limit_sec, expects)
        return function

    return add


class Check:
    """Each check is one TAP line, numbered by the runner."""

    def __init__(self, name):
        self.name = name

    def that(self, condition, text, detail=""):
        print("%s %s: %s" % ("ok" if condition else "not ok", self.name, text))
        if not condition and str(detail):
            for line in str(detail).splitlines():
                print("#   " + line)
        sys.stdout.flush()
        return bool(condition)

    def reply(self, reply, code, text, pattern=None, least_sec=None, most_sec=None):
        """The reply has this code, matches the pattern, and came after so many seconds."""
        good = reply.code == code and (pattern is None or re.search(pattern, reply.text) is not None)
        if least_sec is not None:
            good = good and reply.sec >= least_sec
        if most_sec is not None:
            good = good and reply.sec <= most_sec
        wanted = "%s %s" % (code, pattern or "")
        if least_sec is not None or most_sec is not None:
            wanted += " after %s to %s s" % (least_sec or 0, most_sec or "any number of")
        return self.that(good, text, "got:  %s\nwant: %s" % (reply, wanted))

    def log(self, match, text, lines=""):
        """match is what wait_log or wait_maillog returned."""
        return self.that(match, text, "\n".join(str(lines).splitlines()[-15:]))
