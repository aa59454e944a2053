/*
 * Questions to a DNS server of our own, which runs in the same poll loop and does as the first label of a name says. Times
 * are real, and short.
 */
#include "../test.h"
#include "base/mem.h"
#include "fetch/dns/dns.h"
#include "fetch/dns/name.h"
#include "message.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FDS = 16, ANSWERS = 300, PATIENCE_MS = 5000, CUT_ADDRESSES = 40 };

/* A query that the server keeps until the test says so. */
struct kept {
    struct sockaddr_in from;
    uint16_t id, type;
    char name[DNS_TEXT_MAX];
};

static struct rig {
    struct dns *d;
    int udp, tcp, conn;
    char server[32];
    struct pollfd watched[FDS];
    size_t n_watched;
    bool woken, asking;
    unsigned queries, tcp_queries; /* seen by the server */
    struct kept kept[FDS];
    size_t n_kept;
    char answers[ANSWERS][120]; /* by request */
    unsigned n_answers;
    struct buf message;
} rig;

static struct mono now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct mono){(int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000};
}

/* ---- the server ---- */

static bool is(const char *name, const char *label)
{
    return slice_has_prefix(slice_cstr(name), label) && name[strlen(label)] == '.';
}

/* The true answer. */
static void fill(struct buf *m, unsigned id, const char *name, unsigned type)
{
    message_begin(m, id, R_NOERROR, name, type);
    if (is(name, "gone")) {
        message_begin(m, id, R_NXDOMAIN, name, type);
        message_soa(m, "example", 900, 600);
    } else if (is(name, "nodata")) {
        message_soa(m, "example", 900, 600);
    } else if (is(name, "servfail")) {
        message_begin(m, id, R_SERVFAIL, name, type);
    } else if (is(name, "refused")) {
        message_begin(m, id, R_REFUSED, name, type);
    } else if (is(name, "alias")) {
        message_name(m, SECTION_ANSWER, name, T_CNAME, 60, "real.example");
        message_address(m, "real.example", 60, "192.0.2.77");
    } else if (type == T_PTR) {
        message_name(m, SECTION_ANSWER, name, T_PTR, 60, "host.example");
    } else if (type == T_AAAA) {
        message_address(m, name, 60, "2001:db8::5");
    } else {
        message_address(m, name, is(name, "short") ? 0 : 60, "192.0.2.1");
        for (unsigned i = is(name, "cut") ? CUT_ADDRESSES - 1 : is(name, "two") ? 1 : 0; i > 0; i--)
            message_address(m, name, 60, "192.0.2.2");
    }
}

static void reply(const struct kept *q)
{
    struct slice bytes = buf_slice(&rig.message);
    CHECK_INT(sendto(rig.udp, bytes.ptr, bytes.len, 0, (const struct sockaddr *)&q->from, sizeof(q->from)), bytes.len);
}

/* What is none, before what is one: all of it has to be passed over. */
static void make_noise(const struct kept *q)
{
    buf_clear(&rig.message);
    buf_put_cstr(&rig.message, "noise");
    reply(q);
    message_begin(&rig.message, q->id + 1U, R_NXDOMAIN, q->name, q->type);
    reply(q);
    message_begin(&rig.message, q->id, R_NXDOMAIN, "other.example", q->type);
    reply(q);
}

static bool read_query(const uint8_t *bytes, size_t len, struct kept *q)
{
    if (len < 18 || memchr(bytes + 12, 0, len - 12) == NULL)
        return false;
    size_t name_len;
    CHECK_INT(dns_wire_text(bytes + 12, q->name, &name_len), ERR_NONE);
    q->id = (uint16_t)(bytes[0] << 8 | bytes[1]);
    q->type = (uint16_t)(bytes[len - 4] << 8 | bytes[len - 3]);
    return true;
}

