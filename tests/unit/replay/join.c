/* join.c - lines in, deliveries out. A line of a case is "SECONDS [HOST:]PROGRAM[PID]: TEXT"; HOST is mx, PROGRAM below postfix/. */
#include "replay/join.h"
#include "replay/unread.h"
#include "test.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct row {
    const char *what, *log, *want;
};

#define BEGIN      "0 smtpd[1]: connect from mail.a.example[192.0.2.1]\n0 smtpd[1]: 4AAAA1: client=mail.a.example[192.0.2.1]\n"
#define QUEUED     "1 qmgr[9]: 4AAAA1: from=<a@a.example>, size=900, nrcpt=1 (queue active)\n"
#define TO         "2 local[8]: 4AAAA1: to=<b@mx.example>, relay=local, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (x)\n"
#define REMOVED    "2 qmgr[9]: 4AAAA1: removed\n"
#define A_TO_B     "0 192.0.2.1 OK mail.a.example helo - from <a@a.example> to <b@mx.example>\n"
#define DISCONNECT "3 smtpd[1]: disconnect from mail.a.example[192.0.2.1] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5\n"

static const struct row rows[] = {
    {"an ordinary message", BEGIN QUEUED TO REMOVED DISCONNECT, A_TO_B},
    {"its end is missing: it was seen in the queue", BEGIN QUEUED,
     "0 192.0.2.1 OK mail.a.example helo - from <a@a.example>\n"},
    {"its queue lines are missing", BEGIN TO, "0 192.0.2.1 OK mail.a.example helo - from - to <b@mx.example>\n"},
    {"it never came to the queue",
     BEGIN "4 smtpd[1]: lost connection after DATA (12 bytes) from mail.a.example[192.0.2.1]\n" DISCONNECT,
     "1 unfinished\n"},
    {"the connection's beginning is missing",
     "0 smtpd[1]: 4AAAA1: client=mail.a.example[192.0.2.1]:4711\n" QUEUED TO REMOVED, A_TO_B},
    {"two recipients of one alias, and one of its own",
     BEGIN
     "1 qmgr[9]: 4AAAA1: from=<>, size=9, nrcpt=3 (queue active)\n"
     "2 local[8]: 4AAAA1: to=<x@mx.example>, orig_to=<b@mx.example>, relay=local, delay=1, dsn=2.0.0, status=sent (x)\n"
     "2 local[8]: 4AAAA1: to=<y@mx.example>, orig_to=<b@mx.example>, relay=local, delay=1, dsn=2.0.0, status=sent (x)\n"
     "2 smtp[8]: 4AAAA1: to=<c@mx.example>, relay=none, delay=1, dsn=4.4.1, status=deferred (to=<d@mx.example>, "
     "x)\n" REMOVED,
     "0 192.0.2.1 OK mail.a.example helo - from <> to <b@mx.example> to <c@mx.example>\n"},
    {"a milter refuses it at its end",
     BEGIN
     "2 cleanup[5]: 4AAAA1: milter-reject: END-OF-MESSAGE from mail.a.example[192.0.2.1]: 5.7.1 spam; from=<a@a.example> "
     "to=<b@mx.example> proto=ESMTP helo=<mx.a.example>\n" DISCONNECT,
     "0 192.0.2.1 OK mail.a.example helo mx.a.example from <a@a.example> refused\n"},
    {"a milter throws it away",
     BEGIN
     "2 cleanup[5]: 4AAAA1: milter-discard: END-OF-MESSAGE from mail.a.example[192.0.2.1]: milter triggers DISCARD action; "
     "from=<a@a.example> to=<b@mx.example> proto=ESMTP helo=<mx.a.example>\n",
     "0 192.0.2.1 OK mail.a.example helo mx.a.example from <a@a.example> refused\n"},
    {"a header check refuses it",
     BEGIN "2 cleanup[5]: 4AAAA1: reject: header Subject: casino from mail.a.example[192.0.2.1]; from=<a@a.example> "
           "to=<b@mx.example> proto=ESMTP helo=<h>: 5.7.1 no\n",
     "0 192.0.2.1 OK mail.a.example helo h from <a@a.example> refused\n"},
    {"a check puts it on hold: another queue id goes on, and this one was accepted",
     BEGIN "2 cleanup[5]: 4AAAA1: hold: header Received: from x from mail.a.example[192.0.2.1]; from=<a@a.example> "
           "to=<b@mx.example> proto=ESMTP helo=<h>: x\n"
           "5 qmgr[9]: 4BBBB1: from=<a@a.example>, size=900, nrcpt=1 (queue active)\n",
     "0 192.0.2.1 OK mail.a.example helo h from <a@a.example> to <b@mx.example>\n"},
    {"one of two recipients is refused: the message is not",
     BEGIN "1 smtpd[1]: 4AAAA1: reject: RCPT from mail.a.example[192.0.2.1]: 550 5.1.1 <z@mx.example>: unknown; "
           "from=<a@a.example> "
           "to=<z@mx.example> proto=ESMTP helo=<mx.a.example>\n" QUEUED TO REMOVED,
     "0 192.0.2.1 OK mail.a.example helo mx.a.example from <a@a.example> to <b@mx.example>\n"
     "1 192.0.2.1 OK mail.a.example helo mx.a.example from <a@a.example> to <z@mx.example> refused\n"},
    {"refused at once; the HELO is known to the message that follows",
     "0 smtpd[1]: connect from unknown[192.0.2.7]\n"
     "0 smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 <x>: no; from=<s@x> to=<z@mx.example> "
     "proto=ESMTP "
     "helo=<[10.0.0.1]>\n"
     "1 smtpd[1]: 4CCCC1: client=unknown[192.0.2.7]\n"
     "1 qmgr[9]: 4CCCC1: from=<s@x>, size=9, nrcpt=1 (queue active)\n2 qmgr[9]: 4CCCC1: removed\n",
     "0 192.0.2.7 FAIL? - helo [10.0.0.1] from <s@x> to <z@mx.example> refused\n"
     "1 192.0.2.7 FAIL? - helo [10.0.0.1] from <s@x>\n"},
    {"the same process serves another client: nothing of the first one is left",
     "0 smtpd[1]: connect from unknown[192.0.2.7]\n"
     "0 smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 no; from=<s@x> to=<z@mx.example> proto=SMTP "
     "helo=<h>\n"
     "1 smtpd[1]: disconnect from unknown[192.0.2.7] helo=1 mail=1 rcpt=0/1 commands=2/3\n" BEGIN QUEUED TO REMOVED,
     "0 192.0.2.7 FAIL? - helo h from <s@x> to <z@mx.example> refused\n" A_TO_B},
    {"and where the disconnect is missing",
     "0 smtpd[1]: NOQUEUE: permit: RCPT from unknown[192.0.2.7]: x; from=<s@x> to=<z@mx.example> proto=SMTP helo=<h>\n"
     "0 smtpd[1]: 4AAAA1: client=mail.a.example[192.0.2.1]\n" QUEUED TO REMOVED,
     A_TO_B},
    {"again and again",
     "0 smtpd[1]: message repeated 3 times: [ NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 no; from=<s@x> "
     "to=<z@mx.example> "
     "proto=SMTP helo=<h>]\n",
     "0 192.0.2.7 FAIL? - helo h from <s@x> to <z@mx.example> refused 3 times\n"},
    {"a name that does not lead back: for good, and for now",
     "0 smtpd[1]: warning: hostname no.isp.example does not resolve to address 192.0.2.7: Name or service not known\n"
     "0 smtpd[1]: connect from unknown[192.0.2.7]\n0 smtpd[1]: 4CCCC1: client=unknown[192.0.2.7]\n2 qmgr[9]: 4CCCC1: "
     "removed\n"
     "3 smtpd[2]: warning: hostname now.isp.example does not resolve to address 192.0.2.8: Temporary failure in name "
     "resolution\n"
     "3 smtpd[2]: connect from unknown[192.0.2.8]\n3 smtpd[2]: 4CCCC2: client=unknown[192.0.2.8]\n4 qmgr[9]: 4CCCC2: "
     "removed\n"
     "5 smtpd[2]: connect from unknown[192.0.2.9]\n5 smtpd[2]: 4CCCC3: client=unknown[192.0.2.9]\n6 qmgr[9]: 4CCCC3: "
     "removed\n",
     "0 192.0.2.7 FORGED no.isp.example helo - from -\n3 192.0.2.8 TEMP now.isp.example helo - from -\n"
     "5 192.0.2.9 FAIL? - helo - from -\n"},
    {"a queue id is used again",
     BEGIN QUEUED TO "5 smtpd[2]: 4AAAA1: client=unknown[192.0.2.2]\n"
                     "5 qmgr[9]: 4AAAA1: from=<c@c.example>, size=900, nrcpt=1 (queue active)\n"
                     "6 local[8]: 4AAAA1: to=<d@mx.example>, relay=local, delay=1, dsn=2.0.0, status=sent (x)\n",
     A_TO_B "5 192.0.2.2 FAIL? - helo - from <c@c.example> to <d@mx.example>\n"},
    {"the same queue id and process number on two machines, and in two instances",
     "0 one:smtpd[1]: 4AAAA1: client=one.example[192.0.2.1]\n0 two:smtpd[1]: 4AAAA1: client=two.example[192.0.2.2]\n"
     "0 two:postfix-in/smtpd[1]: 4AAAA1: client=three.example[192.0.2.3]\n"
     "1 one:qmgr[9]: 4AAAA1: from=<1@x>, size=900, nrcpt=1 (queue active)\n"
     "1 two:postfix-in/qmgr[9]: 4AAAA1: from=<3@x>, size=900, nrcpt=1 (queue active)\n"
     "1 two:qmgr[9]: 4AAAA1: from=<2@x>, size=900, nrcpt=1 (queue active)\n",
     "0 192.0.2.1 OK one.example helo - from <1@x>\n0 192.0.2.2 OK two.example helo - from <2@x>\n"
     "0 192.0.2.3 OK three.example helo - from <3@x>\n"},
    {"a user writes: no delivery, but correspondents",
     "0 submission/smtpd[1]: 4AAAA1: client=dsl.isp.example[192.0.2.9], sasl_method=PLAIN, sasl_username=joe\n"
     "1 qmgr[9]: 4AAAA1: from=<joe@mx.example>, size=900, nrcpt=2 (queue active)\n"
     "2 smtp[8]: 4AAAA1: to=<c@c.example>, relay=none, delay=1, dsn=4.4.1, status=deferred (x)\n"
     "2 smtp[8]: 4AAAA1: to=<d@d.example>, relay=x, delay=1, dsn=2.0.0, status=sent (x)\n"
     "3 smtpd[1]: NOQUEUE: reject: RCPT from dsl.isp.example[192.0.2.9]: 550 5.1.1 no; from=<joe@mx.example> to=<e> "
     "proto=ESMTP "
     "helo=<h> sasl_method=PLAIN sasl_username=joe\n",
     "corresponds c@c.example\ncorresponds d@d.example\n1 users\n"},
    {"mail of this machine",
     "0 pickup[1]: 4AAAA1: uid=0 from=<root>\n1 qmgr[9]: 4AAAA1: from=<root@mx.example>, size=900, nrcpt=1 (queue "
     "active)\n" TO REMOVED "3 smtpd[1]: 4AAAA2: client=localhost[127.0.0.1]\n3 smtpd[1]: 4AAAA3: client=localhost[::1]\n",
     "3 local\n"},
    {"a content filter brings it back: counted once",
     BEGIN QUEUED
     "2 smtp[8]: 4AAAA1: to=<b@mx.example>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, dsn=2.0.0, status=sent (x)\n"
     "2 smtpd[7]: connect from localhost[127.0.0.1]\n"
     "2 smtpd[7]: 4DDDD1: client=localhost[127.0.0.1], orig_queue_id=4AAAA1, orig_client=mail.a.example[192.0.2.1]\n"
     "3 qmgr[9]: 4DDDD1: from=<a@a.example>, size=900, nrcpt=1 (queue active)\n",
     A_TO_B "1 again\n"},
    {"a front end that is in no log hands on: its client is the client, and is counted once behind a content filter",
     "0 smtpd[7]: connect from front.example[198.51.100.5]\n"
     "0 smtpd[7]: 4DDDD1: client=front.example[198.51.100.5], orig_queue_id=4ZZZZ1, orig_client=unknown[192.0.2.7]:4711\n"
     "1 qmgr[9]: 4DDDD1: from=<s@x>, size=900, nrcpt=1 (queue active)\n2 qmgr[9]: 4DDDD1: removed\n"
     "3 smtpd[8]: 4DDDD2: client=localhost[127.0.0.1], orig_client=localhost[127.0.0.1]\n",
     "0 192.0.2.7 FAIL? - helo - from <s@x>\n1 again\n"},
    {"a proxy takes one and refuses one",
     "0 smtpd[1]: connect from mail.a.example[192.0.2.1]\n0 smtpd[1]: NOQUEUE: client=mail.a.example[192.0.2.1]\n"
     "1 smtpd[1]: proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as 4DDDD1; from=<a@a.example> to=<b@mx.example> "
     "proto=ESMTP "
     "helo=<mx.a.example>\n"
     "2 smtpd[1]: NOQUEUE: client=mail.a.example[192.0.2.1]\n"
     "3 smtpd[1]: proxy-reject: END-OF-MESSAGE: 554 5.7.0 Reject; from=<a@a.example> to=<c@mx.example> proto=ESMTP "
     "helo=<mx.a.example>\n",
     "1 192.0.2.1 OK mail.a.example helo mx.a.example from <a@a.example> to <b@mx.example>\n"
     "3 192.0.2.1 OK mail.a.example helo mx.a.example from <a@a.example> to <c@mx.example> refused\n"},
    {"a user's mail through a proxy",
     "0 smtps/smtpd[1]: NOQUEUE: client=dsl.isp.example[192.0.2.9], sasl_method=PLAIN, sasl_username=joe\n"
     "1 smtps/smtpd[1]: proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok; from=<joe@mx.example> to=<c@c.example> proto=ESMTP "
     "helo=<h>\n",
     "corresponds c@c.example\n1 users\n"},
    {"postscreen refuses, and knows no name",
     "0 postscreen[4]: CONNECT from [192.0.2.7]:4711 to [192.0.2.100]:25\n0 postscreen[4]: DNSBL rank 3 for "
     "[192.0.2.7]:4711\n"
     "1 postscreen[4]: NOQUEUE: reject: RCPT from [192.0.2.7]:4711: 550 5.7.1 Service unavailable; from=<s@x>, "
     "to=<z@mx.example>, "
     "proto=ESMTP, helo=<h>\n",
     "1 192.0.2.7 FAIL? - unnamed helo h from <s@x> to <z@mx.example> refused\n"},
    {"it was told to come back: so long it took, and so long the client is expected to take",
     "0 smtpd[1]: NOQUEUE: reject: RCPT from mail.a.example[192.0.2.1]: 450 4.2.0 <b@mx.example>: Greylisted; "
     "from=<a@a.example> "
     "to=<b@mx.example> proto=ESMTP helo=<h>\n"
     "300 smtpd[1]: 4AAAA1: client=mail.a.example[192.0.2.1]\n301 qmgr[9]: 4AAAA1: from=<a@a.example>, size=900, nrcpt=1 "
     "(queue active)\n"
     "302 local[8]: 4AAAA1: to=<b@mx.example>, relay=local, delay=1, dsn=2.0.0, status=sent (x)\n"
     "400 smtpd[2]: 4AAAA2: client=mail2.a.example[192.0.2.2]\n401 qmgr[9]: 4AAAA2: removed\n",
     "0 192.0.2.1 OK mail.a.example helo h from <a@a.example> to <b@mx.example> refused\n"
     "300 192.0.2.1 OK mail.a.example helo h from <a@a.example> to <b@mx.example> retry 300\n"
     "400 192.0.2.2 OK mail2.a.example helo - from - retry 300\n"},
    {"a client that was gone before anybody looked",
     "0 smtpd[1]: connect from unknown[unknown]\n"
     "0 smtpd[1]: 4AAAA1: client=unknown[unknown]\n" QUEUED TO REMOVED,
     ""},
    {"the order is that of the first recipients, but nobody waits for ever",
     "0 smtpd[1]: 4AAAA1: client=slow.example[192.0.2.1]\n1 smtpd[2]: 4AAAA2: client=quick.example[192.0.2.2]\n"
     "2 qmgr[9]: 4AAAA2: removed\n3 qmgr[9]: 4AAAA1: removed\n"
     "4 smtpd[1]: 4AAAA3: client=never.example[192.0.2.3]\n5 smtpd[1]: 4AAAA4: client=next.example[192.0.2.4]\n"
     "6 qmgr[9]: 4AAAA4: removed\n1000 qmgr[9]: 4AAAA3: removed\n",
     "0 192.0.2.1 OK slow.example helo - from -\n1 192.0.2.2 OK quick.example helo - from -\n"
     "4 192.0.2.3 OK never.example helo - from -\n5 192.0.2.4 OK next.example helo - from -\n"},
};

