/* maillog.c - the forms of Postfix's log lines, each as Postfix 3.5 to 3.10 writes it. */
#include "../test.h"
#include "formats/maillog.h"

#include <stdlib.h>
#include <string.h>

static struct maillog_line read_line(const char *text)
{
    struct maillog_clock clock = {.latest = {1795000000}}; /* November 2026 */
    struct maillog_line l;
    maillog_read(&clock, slice_cstr(text), &l);
    return l;
}

static int64_t time_of(const char *text)
{
    return read_line(text).time.sec;
}

static void times(void)
{
    setenv("TZ", "UTC", 1);
    CHECK_INT(time_of("2026-11-24T13:43:01.123456+01:00 mx postfix/smtpd[1]: connect from a[192.0.2.1]"), 1795524181);
    CHECK_INT(time_of("2026-11-24T13:43:01+0100 mx postfix/smtpd[1]: connect from a[192.0.2.1]"), 1795524181);
    CHECK_INT(time_of("2026-11-24T12:43:01Z mx postfix/smtpd[1]: connect from a[192.0.2.1]"), 1795524181);
    CHECK_INT(time_of("2026-11-24T12:43:01 mx postfix/smtpd[1]: connect from a[192.0.2.1]"), 1795524181);
    CHECK_INT(time_of("Nov  4 12:43:01 mx postfix/smtpd[1]: connect from a[192.0.2.1]"), 1795524181 - 20 * 86400);
    CHECK_INT(time_of("no time at all"), 0);
    CHECK_INT(read_line("no time at all").kind, MAILLOG_UNREAD);
    CHECK_INT(read_line("").kind, MAILLOG_UNREAD);
}

/* Lines without a year: the file's last line is no younger than `latest`, and December is followed by January. */
static void years(void)
{
    setenv("TZ", "UTC", 1);
    struct maillog_clock clock = {.latest = {1768000000}}; /* 2026-01-09 */
    struct maillog_line l;
    maillog_read(&clock, SLICE_LIT("Dec 31 23:59:59 mx postfix/smtpd[1]: connect from a[192.0.2.1]"), &l);
    CHECK_INT(l.time.sec, 1767225599);
    maillog_read(&clock, SLICE_LIT("Jan  1 00:00:01 mx postfix/smtpd[1]: connect from a[192.0.2.1]"), &l);
    CHECK_INT(l.time.sec, 1767225601);
    maillog_read(&clock, SLICE_LIT("Dec 31 23:59:58 mx2 postfix/smtpd[1]: connect from a[192.0.2.1]"), &l);
    CHECK_INT(l.time.sec, 1767225598);
}

static void clients(void)
{
    struct maillog_line l =
        read_line("Nov  4 12:43:01 mx postfix/smtpd[17]: connect from mail.good.example[203.0.113.10]:40123");
    CHECK_INT(l.kind, MAILLOG_CONNECT);
    CHECK_SLICE(l.name, "mail.good.example");
    CHECK_SLICE(l.pid, "17");
    CHECK_SLICE(l.host, "mx");
    CHECK_SLICE(l.program, "postfix/smtpd");
    CHECK_INT(l.client.family, IP_V4);
    l = read_line("Nov  4 12:43:01 mx postfix/smtpd[17]: connect from unknown[2001:db8::1]");
    CHECK_INT(l.client.family, IP_V6);
    CHECK(!l.name.ptr);
    l = read_line("Nov  4 12:43:01 mx postfix/smtpd[17]: connect from unknown[unknown]");
    CHECK_INT(l.kind, MAILLOG_CONNECT);
    CHECK_INT(l.client.family, IP_NONE);
    l = read_line(
        "Nov  4 12:43:01 mx postfix/smtpd[17]: disconnect from a.example[192.0.2.1] ehlo=1 mail=1 rcpt=0/1 commands=5/6");
    CHECK_INT(l.kind, MAILLOG_DISCONNECT);
    l = read_line("Nov  4 12:43:01 mx postfix/smtpd[17]: connect from nobody");
    CHECK_INT(l.kind, MAILLOG_UNREAD);
    l = read_line("Nov  4 12:43:01 mx postfix/smtpd[17]: warning: hostname a.example does not resolve to address 192.0.2.1");
    CHECK_INT(l.kind, MAILLOG_UNVERIFIED);
    CHECK(!l.temporary);
    CHECK_SLICE(l.name, "a.example");
    l = read_line("Nov  4 12:43:01 mx postfix/smtpd[17]: warning: hostname a.example does not resolve to address 192.0.2.1: "
                  "Temporary failure in name resolution");
    CHECK(l.temporary);
    l = read_line(
        "Nov  4 12:43:01 mx postfix/smtpd[17]: warning: 192.0.2.1: hostname a.example verification failed: Name or "
        "service not known");
    CHECK_INT(l.kind, MAILLOG_UNVERIFIED);
    CHECK_INT(l.client.family, IP_V4);
}