static void serve_udp(void)
{
    uint8_t bytes[600];
    struct kept q;
    socklen_t size = sizeof(q.from);
    ssize_t len = recvfrom(rig.udp, bytes, sizeof(bytes), 0, (struct sockaddr *)&q.from, &size);
    if (!CHECK(len > 0 && read_query(bytes, (size_t)len, &q)))
        return;
    rig.queries++;
    if (is(q.name, "mute") || (is(q.name, "second") && rig.queries == 1))
        return;
    if (is(q.name, "kept") && CHECK(rig.n_kept < FDS)) {
        rig.kept[rig.n_kept++] = q;
        return;
    }
    if (is(q.name, "noise"))
        make_noise(&q);
    fill(&rig.message, q.id, q.name, q.type);
    if (is(q.name, "garbage")) {
        rig.message.ptr[7] = 9; /* more records than there are */
    } else if (is(q.name, "cut")) {
        message_begin(&rig.message, q.id, R_NOERROR, q.name, q.type);
        rig.message.ptr[2] |= 2;
    }
    reply(&q);
}

static void serve_tcp(void)
{
    uint8_t bytes[600];
    struct kept q;
    ssize_t len = recv(rig.conn, bytes, sizeof(bytes), 0);
    if (len <= 0) {
        close(rig.conn);
        rig.conn = -1;
        return;
    }
    if (!CHECK(len > 2 && read_query(bytes + 2, (size_t)len - 2, &q)))
        return;
    rig.tcp_queries++;
    fill(&rig.message, q.id, q.name, q.type);
    struct buf framed = {0};
    buf_put_u16be(&framed, (uint16_t)rig.message.len);
    buf_put_slice(&framed, buf_slice(&rig.message));
    CHECK_INT(send(rig.conn, framed.ptr, framed.len, MSG_NOSIGNAL), framed.len);
    buf_fini(&framed);
}

static void answer_kept(void)
{
    for (size_t i = 0; i < rig.n_kept; i++) {
        fill(&rig.message, rig.kept[i].id, rig.kept[i].name, rig.kept[i].type);
        reply(&rig.kept[i]);
    }
    rig.n_kept = 0;
}

