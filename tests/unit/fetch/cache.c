/* The cache of DNS on a virtual clock: sharing, TTLs, bounds, deadlines; and at random against a plain model. */
#include "../random.h"
#include "../test.h"
#include "base/mem.h"
#include "fetch/dns/cache.h"

#include <string.h>

static const struct dns_limits limits = {
    .deadline_ms = 8000, .in_flight_max = 3, .cache_max = 4, .ttl_min_sec = 5, .ttl_max_sec = 3600, .negative_sec = 300};
static const struct siphash_key secret = {{1, 2, 3}};

static struct mono at(int64_t ms)
{
    return (struct mono){1000000 + ms};
}

static struct dns_query *asked;

static enum dns_asked ask(struct dns_cache *c, enum dns_type type, const char *name, uint32_t request, int64_t ms)
{
    struct dns_key key;
    CHECK_INT(dns_key_name(type, slice_cstr(name), &key), ERR_NONE);
    return dns_cache_ask(c, &key, 7, request, at(ms), &asked);
}

static void found(struct dns_cache *c, struct dns_query *q, uint8_t last, int64_t ttl_sec, int64_t ms)
{
    struct dns_answer a = {.status = DNS_FOUND, .has_ttl = true, .ttl_sec = (uint32_t)ttl_sec, .n_addresses = 1};
    a.addresses[0] = (struct ip){IP_V4, {192, 0, 2, last}};
    dns_cache_answer(c, q, &a, at(ms));
}

static void ended(struct dns_cache *c, struct dns_query *q, enum dns_status status, int64_t ttl_sec, int64_t ms)
{
    struct dns_answer a = {.status = status, .has_ttl = ttl_sec >= 0, .ttl_sec = ttl_sec < 0 ? 0 : (uint32_t)ttl_sec};
    dns_cache_answer(c, q, &a, at(ms));
}

/* The next answer as "3 found 192.0.2.1", "3 absent", "3 failed"; "none". */
static const char *taken(struct dns_cache *c)
{
    static char text[400];
    struct event e;
    char ip[IP_TEXT_MAX];
    if (!dns_cache_take(c, &e))
        return "none";
    CHECK_INT(e.kind, EVENT_DNS);
    CHECK_INT(e.owner, 7);
    snprintf(text, sizeof(text), "%u %s%s%s%s%.*s", e.request,
             e.u.dns.status == DNS_FOUND    ? "found"
             : e.u.dns.status == DNS_ABSENT ? "absent"
                                            : "failed",
             e.u.dns.n_addresses > 0 ? " " : "", e.u.dns.n_addresses > 0 ? ip_format(&e.u.dns.addresses[0], ip) : "",
             e.u.dns.name.len > 0 ? " " : "", SLICE_ARG(e.u.dns.name));
    return text;
}

static void one_query_serves_all(void)
{
    struct dns_cache *c = dns_cache_new(&limits, secret);
    CHECK_INT(ask(c, DNS_A, "a.example", 1, 0), DNS_ASKED_SEND);
    struct dns_query *q = asked;
    CHECK_INT(ask(c, DNS_A, "A.Example", 2, 10), DNS_ASKED_WAITS);
    CHECK(!asked);
    CHECK_INT(ask(c, DNS_AAAA, "a.example", 3, 10), DNS_ASKED_SEND); /* another type is another question */
    CHECK_INT(dns_cache_in_flight(c), 2);
    CHECK_INT(dns_cache_ready(c), 0);
    ended(c, asked, DNS_ABSENT, 100, 20);
    found(c, q, 1, 60, 30);
    CHECK_INT(ask(c, DNS_A, "a.example", 4, 40), DNS_ASKED_READY);
    CHECK_INT(dns_cache_ready(c), 4);
    CHECK_STR(taken(c), "3 absent");
    CHECK_STR(taken(c), "1 found 192.0.2.1");
    CHECK_STR(taken(c), "2 found 192.0.2.1");
    CHECK_STR(taken(c), "4 found 192.0.2.1");
    CHECK_STR(taken(c), "none");
    CHECK_INT(dns_cache_in_flight(c), 0);
    CHECK_INT(dns_cache_known(c), 2);
    dns_cache_free(c);
}