static void messages(void)
{
    struct maillog_line l = read_line("Nov  4 12:43:01 mx postfix/smtpd[17]: 4cXy2k1Zb7z3Q: client=a.example[192.0.2.1]");
    CHECK_INT(l.kind, MAILLOG_CLIENT);
    CHECK_SLICE(l.id, "4cXy2k1Zb7z3Q");
    CHECK(!l.login.ptr);
    CHECK(!l.has_origin);
    l = read_line(
        "Nov  4 12:43:01 mx mx1/submission/smtpd[17]: 3F2A91C0: client=a.example[192.0.2.1]:4001, sasl_method=PLAIN, "
        "sasl_username=bob");
    CHECK_INT(l.kind, MAILLOG_CLIENT);
    CHECK_SLICE(l.login, "bob");
    l = read_line(
        "Nov  4 12:43:01 mx postfix/10025/smtpd[17]: 3F2A91C0: client=localhost[127.0.0.1], orig_queue_id=3F2A91BF, "
        "orig_client=a.example[192.0.2.1]");
    CHECK(l.has_origin);
    CHECK_INT(l.origin.family, IP_V4);
    CHECK_SLICE(l.origin_name, "a.example");
    l = read_line("Nov  4 12:43:01 mx postfix/qmgr[3]: 3F2A91C0: from=<a b@example.org>, size=1200, nrcpt=2 (queue active)");
    CHECK_INT(l.kind, MAILLOG_QUEUED);
    CHECK_SLICE(l.sender, "a b@example.org");
    CHECK_INT(l.n_recipients, 2);
    l = read_line("Nov  4 12:43:01 mx postfix/qmgr[3]: 3F2A91C0: from=<>, size=1200, nrcpt=1 (queue active)");
    CHECK_SLICE(l.sender, "");
    l = read_line("Nov  4 12:43:01 mx postfix/qmgr[3]: 3F2A91C0: removed");
    CHECK_INT(l.kind, MAILLOG_REMOVED);
    l = read_line("Nov  4 12:43:01 mx postfix/lmtp[3]: 3F2A91C0: to=<b@example.net>, relay=x[/run/l], delay=1, dsn=2.0.0, "
                  "status=sent (250 to=<z@example.com> ok)");
    CHECK_INT(l.kind, MAILLOG_RECIPIENT);
    CHECK_SLICE(l.recipient, "b@example.net");
    l = read_line(
        "Nov  4 12:43:01 mx postfix/local[3]: 3F2A91C0: to=<b@mx>, orig_to=<bob@example.net>, relay=local, status=sent "
        "(x)");
    CHECK_SLICE(l.recipient, "bob@example.net");
    l = read_line("Nov  4 12:43:01 mx postfix/pickup[3]: 3F2A91C0: uid=0 from=<root>");
    CHECK_INT(l.kind, MAILLOG_LOCAL);
    l = read_line("Nov  4 12:43:01 mx dovecot: imap-login: Login");
    CHECK_INT(l.kind, MAILLOG_OTHER);
    l = read_line("Nov  4 12:43:01 mx kernel: [12.3] something");
    CHECK_INT(l.kind, MAILLOG_OTHER);
}