/* UDP and TCP at one port. */
static void server_open(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    for (unsigned i = 0; i < 100; i++) {
        rig.udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        rig.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        at.sin_port = 0;
        if (bind(rig.udp, (struct sockaddr *)&at, sizeof(at)) == 0 &&
            getsockname(rig.udp, (struct sockaddr *)&at, &size) == 0 &&
            bind(rig.tcp, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(rig.tcp, 1) == 0)
            break;
        close(rig.udp);
        close(rig.tcp);
    }
    snprintf(rig.server, sizeof(rig.server), "127.0.0.1:%u", ntohs(at.sin_port));
    rig.conn = -1;
}

/* ---- the other side: what io and the engine do ---- */

static void hook_answered(void *ctx, const struct event *e)
{
    struct rig *r = ctx;
    char ip[IP_TEXT_MAX], *text = r->answers[e->request];
    static const char *const words[] = {"found", "absent", "failed"};
    CHECK(!r->asking);
    CHECK_INT(e->kind, EVENT_DNS);
    CHECK_INT(e->owner, 42);
    CHECK_STR(text, ""); /* once */
    int n = snprintf(text, sizeof(r->answers[0]), "%s", words[e->u.dns.status]);
    if (e->u.dns.n_addresses > 2)
        snprintf(text + n, sizeof(r->answers[0]) - (size_t)n, " %zu", e->u.dns.n_addresses);
    else
        for (size_t i = 0; i < e->u.dns.n_addresses; i++)
            n += snprintf(text + n, sizeof(r->answers[0]) - (size_t)n, " %s", ip_format(&e->u.dns.addresses[i], ip));
    if (e->u.dns.name.len > 0)
        snprintf(text + n, sizeof(r->answers[0]) - (size_t)n, " %.*s", SLICE_ARG(e->u.dns.name));
    r->n_answers++;
}

static void hook_watch(void *ctx, int fd, bool read, bool write)
{
    struct rig *r = ctx;
    size_t i = 0;
    while (i < r->n_watched && r->watched[i].fd != fd)
        i++;
    if (i == r->n_watched && CHECK(i < FDS))
        r->n_watched++;
    r->watched[i] = (struct pollfd){.fd = fd, .events = (short)((read ? POLLIN : 0) | (write ? POLLOUT : 0))};
    if (!read && !write)
        r->watched[i] = r->watched[--r->n_watched];
}

static void hook_wake(void *ctx)
{
    struct rig *r = ctx;
    CHECK(!r->woken); /* once is enough */
    r->woken = true;
}

/* One round of the loop. */
static void turn(void)
{
    struct pollfd fds[FDS + 3], *own = fds + rig.n_watched;
    size_t n = rig.n_watched;
    memcpy(fds, rig.watched, n * sizeof(fds[0]));
    own[0] = (struct pollfd){.fd = rig.udp, .events = POLLIN};
    own[1] = (struct pollfd){.fd = rig.tcp, .events = POLLIN};
    own[2] = (struct pollfd){.fd = rig.conn, .events = POLLIN};
    int64_t ms = dns_tick(rig.d, now());
    CHECK(ms >= -1);
    poll(fds, n + 3, rig.woken ? 0 : ms < 0 || ms > PATIENCE_MS ? PATIENCE_MS : (int)ms);
    for (size_t i = 0; i < n; i++)
        if (fds[i].revents)
            dns_ready(rig.d, fds[i].fd, fds[i].revents & ~POLLOUT, fds[i].revents & POLLOUT, now());
    if (own[0].revents)
        serve_udp();
    if (own[1].revents)
        rig.conn = accept(rig.tcp, NULL, NULL);
    if (own[2].revents)
        serve_tcp();
    if (rig.woken) {
        rig.woken = false;
        dns_deliver(rig.d, now());
    }
}

static void run_until(const unsigned *value, unsigned want)
{
    int64_t end = now().ms + PATIENCE_MS;
    while (*value < want && now().ms < end)
        turn();
    CHECK_INT(*value, want);
}

/* No try ends before the server, however slow the machine, has had its turn. */
static const struct dns_limits limits = {.deadline_ms = 2 * PATIENCE_MS,
                                         .try_ms = PATIENCE_MS,
                                         .tries = 2,
                                         .in_flight_max = 100,
                                         .cache_max = 100,
                                         .ttl_min_sec = 5,
                                         .ttl_max_sec = 3600,
                                         .negative_sec = 300};

static const struct dns_hooks hooks = {.ctx = &rig, .answered = hook_answered, .watch = hook_watch, .wake = hook_wake};

static void begin(const struct dns_limits *with)
{
    rig = (struct rig){.message = rig.message};
    server_open();
    CHECK_INT(dns_open(&rig.d, &hooks, with, rig.server), ERR_NONE);
}

static void end(void)
{
    unsigned answers = rig.n_answers;
    dns_close(rig.d);
    CHECK_INT(rig.n_answers, answers);
    CHECK_INT(rig.n_watched, 0);
    close(rig.udp);
    close(rig.tcp);
    if (rig.conn >= 0)
        close(rig.conn);
}

static void ask(uint32_t request, enum dns_type type, const char *what)
{
    struct effect e = {.kind = EFFECT_DNS, .owner = 42, .request = request};
    e.u.dns.type = type;
    e.u.dns.name = slice_cstr(what);
    if (type == DNS_PTR) {
        e.u.dns.name = SLICE_NONE;
        CHECK_INT(ip_parse(slice_cstr(what), &e.u.dns.address), ERR_NONE);
    }
    rig.asking = true;
    dns_ask(rig.d, &e, now());
    rig.asking = false;
}

/* One question in a world of its own. */
static const char *answer_within(int try_ms, enum dns_type type, const char *what)
{
    static char text[sizeof(rig.answers[0])];
    struct dns_limits with = limits;
    with.try_ms = try_ms;
    begin(&with);
    ask(1, type, what);
    run_until(&rig.n_answers, 1);
    memcpy(text, rig.answers[1], sizeof(text));
    end();
    return text;
}

static const char *answer_to(enum dns_type type, const char *what)
{
    return answer_within(limits.try_ms, type, what);
}

/* ---- tests ---- */

static void answers(void)
{
    CHECK_STR(answer_to(DNS_A, "one.example"), "found 192.0.2.1");
    CHECK_STR(answer_to(DNS_A, "TWO.Example"), "found 192.0.2.1 192.0.2.2");
    CHECK_STR(answer_to(DNS_AAAA, "one.example"), "found 2001:db8::5");
    CHECK_STR(answer_to(DNS_A, "alias.example"), "found 192.0.2.77");
    CHECK_STR(answer_to(DNS_PTR, "192.0.2.7"), "found host.example");
    CHECK_STR(answer_to(DNS_PTR, "2001:db8::7"), "found host.example");
    CHECK_STR(answer_to(DNS_A, "gone.example"), "absent");
    CHECK_STR(answer_to(DNS_A, "nodata.example"), "absent");
    CHECK_INT(rig.queries, 1);
}

static void failures(void)
{
    CHECK_STR(answer_to(DNS_A, "servfail.example"), "failed");
    CHECK_STR(answer_to(DNS_A, "refused.example"), "failed");
    CHECK_STR(answer_to(DNS_A, "garbage.example"), "failed");
    CHECK_STR(answer_within(30, DNS_A, "mute.example"), "failed");
    CHECK_INT(rig.queries, 2); /* tries */
}

static void noise_is_passed_over(void)
{
    CHECK_STR(answer_to(DNS_A, "noise.example"), "found 192.0.2.1");
    CHECK_INT(rig.queries, 1);
}

static void a_lost_query_is_sent_again(void)
{
    CHECK_STR(answer_within(300, DNS_A, "second.example"), "found 192.0.2.1");
    CHECK_INT(rig.queries, 2);
}

static void cut_off_is_asked_by_tcp(void)
{
    CHECK_STR(answer_to(DNS_A, "cut.example"), "found 40");
    CHECK_INT(rig.queries, 1);
    CHECK_INT(rig.tcp_queries, 1);
}

static void not_asked_for(void)
{
    begin(&limits);
    ask(1, DNS_A, "not a name");
    ask(2, DNS_A, "");
    ask(3, DNS_A, "localhost");
    ask(4, DNS_AAAA, "a.localhost.");
    ask(5, DNS_A, "abcdefghijklmnop.onion");
    CHECK_INT(rig.n_answers, 0);
    run_until(&rig.n_answers, 5);
    CHECK_STR(rig.answers[1], "absent");
    CHECK_STR(rig.answers[2], "absent");
    CHECK_STR(rig.answers[3], "found 127.0.0.1");
    CHECK_STR(rig.answers[4], "found ::1");
    CHECK_STR(rig.answers[5], "absent");
    CHECK_INT(rig.queries, 0);
    end();
}

static void many_askers_one_query(void)
{
    begin(&limits);
    for (uint32_t i = 0; i < 200; i++)
        ask(i, DNS_A, i % 2 ? "kept.example" : "KEPT.example");
    run_until(&rig.queries, 1);
    CHECK_INT(rig.n_answers, 0);
    answer_kept();
    run_until(&rig.n_answers, 200);
    ask(200, DNS_A, "kept.example");
    CHECK_INT(rig.n_answers, 200);
    run_until(&rig.n_answers, 201);
    CHECK_STR(rig.answers[0], "found 192.0.2.1");
    CHECK_STR(rig.answers[199], "found 192.0.2.1");
    CHECK_STR(rig.answers[200], "found 192.0.2.1");
    CHECK_INT(rig.queries, 1);
    end();
}

static void answers_stay_known(void)
{
    struct dns_limits exact = limits;
    exact.ttl_min_sec = 0;
    begin(&exact);
    static const char *const names[] = {"one.example", "gone.example", "short.example", "servfail.example"};
    for (uint32_t i = 0; i < 8; i++) {
        ask(i, DNS_A, names[i % 4]);
        run_until(&rig.n_answers, i + 1);
    }
    CHECK_STR(rig.answers[4], "found 192.0.2.1");
    CHECK_STR(rig.answers[5], "absent");
    CHECK_STR(rig.answers[6], "found 192.0.2.1");
    /* A TTL of 0 where the minimum is 0, and a failure (two tries), are asked for again. */
    CHECK_INT(rig.queries, 1 + 1 + 2 * 1 + 2 * 2);
    end();
}

static void bound_in_flight(void)
{
    struct dns_limits few = limits;
    few.in_flight_max = 2;
    begin(&few);
    ask(1, DNS_A, "kept.a.example");
    ask(2, DNS_A, "kept.b.example");
    ask(3, DNS_A, "one.example");
    CHECK_INT(rig.n_answers, 0);
    run_until(&rig.n_answers, 1);
    CHECK_STR(rig.answers[3], "failed");
    while (rig.n_kept < 2)
        turn();
    answer_kept();
    run_until(&rig.n_answers, 3);
    CHECK_STR(rig.answers[1], "found 192.0.2.1");
    CHECK_STR(rig.answers[2], "found 192.0.2.1");
    ask(4, DNS_A, "one.example");
    run_until(&rig.n_answers, 4);
    CHECK_STR(rig.answers[4], "found 192.0.2.1");
    end();
}

static void the_deadline_is_ours(void)
{
    struct dns_limits hasty = limits;
    hasty.deadline_ms = 50;
    begin(&hasty);
    int64_t began = now().ms;
    ask(1, DNS_A, "kept.example");
    run_until(&rig.n_answers, 1);
    CHECK_STR(rig.answers[1], "failed");
    CHECK(now().ms - began >= 50 && now().ms - began < PATIENCE_MS);
    /* The query was not lost: who asks again shares it. */
    ask(2, DNS_A, "kept.example");
    answer_kept();
    run_until(&rig.n_answers, 2);
    CHECK_STR(rig.answers[2], "found 192.0.2.1");
    CHECK_INT(rig.queries, 1);
    end();
}

static void closed_with_questions_under_way(void)
{
    begin(&limits);
    ask(1, DNS_A, "kept.example");
    ask(2, DNS_A, "kept.example");
    ask(3, DNS_AAAA, "kept.example");
    ask(4, DNS_A, "localhost");
    run_until(&rig.queries, 2);
    ask(5, DNS_A, "mute.example");
    ask(6, DNS_A, "localhost");
    end();
    begin(&limits);
    ask(1, DNS_A, "cut.example");
    while (rig.conn < 0)
        turn();
    end();
}

static void another_resolver(void)
{
    begin(&limits);
    struct dns_resolver *r;
    ask(1, DNS_A, "one.example");
    run_until(&rig.n_answers, 1);
    ask(2, DNS_A, "kept.a.example");
    ask(3, DNS_A, "kept.b.example");
    ask(4, DNS_A, "kept.b.example");
    run_until(&rig.queries, 3);
    rig.n_kept = 0; /* never answered */
    CHECK_INT(dns_resolver_new(&limits, rig.server, &r), ERR_NONE);
    dns_switch(rig.d, r, now());
    run_until(&rig.queries, 5);
    answer_kept();
    run_until(&rig.n_answers, 4);
    CHECK_STR(rig.answers[2], "found 192.0.2.1");
    CHECK_STR(rig.answers[3], "found 192.0.2.1");
    CHECK_STR(rig.answers[4], "found 192.0.2.1");
    ask(5, DNS_A, "one.example"); /* was forgotten */
    run_until(&rig.n_answers, 5);
    CHECK_INT(rig.queries, 6);
    CHECK_INT(dns_resolver_new(&limits, rig.server, &r), ERR_NONE);
    dns_resolver_free(r);
    end();
}

static void nobody_serves(void)
{
    begin(&limits);
    close(rig.udp);
    rig.udp = -1;
    ask(1, DNS_A, "one.example");
    run_until(&rig.n_answers, 1);
    CHECK_STR(rig.answers[1], "failed");
    end();
}

static void opening(void)
{
    struct dns *d;
    CHECK_INT(dns_open(&d, &hooks, &limits, "no address"), ERR_IO);
    CHECK(!d);
    CHECK_INT(dns_open(&d, &hooks, &dns_limits_default, NULL), ERR_NONE);
    dns_close(d);
    dns_close(NULL);
    dns_resolver_free(NULL);
}

int main(void)
{
    TEST(answers);
    TEST(failures);
    TEST(noise_is_passed_over);
    TEST(a_lost_query_is_sent_again);
    TEST(cut_off_is_asked_by_tcp);
    TEST(not_asked_for);
    TEST(many_askers_one_query);
    TEST(answers_stay_known);
    TEST(bound_in_flight);
    TEST(the_deadline_is_ours);
    TEST(closed_with_questions_under_way);
    TEST(another_resolver);
    TEST(nobody_serves);
    TEST(opening);
    buf_fini(&rig.message);
    return TEST_END();
}