/* How many seconds an answer is known. */
static int64_t known_sec(enum dns_status status, int64_t ttl_sec)
{
    struct dns_cache *c = dns_cache_new(&limits, secret);
    CHECK_INT(ask(c, DNS_A, "a.example", 1, 0), DNS_ASKED_SEND);
    ended(c, asked, status, ttl_sec, 500);
    int64_t sec = 0;
    while (ask(c, DNS_A, "a.example", 1, 500 + sec * 1000) == DNS_ASKED_READY)
        sec++;
    dns_cache_free(c);
    return sec;
}

static void lifetimes(void)
{
    CHECK_INT(known_sec(DNS_FOUND, 0), 5);
    CHECK_INT(known_sec(DNS_FOUND, 1), 5);
    CHECK_INT(known_sec(DNS_FOUND, 77), 77);
    CHECK_INT(known_sec(DNS_FOUND, INT32_MAX), 3600);
    CHECK_INT(known_sec(DNS_ABSENT, 77), 77);
    CHECK_INT(known_sec(DNS_ABSENT, 3600), 300);
    CHECK_INT(known_sec(DNS_ABSENT, -1), 5);
    CHECK_INT(known_sec(DNS_FAILED, -1), 0);
}

static void old_answers_are_asked_again(void)
{
    struct dns_cache *c = dns_cache_new(&limits, secret);
    CHECK_INT(ask(c, DNS_A, "a.example", 1, 0), DNS_ASKED_SEND);
    found(c, asked, 1, 60, 0);
    CHECK_INT(ask(c, DNS_A, "a.example", 2, 60000), DNS_ASKED_SEND);
    CHECK_INT(dns_cache_known(c), 0);
    CHECK_INT(ask(c, DNS_A, "a.example", 3, 60000), DNS_ASKED_WAITS);
    /* What is queued is not touched by that. */
    CHECK_STR(taken(c), "1 found 192.0.2.1");
    CHECK_STR(taken(c), "none");
    dns_cache_free(c);
}

static void bound_in_flight(void)
{
    struct dns_cache *c = dns_cache_new(&limits, secret);
    CHECK_INT(ask(c, DNS_A, "a.example", 1, 0), DNS_ASKED_SEND);
    CHECK_INT(ask(c, DNS_A, "b.example", 2, 0), DNS_ASKED_SEND);
    CHECK_INT(ask(c, DNS_A, "c.example", 3, 0), DNS_ASKED_SEND);
    CHECK_INT(ask(c, DNS_A, "d.example", 4, 0), DNS_ASKED_READY);
    CHECK_STR(taken(c), "4 failed");
    CHECK_INT(ask(c, DNS_A, "c.example", 5, 0), DNS_ASKED_WAITS); /* sharing costs none */
    ended(c, dns_cache_rotate(c), DNS_FAILED, -1, 0);
    CHECK_INT(ask(c, DNS_A, "d.example", 6, 0), DNS_ASKED_SEND);
    /* Also what is known and too old waits for its turn, and is not lost from the table by that. */
    found(c, asked, 1, 5, 0);
    CHECK_INT(ask(c, DNS_A, "e.example", 7, 5000), DNS_ASKED_SEND);
    CHECK_INT(ask(c, DNS_A, "d.example", 8, 5000), DNS_ASKED_READY);
    CHECK_INT(dns_cache_known(c), 1);
    CHECK_STR(taken(c), "1 failed");
    CHECK_STR(taken(c), "6 found 192.0.2.1");
    CHECK_STR(taken(c), "8 failed");
    dns_cache_free(c);
}