/* ---- a log ---- */

enum { BASE_SEC = 1795521600 };

static void put_line(struct slice line, struct buf *out)
{
    uint64_t sec;
    struct slice rest = line, number = slice_cut(&rest, ' '), host = SLICE_LIT("mx");
    size_t colon = slice_find(rest, ':'), bracket = slice_find(rest, '[');
    CHECK_INT(slice_to_u64(number, &sec), ERR_NONE);
    if (colon < bracket)
        host = slice_cut(&rest, ':');
    struct slice tag = slice_upto(rest, slice_find(rest, '['));
    bool has_instance = slice_has_prefix(tag, "postfix");
    time_t t = (time_t)(BASE_SEC + (int64_t)sec);
    struct tm tm;
    char stamp[32];
    (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    buf_printf(out, "%s %.*s %s%.*s", stamp, SLICE_ARG(host), has_instance ? "" : "postfix/", SLICE_ARG(rest));
}

static void put_text(struct buf *out, const char *before, struct slice text)
{
    buf_printf(out, "%s%s%.*s%s", before, text.ptr ? "<" : "-", SLICE_ARG(text), text.ptr ? ">" : "");
}

static void take_delivery(void *ctx, const struct delivery *d)
{
    static const char *const resolves[] = {
        [RESOLVE_OK] = "OK", [RESOLVE_FORGED] = "FORGED", [RESOLVE_TEMP] = "TEMP", [RESOLVE_FAIL] = "FAIL"};
    struct buf *out = ctx;
    char address[IP_TEXT_MAX];
    buf_printf(out, "%lld %s %s%s %.*s%s helo %.*s", (long long)(d->time.sec - BASE_SEC), ip_format(&d->client, address),
               resolves[d->resolve], d->perhaps_temp ? "?" : "", SLICE_ARG(d->name.ptr ? d->name : SLICE_LIT("-")),
               d->is_unnamed ? " unnamed" : "", SLICE_ARG(d->helo.ptr ? d->helo : SLICE_LIT("-")));
    put_text(out, " from ", d->sender);
    for (size_t i = 0; i < d->n_recipients; i++)
        put_text(out, " to ", d->recipients[i]);
    if (d->refused)
        buf_put_cstr(out, " refused");
    if (d->times != 1)
        buf_printf(out, " %u times", d->times);
    if (d->retry_sec)
        buf_printf(out, " retry %lld", (long long)d->retry_sec);
    buf_put_byte(out, '\n');
}

static void take_correspondent(void *ctx, struct slice address)
{
    buf_printf(ctx, "corresponds %.*s\n", SLICE_ARG(address));
}

static void put_counts(const struct join_counts *c, struct buf *out)
{
    const struct {
        uint64_t n;
        const char *what;
    } counts[] = {
        {c->users, "users"}, {c->local, "local"}, {c->again, "again"}, {c->unfinished, "unfinished"}, {c->forced, "forced"}};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        if (counts[i].n)
            buf_printf(out, "%llu %s\n", (unsigned long long)counts[i].n, counts[i].what);
}

static void check_row(const struct row *row)
{
    struct buf got = {0}, line = {0};
    const struct join_sink sink = {take_delivery, take_correspondent, &got};
    struct join *j = join_new(&sink);
    struct maillog_clock clock = {.latest = {BASE_SEC + 86400}};
    struct slice rest = slice_cstr(row->log);
    while (rest.len > 0) {
        struct maillog_line m;
        buf_clear(&line);
        put_line(slice_cut(&rest, '\n'), &line);
        maillog_read(&clock, buf_slice(&line), &m);
        if (!CHECK(m.kind != MAILLOG_UNREAD))
            printf("# unread: %.*s\n", SLICE_ARG(buf_slice(&line)));
        join_line(j, &m);
        memset(line.ptr, 'x', line.len); /* nothing of the line may be kept */
    }
    join_finish(j);
    put_counts(join_counts(j), &got);
    if (!CHECK_STR(buf_cstr(&got), row->want))
        printf("# in: %s\n", row->what);
    join_free(j);
    buf_fini(&got);
    buf_fini(&line);
}

static void deliveries(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(&rows[i]);
}

/* ---- bounds ---- */

struct seen {
    uint64_t deliveries;
    int64_t last;
    bool in_order;
};

static void count_delivery(void *ctx, const struct delivery *d)
{
    struct seen *seen = ctx;
    seen->deliveries++;
    seen->in_order = seen->in_order && d->time.sec >= seen->last;
    seen->last = d->time.sec;
}

static void count_correspondent(void *ctx, struct slice address)
{
    (void)ctx;
    (void)address;
}

/* More messages at once than there is room for: the oldest are given out early, and none is lost. */
static void bounded(void)
{
    enum { N = JOIN_MESSAGES_MAX + 1000 };
    struct seen seen = {.in_order = true};
    const struct join_sink sink = {count_delivery, count_correspondent, &seen};
    struct join *j = join_new(&sink);
    for (unsigned i = 0; i < N; i++) {
        char id[16], pid[16];
        snprintf(id, sizeof(id), "%08X", i);
        snprintf(pid, sizeof(pid), "%u", i);
        struct maillog_line line = {
            .time = {1000 + i / 1000}, .repeated = 1, .host = SLICE_LIT("mx"), .kind = MAILLOG_CLIENT};
        line.program = SLICE_LIT("postfix/smtpd");
        line.pid = slice_cstr(pid);
        line.id = slice_cstr(id);
        line.client = (struct ip){IP_V4, {192, 0, 2, 1}};
        join_line(j, &line);
        line.kind = MAILLOG_QUEUED;
        line.n_recipients = 1;
        join_line(j, &line);
    }
    CHECK_INT(join_counts(j)->forced, 1000);
    CHECK_INT(seen.deliveries, 1000);
    join_finish(j);
    CHECK_INT(seen.deliveries, N);
    CHECK(seen.in_order);
    join_free(j);
}

/* ---- lines that were not read ---- */

static void unread_forms(void)
{
    struct buf text = {0};
    struct unread *u = unread_new();
    unread_note(u, SLICE_LIT("postfix/smtpd[1]: what is 4711"));
    unread_note(u, SLICE_LIT("postfix/smtpd[2]: this is new"));
    unread_note(u, SLICE_LIT("postfix/smtpd[33]: this is new"));
    unread_note(u, SLICE_LIT("postfix/smtpd[4]: what is 12"));
    unread_note(u, SLICE_LIT("postfix/smtpd[4]: what is <a@b>"));
    unread_put(u, &text);
    CHECK_STR(buf_cstr(&text), "       3  postfix/smtpd[1]: what is 4711\n       2  postfix/smtpd[2]: this is new\n");
    for (unsigned i = 0; i < 100; i++) {
        char word[3] = {(char)('a' + i % 26), (char)('a' + i / 26), '\0'};
        unread_note(u, slice_cstr(word));
    }
    buf_clear(&text);
    unread_put(u, &text);
    CHECK_INT(unread_count(u), 105);
    CHECK(strstr(buf_cstr(&text), "      38  of other forms\n") != NULL);
    unread_free(u);
    buf_fini(&text);
}

int main(void)
{
    TEST(deliveries);
    TEST(bounded);
    TEST(unread_forms);
    return TEST_END();
}
