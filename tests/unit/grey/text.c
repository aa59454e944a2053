/* text.c - unit tests of cleaning, keys and record bytes. */
#include "grey/clean.h"
#include "grey/key.h"
#include "grey/record.h"
#include "base/buf.h"
#include "base/mem.h"
#include "../test.h"

#include <stdlib.h>
#include <string.h>

static const struct grey_secret secret = {{{1, 2, 3}}, {{4, 5, 6}}};

static struct ip ip(const char *text)
{
    struct ip a;
    if (ip_parse(slice_cstr(text), &a) != ERR_NONE)
        abort();
    return a;
}

static void cleans_senders_and_recipients(void)
{
    static const struct {
        const char *raw, *sender, *recipient;
    } rows[] = {
        {"<A@Example.ORG>", "<a@example.org>", "<a@example.org>"},
        {"a@example.org", "<a@example.org>", "<a@example.org>"},
        {"<a@example.org", "<a@example.org>", "<a@example.org>"},
        {"a@example.org>", "<a@example.org>", "<a@example.org>"},
        {"", "<>", "<>"},
        {"<>", "<>", "<>"},
        {"<prvs=1=x@example.org>", "<x@example.org>", "<prvs=1=x@example.org>"},
        {"prvs=1=x@example.org", "<x@example.org>", "<prvs=1=x@example.org>"},
        {"<\"a b\"@example.org>", "<\"a_b\"@example.org>", "<\"a_b\"@example.org>"},
        {"<a\tb\x7f\x01@example.org>", "<a_b__@example.org>", "<a_b__@example.org>"},
        {"<\xc3\xa9@example.org>", "<__@example.org>", "<__@example.org>"},
        {"<a=>", "<>", "<a=>"},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CHECK_SLICE(grey_clean_sender(&arena, slice_cstr(rows[i].raw)), rows[i].sender);
        CHECK_SLICE(grey_clean_recipient(&arena, slice_cstr(rows[i].raw)), rows[i].recipient);
    }
    CHECK_SLICE(grey_clean_sender(&arena, SLICE_NONE), "<>");
    arena_fini(&arena);
}

static void keeps_addresses_whole(void)
{
    struct arena arena = {0};
    struct buf b = {0};
    for (int i = 0; i < 5000; i++)
        buf_put_byte(&b, 'x');
    buf_put_cstr(&b, "@example.org");
    struct slice s = grey_clean_sender(&arena, buf_slice(&b));
    CHECK_INT(s.len, 5000 + 12 + 2);
    buf_fini(&b);
    arena_fini(&arena);
}

static void finds_the_domain(void)
{
    CHECK_SLICE(grey_address_domain(SLICE_LIT("<a@example.org>")), "example.org");
    CHECK_SLICE(grey_address_domain(SLICE_LIT("<\"a@b\"@example.org>")), "example.org");
    CHECK_SLICE(grey_address_domain(SLICE_LIT("<>")), "");
    CHECK_SLICE(grey_address_domain(SLICE_LIT("<postmaster>")), "");
    CHECK_SLICE(grey_address_domain(SLICE_NONE), "");
}

static bool same(const uint8_t a[16], const uint8_t b[16])
{
    return memcmp(a, b, 16) == 0;
}