static void least_used_leaves(void)
{
    struct dns_cache *c = dns_cache_new(&limits, secret);
    static const char *const names[] = {"a.example", "b.example", "c.example", "d.example", "e.example"};
    for (unsigned i = 0; i < 5; i++) {
        if (i == 4)
            CHECK_INT(ask(c, DNS_A, "a.example", 9, 0), DNS_ASKED_READY);
        CHECK_INT(ask(c, DNS_A, names[i], i, 0), DNS_ASKED_SEND);
        found(c, asked, (uint8_t)i, 60, 0);
    }
    CHECK_INT(dns_cache_known(c), 4);
    CHECK_INT(ask(c, DNS_A, "b.example", 1, 0), DNS_ASKED_SEND);
    CHECK_INT(ask(c, DNS_A, "a.example", 1, 0), DNS_ASKED_READY);
    CHECK_INT(ask(c, DNS_A, "e.example", 1, 0), DNS_ASKED_READY);
    dns_cache_free(c);
}

static void each_has_its_own_deadline(void)
{
    struct dns_cache *c = dns_cache_new(&limits, secret);
    struct mono due;
    CHECK(!dns_cache_next_due(c, &due));
    CHECK_INT(ask(c, DNS_A, "a.example", 1, 0), DNS_ASKED_SEND);
    struct dns_query *q = asked;
    CHECK_INT(ask(c, DNS_A, "a.example", 2, 5000), DNS_ASKED_WAITS);
    CHECK(dns_cache_next_due(c, &due));
    CHECK_INT(due.ms, at(8000).ms);
    dns_cache_expire(c, at(7999));
    CHECK_INT(dns_cache_ready(c), 0);
    dns_cache_expire(c, at(8000));
    CHECK_STR(taken(c), "1 failed");
    CHECK_STR(taken(c), "none");
    dns_cache_expire(c, at(13000));
    CHECK_STR(taken(c), "2 failed");
    CHECK(!dns_cache_next_due(c, &due));
    /* Nobody waits; it goes on, counts, can be joined, and what it finds is known. */
    CHECK_INT(dns_cache_in_flight(c), 1);
    CHECK_INT(ask(c, DNS_A, "a.example", 3, 14000), DNS_ASKED_WAITS);
    found(c, q, 5, 60, 15000);
    CHECK_STR(taken(c), "3 found 192.0.2.5");
    CHECK_INT(ask(c, DNS_A, "a.example", 4, 15000), DNS_ASKED_READY);
    CHECK(!dns_cache_next_due(c, &due));
    dns_cache_free(c);
}

static void a_name_is_told(void)
{
    struct dns_cache *c = dns_cache_new(&limits, secret);
    struct dns_key key;
    struct ip ip = {IP_V4, {192, 0, 2, 1}};
    CHECK_INT(dns_key_reverse(&ip, &key), ERR_NONE);
    CHECK_INT(dns_cache_ask(c, &key, 7, 1, at(0), &asked), DNS_ASKED_SEND);
    struct dns_answer a = {.status = DNS_FOUND, .has_ttl = true, .ttl_sec = 60, .name = "a.example", .name_len = 9};
    dns_cache_answer(c, asked, &a, at(0));
    memset(&a, 'x', sizeof(a));
    CHECK_STR(taken(c), "1 found a.example");
    dns_cache_tell(c, 7, 2, DNS_ABSENT, NULL);
    dns_cache_tell(c, 7, 3, DNS_FAILED, NULL);
    dns_cache_tell(c, 7, 4, DNS_FOUND, &ip);
    CHECK_STR(taken(c), "2 absent");
    CHECK_STR(taken(c), "3 failed");
    CHECK_STR(taken(c), "4 found 192.0.2.1");
    dns_cache_free(c);
}

static void forgetting(void)
{
    struct dns_cache *c = dns_cache_new(&limits, secret);
    CHECK_INT(ask(c, DNS_A, "a.example", 1, 0), DNS_ASKED_SEND);
    found(c, asked, 1, 60, 0);
    CHECK_INT(ask(c, DNS_A, "b.example", 2, 0), DNS_ASKED_SEND);
    struct dns_query *b = asked;
    CHECK_INT(ask(c, DNS_A, "c.example", 3, 0), DNS_ASKED_SEND);
    struct dns_query *third = asked;
    dns_cache_forget(c);
    CHECK_INT(dns_cache_known(c), 0);
    CHECK_INT(dns_cache_in_flight(c), 2);
    CHECK(dns_cache_rotate(c) == b);
    CHECK(dns_cache_rotate(c) == third);
    CHECK(dns_cache_rotate(c) == b);
    struct dns_key key;
    dns_query_key(b, &key);
    CHECK_INT(key.type, DNS_A);
    CHECK(memcmp(key.wire, "\1b\7example", 11) == 0);
    CHECK_STR(taken(c), "1 found 192.0.2.1");
    CHECK_INT(ask(c, DNS_A, "a.example", 4, 0), DNS_ASKED_SEND);
    dns_cache_free(c); /* with three under way, and their waiters */
}