static void decisions(void)
{
    struct maillog_line l = read_line(
        "Nov  4 12:43:01 mx postfix/smtpd[17]: NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 450 4.7.1 Client host "
        "rejected: from here; from=<x@y.example>; from=<a@example.org> to=<b@example.net> proto=ESMTP "
        "helo=<mail.a.example>");
    CHECK_INT(l.kind, MAILLOG_REFUSED);
    CHECK_INT(l.verdict, MAILLOG_TEMPFAILS);
    CHECK(!l.id.ptr);
    CHECK_SLICE(l.stage, "RCPT");
    CHECK_SLICE(l.sender, "a@example.org");
    CHECK_SLICE(l.recipient, "b@example.net");
    CHECK_SLICE(l.helo, "mail.a.example");
    l = read_line(
        "Nov  4 12:43:01 mx postfix/cleanup[17]: 3F2A91C0: milter-reject: END-OF-MESSAGE from a.example[192.0.2.1]: 5.7.1 "
        "virus; from=<a@example.org> to=<b@example.net> proto=ESMTP helo=<h>");
    CHECK_INT(l.verdict, MAILLOG_REJECTS);
    CHECK_SLICE(l.stage, "END-OF-MESSAGE");
    CHECK_SLICE(l.id, "3F2A91C0");
    l = read_line(
        "Nov  4 12:43:01 mx postfix/cleanup[17]: 3F2A91C0: milter-discard: END-OF-MESSAGE from a.example[192.0.2.1]: "
        "milter triggers DISCARD action; from=<a@example.org> proto=ESMTP helo=<h>");
    CHECK_INT(l.verdict, MAILLOG_DISCARDS);
    l = read_line("Nov  4 12:43:01 mx postfix/smtpd[17]: NOQUEUE: permit: RCPT from a.example[192.0.2.1]: action=OK for "
                  "Client; from=<> to=<b@example.net> proto=ESMTP helo=<h>");
    CHECK_INT(l.kind, MAILLOG_SEEN);
    CHECK_SLICE(l.sender, "");
    l = read_line("Nov  4 12:43:01 mx postfix/smtpd[17]: proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as 3F2A91C0; "
                  "from=<a@example.org> to=<b@example.net> proto=ESMTP helo=<h>");
    CHECK_INT(l.kind, MAILLOG_PROXY);
    CHECK_INT(l.verdict, MAILLOG_ACCEPTS);
    CHECK_SLICE(l.helo, "h");
    l = read_line(
        "Nov  4 12:43:01 mx postfix/postscreen[17]: NOQUEUE: reject: RCPT from [192.0.2.1]:4711: 550 5.7.1 Service "
        "unavailable; client [192.0.2.1] blocked; from=<a@example.org>, to=<b@example.net>, proto=ESMTP, helo=<h>");
    CHECK_INT(l.kind, MAILLOG_REFUSED);
    CHECK_SLICE(l.sender, "a@example.org");
    CHECK_SLICE(l.recipient, "b@example.net");
    CHECK_SLICE(l.helo, "h");
    CHECK(!l.name.ptr);
    l = read_line("Nov  4 12:43:01 mx postfix/smtpd[17]: message repeated 3 times: [ NOQUEUE: reject: RCPT from "
                  "unknown[192.0.2.1]: 550 no; from=<a@example.org> to=<b@example.net> proto=ESMTP helo=<h>]");
    CHECK_INT(l.kind, MAILLOG_REFUSED);
    CHECK_INT(l.repeated, 3);
    CHECK_SLICE(l.helo, "h");
    l = read_line(
        "Nov  4 12:43:01 mx postfix/cleanup[17]: 3F2A91C0: reject: header Subject: from me from a.example[192.0.2.1]; "
        "from=<a@example.org> to=<b@example.net> proto=ESMTP helo=<h>: 5.7.1 no");
    CHECK_INT(l.kind, MAILLOG_REFUSED);
    CHECK_SLICE(l.sender, "a@example.org");
    l = read_line("Nov  4 12:43:01 mx postfix/smtpd[17]: something new from a.example[192.0.2.1]");
    CHECK_INT(l.kind, MAILLOG_UNREAD);
    l = read_line("Nov  4 12:43:01 mx postfix/smtpd[17]: lost connection after RCPT from a.example[192.0.2.1]");
    CHECK_INT(l.kind, MAILLOG_OTHER);
    l = read_line("Nov  4 12:43:01 mx postfix/postscreen[17]: PASS NEW [192.0.2.1]:4711");
    CHECK_INT(l.kind, MAILLOG_OTHER);
}

int main(void)
{
    TEST(times);
    TEST(years);
    TEST(clients);
    TEST(messages);
    TEST(decisions);
    return TEST_END();
}