static void client_parts_do_not_meet(void)
{
    uint8_t a[16], b[16];
    struct ip v4 = ip("192.0.2.7"), low = ip("::c000:207"), v6 = ip("2001:db8::1");
    grey_client_address(&v4, 32, a);
    grey_client_address(&low, 128, b);
    CHECK(!same(a, b));
    CHECK(memcmp(a, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\7", 16) == 0);
    struct ip neighbour = ip("192.0.2.200");
    grey_client_address(&v4, 24, a);
    grey_client_address(&neighbour, 24, b);
    CHECK(same(a, b));
    grey_client_address(&v6, 128, a);
    CHECK(memcmp(a, v6.bytes, 16) == 0);
    CHECK(!grey_client_is_domain(a));
    grey_client_domain(&secret, SLICE_LIT("example.org"), a);
    grey_client_domain(&secret, SLICE_LIT("example.net"), b);
    CHECK(grey_client_is_domain(a) && grey_client_is_domain(b));
    CHECK(!same(a, b));
}

static void tails_tell_the_texts_apart(void)
{
    struct slice s[] = {SLICE_LIT(""),        SLICE_LIT("<>"),  SLICE_LIT("<a@b>"),
                        SLICE_LIT("<a@b><a"), SLICE_LIT("@b>"), SLICE_LIT("<a@b><a@b>")};
    enum { N = COUNT_OF(s), ALL = N * N + N + 3 };
    uint8_t tails[ALL][16];
    size_t n = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            grey_tail_tuple(&secret, s[i], s[j], tails[n++]);
    for (size_t i = 0; i < N; i++)
        grey_tail_pair(&secret, s[i], tails[n++]);
    grey_tail_own(GREY_OWN_CLIENT, tails[n++]);
    grey_tail_own(GREY_OWN_LAZY, tails[n++]);
    grey_tail_own(GREY_OWN_SHARED, tails[n++]);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            CHECK(!same(tails[i], tails[j]));
    struct grey_secret other = secret;
    other.text.bytes[15] ^= 1;
    uint8_t t[16];
    grey_tail_tuple(&other, s[0], s[0], t);
    CHECK(!same(t, tails[0]));
}

static struct grey_record full(void)
{
    return (struct grey_record){.type = GREY_RECORD_TUPLE,
                                .is_auto = true,
                                .by_hold = true,
                                .first_seen = {1795485418},
                                .expires = {1795489018},
                                .auto_since = {1795485419},
                                .patient_until = {1795489019},
                                .left_sec = 40,
                                .left_until = {1795489020},
                                .addr = ip("2001:db8::7"),
                                .domain = SLICE_LIT("example.com"),
                                .sender = SLICE_LIT("<a@example.org>"),
                                .recipient = SLICE_LIT("<b@example.net>")};
}

static void check_same(const struct grey_record *a, const struct grey_record *b)
{
    CHECK_INT(a->type, b->type);
    CHECK_INT(a->is_auto, b->is_auto);
    CHECK_INT(a->by_hold, b->by_hold);
    CHECK_INT(a->first_seen.sec, b->first_seen.sec);
    CHECK_INT(a->expires.sec, b->expires.sec);
    CHECK_INT(a->auto_since.sec, b->auto_since.sec);
    CHECK_INT(a->patient_until.sec, b->patient_until.sec);
    CHECK_INT(a->left_sec, b->left_sec);
    CHECK_INT(a->left_until.sec, b->left_until.sec);
    CHECK_INT(a->served_since.sec, b->served_since.sec);
    CHECK_INT(a->served_until.sec, b->served_until.sec);
    CHECK(ip_eq(&a->addr, &b->addr));
    CHECK(slice_eq(a->domain, b->domain) && !a->domain.ptr == !b->domain.ptr);
    CHECK(slice_eq(a->sender, b->sender));
    CHECK(slice_eq(a->recipient, b->recipient));
}

static void records_come_back(void)
{
    struct grey_record rows[] = {full(),
                                 {.type = GREY_RECORD_CLIENT, .left_sec = -1, .addr = ip("192.0.2.1")},
                                 {.type = GREY_RECORD_SHARED, .left_sec = 0},
                                 {.type = GREY_RECORD_NETWORK,
                                  .is_auto = true,
                                  .expires = {9},
                                  .left_sec = -1,
                                  .addr = ip("192.0.2.9"),
                                  .sender = SLICE_LIT("example.org")},
                                 {.type = GREY_RECORD_PROOF,
                                  .left_sec = -1,
                                  .domain = SLICE_LIT("example.com"),
                                  .recipient = SLICE_LIT("192.0.2.7@1795485418")},
                                 full(),
                                 {.type = GREY_RECORD_TUPLE, .served_since = {7}, .served_until = {9}, .left_sec = -1}};
    char longer[20000];
    memset(longer, 'x', sizeof(longer));
    rows[5].sender = slice_of(longer, sizeof(longer));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t n = grey_record_size(&rows[i]);
        uint8_t *bytes = mem_alloc(n);
        struct grey_record got;
        grey_record_encode(&rows[i], bytes);
        if (CHECK_INT(grey_record_decode(slice_of(bytes, n), &got), ERR_NONE))
            check_same(&got, &rows[i]);
        free(bytes);
    }
}

static void pending_records_are_small(void)
{
    struct grey_record r = {.type = GREY_RECORD_TUPLE, .left_sec = -1, .addr = ip("192.0.2.1")};
    CHECK_INT(grey_record_size(&r), 19);
}

static void times_are_clamped(void)
{
    struct grey_record r = {.type = GREY_RECORD_TUPLE,
                            .first_seen = {-5},
                            .expires = {INT64_MAX},
                            .left_sec = INT64_MAX,
                            .left_until = {1}},
                       got;
    uint8_t bytes[64];
    grey_record_encode(&r, bytes);
    CHECK_INT(grey_record_decode(slice_of(bytes, grey_record_size(&r)), &got), ERR_NONE);
    CHECK_INT(got.first_seen.sec, 0);
    CHECK_INT(got.expires.sec, GREY_TIME_MAX);
    CHECK_INT(got.left_sec, UINT32_MAX);
}

static void refuses_what_it_has_not_written(void)
{
    struct grey_record r = full(), got;
    size_t n = grey_record_size(&r);
    size_t fixed = n - r.recipient.len; /* the recipient alone may be any rest */
    uint8_t bytes[256], bad[256];
    grey_record_encode(&r, bytes);
    CHECK_INT(bytes[0], 1); /* what is not waiting for DATA can be read by what came before that */
    for (size_t i = 0; i < fixed; i++) {
        uint8_t *exact = mem_alloc(i ? i : 1);
        memcpy(exact, bytes, i);
        CHECK_INT(grey_record_decode(slice_of(exact, i), &got), ERR_CORRUPT);
        free(exact);
    }
    static const struct {
        size_t at;
        uint8_t value;
        enum err want;
    } rows[] = {{0, 4, ERR_UNSUPPORTED}, {0, 3, ERR_CORRUPT}, {1, 8, ERR_CORRUPT},
                {2, 64, ERR_CORRUPT},    {1, 0, ERR_CORRUPT}, {1, 6, ERR_CORRUPT},
                {2, 0xff, ERR_CORRUPT},  {3, 5, ERR_CORRUPT}, {3, 16, ERR_CORRUPT}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memcpy(bad, bytes, n);
        bad[rows[i].at] = rows[i].value;
        CHECK_INT(grey_record_decode(slice_of(bad, n), &got), rows[i].want);
    }
    CHECK_INT(grey_record_decode(SLICE_NONE, &got), ERR_CORRUPT);
}

static void merges_to_the_better(void)
{
    struct grey_record pending = {.type = GREY_RECORD_TUPLE, .first_seen = {100}, .expires = {500}, .left_sec = -1},
                       earlier = pending, autos = pending, r;
    earlier.first_seen.sec = 90;
    earlier.left_sec = 7;
    earlier.left_until.sec = 400;
    autos.is_auto = true;
    autos.expires.sec = 300;
    r = pending;
    CHECK(grey_record_merge(&r, &earlier));
    CHECK_INT(r.first_seen.sec, 90);
    CHECK_INT(r.expires.sec, 500);
    CHECK_INT(r.left_sec, 7);
    CHECK(!grey_record_merge(&r, &earlier));
    CHECK(grey_record_merge(&r, &autos));
    CHECK(r.is_auto);
    CHECK_INT(r.expires.sec, 300);
    CHECK(!grey_record_merge(&r, &pending));
    CHECK(r.is_auto);
    autos.expires.sec = 350;
    r.by_hold = true;
    CHECK(grey_record_merge(&r, &autos));
    CHECK(!r.by_hold);
    CHECK_INT(r.expires.sec, 350);
}

int main(void)
{
    TEST(cleans_senders_and_recipients);
    TEST(keeps_addresses_whole);
    TEST(finds_the_domain);
    TEST(client_parts_do_not_meet);
    TEST(tails_tell_the_texts_apart);
    TEST(records_come_back);
    TEST(pending_records_are_small);
    TEST(times_are_clamped);
    TEST(refuses_what_it_has_not_written);
    TEST(merges_to_the_better);
    return TEST_END();
}
