"""Is the lab a fair one? Without tarsier, with the least possible milter in its place."""

import time

import lab as L
import smtp
import toymilter
from case import case


@case("names in the lab are what they are said to be", weight_sec=6)
def lab_names(lab, check):
    toy = toymilter.ToyMilter(L.SOCKET)
    lab.postfix()
    for address, name in (
        (L.GOOD, L.GOOD_NAME),
        (L.DSL, L.DSL_NAME),
        (L.pool(7), "host198-51-100-7.dynamic.isp.example"),
        (L.FORGED, "[%s]" % L.FORGED),
        (L.NO_FORWARD, "[%s]" % L.NO_FORWARD),
        (L.NO_PTR, "[%s]" % L.NO_PTR),
        (L.PTR_FAILS, "[%s]" % L.PTR_FAILS),
        (L.FORWARD_FAILS, "[%s]" % L.FORWARD_FAILS),
        (L.GOOD6, "mail6.good.example"),
        (L.DSL6, "dhcp-20-7.six.isp.example"),
    ):
        with lab.client(address) as c:
            c.quit()
        seen = [body.split(b"\0")[0].decode() for _, letter, body in toy.seen if letter == "C"]
        check.that(seen and seen[-1] == name, "%s connects as %s" % (address, name), seen[-1:])


@case("a milter that only sleeps delivers a blind client's mail", weight_sec=8)
def lab_blind_is_delivered(lab, check):
    toymilter.ToyMilter(L.SOCKET, rcpt_delay_sec=2)
    lab.postfix()
    with lab.client(L.DSL, greet=False) as c:
        c.send(smtp.dialogue("a@example.org", "b@example.net", "blind"))
        time.sleep(0.5)
        c.fin()
    check.that(lab.delivered("blind"), "delivered, which is what tarsier must prevent")


@case("a milter that sleeps longer than milter_command_timeout is cut off by Postfix", weight_sec=8, expects="Connection timed out")
def lab_timeout(lab, check):
    toymilter.ToyMilter(L.SOCKET, rcpt_delay_sec=6)
    lab.postfix(main="milter_command_timeout = 2s")
    with lab.client(L.DSL) as c:
        c.open()
        check.reply(c.rcpt("b@example.net"), 451, "451 by Postfix, not by the milter", most_sec=5)