/* ---- at random ---- */

enum { NAMES = 12, REQUESTS = 40000 };

/*
 * What the cache should know of a name; who left for want of room is not modelled: the cache may ask again, never tell
 * anything else.
 */
struct model {
    struct dns_query *query;
    uint8_t value; /* last octet; 0: absent */
    int64_t expires_ms;
};

static enum dns_status told[REQUESTS];
static uint8_t told_value[REQUESTS], times_told[REQUESTS];

static void take_all(struct dns_cache *c)
{
    struct event e;
    while (dns_cache_take(c, &e)) {
        times_told[e.request]++;
        told[e.request] = e.u.dns.status;
        told_value[e.request] = e.u.dns.n_addresses > 0 ? e.u.dns.addresses[0].bytes[3] : 0;
    }
}

static void at_random(void)
{
    struct dns_cache *c = dns_cache_new(&limits, secret);
    struct model models[NAMES] = {0};
    int64_t now = 0;
    unsigned requests = 0, flying = 0, hits = 0, refused = 0;
    while (requests < REQUESTS) {
        unsigned i = random_below(NAMES);
        struct model *m = &models[i];
        char name[16];
        snprintf(name, sizeof(name), "n%u.example", i);
        now += random_below(700);
        dns_cache_expire(c, at(now));
        take_all(c);
        if (m->query && random_below(3) == 0) {
            uint8_t value = (uint8_t)random_below(4);
            bool fails = random_below(4) == 0;
            int64_t ttl = random_below(10);
            if (fails)
                ended(c, m->query, DNS_FAILED, -1, now);
            else if (value == 0)
                ended(c, m->query, DNS_ABSENT, ttl, now);
            else
                found(c, m->query, value, ttl, now);
            m->query = NULL;
            m->value = value;
            m->expires_ms = fails ? 0 : now + (ttl < 5 ? 5 : ttl) * 1000;
            flying--;
            take_all(c);
            continue;
        }
        unsigned number = requests++;
        switch (ask(c, DNS_A, name, number, now)) {
        case DNS_ASKED_SEND:
            CHECK(!m->query && flying < limits.in_flight_max);
            m->query = asked;
            flying++;
            break;
        case DNS_ASKED_WAITS:
            CHECK(m->query != NULL);
            break;
        case DNS_ASKED_READY:
            take_all(c);
            CHECK_INT(times_told[number], 1);
            if (told[number] == DNS_FAILED) {
                CHECK(!m->query && flying == limits.in_flight_max);
                refused++;
                break;
            }
            CHECK(m->expires_ms > now && !m->query);
            CHECK_INT(told_value[number], m->value);
            CHECK_INT(told[number], m->value ? DNS_FOUND : DNS_ABSENT);
            hits++;
            break;
        }
        CHECK_INT(dns_cache_in_flight(c), flying);
        CHECK(dns_cache_known(c) <= limits.cache_max);
    }
    dns_cache_expire(c, at(now + 8000));
    take_all(c);
    unsigned once = 0;
    for (unsigned i = 0; i < REQUESTS; i++)
        once += times_told[i] == 1;
    CHECK_INT(once, REQUESTS);
    CHECK(hits > 1000 && refused > 1000);
    dns_cache_free(c);
}

int main(void)
{
    random_begin();
    TEST(one_query_serves_all);
    TEST(lifetimes);
    TEST(old_answers_are_asked_again);
    TEST(bound_in_flight);
    TEST(least_used_leaves);
    TEST(each_has_its_own_deadline);
    TEST(a_name_is_told);
    TEST(forgetting);
    TEST(at_random);
    return TEST_END();
}
