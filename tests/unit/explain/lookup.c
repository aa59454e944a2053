/* lookup.c - what DNS answers about a client, and what facts are made of it: every way in which a look-up can end. */
#include "explain/lookup.h"
#include "base/mem.h"
#include "test.h"

#include <string.h>

/* An answer: "found" by a name or addresses, "absent" or "failed". */
struct answer {
    const char *name; /* of PTR */
    const char *addresses[6];
    enum dns_status status;
};

#define ABSENT                                                                                                              \
    {                                                                                                                       \
        .status = DNS_ABSENT                                                                                                \
    }
#define FAILED                                                                                                              \
    {                                                                                                                       \
        .status = DNS_FAILED                                                                                                \
    }
#define NAME(text)                                                                                                          \
    {                                                                                                                       \
        .name = (text)                                                                                                      \
    }
#define LEADS(...)                                                                                                          \
    {                                                                                                                       \
        .addresses = { __VA_ARGS__ }                                                                                        \
    }
#define CLIENT "192.0.2.7"

struct row {
    const char *what, *client, *helo;
    struct answer answers[3]; /* of the questions that are asked, in order */
    const char *asked;        /* "PTR A A" */
    enum policy_resolve resolve;
    const char *name, *ptr; /* NULL: none */
    enum explain_proof proof;
    const char *told; /* NULL: not looked at */
};

static const struct row rows[] = {
    {.what = "the name leads back",
     .answers = {NAME("mail.example.org"), LEADS(CLIENT)},
     .asked = "PTR A ",
     .resolve = RESOLVE_OK,
     .name = "mail.example.org",
     .told = "192.0.2.7 PTR: mail.example.org\nmail.example.org A: 192.0.2.7 (the client's)\n"},
    {.what = "one of several addresses is enough",
     .answers = {NAME("mail.example.org"), LEADS("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", CLIENT)},
     .asked = "PTR A ",
     .resolve = RESOLVE_OK,
     .name = "mail.example.org",
     .told = "192.0.2.7 PTR: mail.example.org\n"
             "mail.example.org A: 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4 and 1 more (the client's)\n"},
    {.what = "it leads elsewhere",
     .answers = {NAME("mail.example.org"), LEADS("192.0.2.1")},
     .asked = "PTR A ",
     .resolve = RESOLVE_FORGED,
     .ptr = "mail.example.org",
     .told = "192.0.2.7 PTR: mail.example.org\nmail.example.org A: 192.0.2.1 (not the client's)\n"},
    {.what = "it leads to nothing: Postfix calls that forged too",
     .answers = {NAME("mail.example.org"), ABSENT},
     .asked = "PTR A ",
     .resolve = RESOLVE_FORGED,
     .ptr = "mail.example.org"},
    {.what = "nobody says where it leads",
     .answers = {NAME("mail.example.org"), FAILED},
     .asked = "PTR A ",
     .resolve = RESOLVE_TEMP,
     .ptr = "mail.example.org"},
    {.what = "no name, HELO that leads to the client",
     .helo = "mail.selfhoster.net.",
     .answers = {ABSENT, LEADS(CLIENT)},
     .asked = "PTR A ",
     .resolve = RESOLVE_FAIL,
     .proof = EXPLAIN_HELO_LEADS,
     .told = "192.0.2.7 PTR: no such name, or no such record\nmail.selfhoster.net A: 192.0.2.7 (the client's)\n"},
    {.what = "no answer at all: a network that is down",
     .helo = "mail.selfhoster.net",
     .answers = {FAILED, FAILED},
     .asked = "PTR A ",
     .resolve = RESOLVE_TEMP,
     .proof = EXPLAIN_HELO_FAILED,
     .told = "192.0.2.7 PTR: no answer in time, or the name server's error\n"
             "mail.selfhoster.net A: no answer in time, or the name server's error\n"},
    {.what = "HELO that leads elsewhere, behind a verified name",
     .helo = "mail.selfhoster.net",
     .answers = {NAME("dhcp-7.isp.example"), LEADS(CLIENT), LEADS("192.0.2.9")},
     .asked = "PTR A A ",
     .resolve = RESOLVE_OK,
     .name = "dhcp-7.isp.example",
     .proof = EXPLAIN_HELO_ELSEWHERE},
    {.what = "HELO that does not exist",
     .helo = "mail.selfhoster.net",
     .answers = {ABSENT, ABSENT},
     .asked = "PTR A ",
     .resolve = RESOLVE_FAIL,
     .proof = EXPLAIN_NO_PROOF},
    {.what = "IPv6: AAAA",
     .client = "2001:db8::7",
     .helo = "mail.selfhoster.net",
     .answers = {NAME("mail6.example.org"), LEADS("2001:db8::7"), LEADS("2001:db8::8")},
     .asked = "PTR AAAA AAAA ",
     .resolve = RESOLVE_OK,
     .name = "mail6.example.org",
     .proof = EXPLAIN_HELO_ELSEWHERE},
    {.what = "a literal is not asked about",
     .helo = "[192.0.2.7]",
     .answers = {ABSENT},
     .asked = "PTR ",
     .resolve = RESOLVE_FAIL},
    {.what = "an address neither", .helo = "192.0.2.7", .answers = {ABSENT}, .asked = "PTR ", .resolve = RESOLVE_FAIL},
    {.what = "nor a single label", .helo = "localhost", .answers = {ABSENT}, .asked = "PTR ", .resolve = RESOLVE_FAIL},
};

static void give(struct lookup *l, const struct answer *a)
{
    struct ip ips[6];
    struct event event = {.kind = EVENT_DNS, .request = 1};
    event.u.dns.status = a->status;
    event.u.dns.name = slice_cstr(a->name);
    event.u.dns.addresses = ips;
    for (; event.u.dns.n_addresses < 6 && a->addresses[event.u.dns.n_addresses]; event.u.dns.n_addresses++)
        CHECK_INT(ip_parse(slice_cstr(a->addresses[event.u.dns.n_addresses]), &ips[event.u.dns.n_addresses]), ERR_NONE);
    lookup_answer(l, &event);
}

static bool is_text(struct slice s, const char *text)
{
    return text ? slice_eq_cstr(s, text) : s.len == 0;
}

static void check_row(const struct row *row)
{
    static const char *const types[] = {[DNS_A] = "A ", [DNS_AAAA] = "AAAA ", [DNS_PTR] = "PTR "};
    struct lookup l;
    struct effect question;
    struct buf asked = {0};
    struct ip client;
    struct explain_facts f = {0};
    CHECK_INT(ip_parse(slice_cstr(row->client ? row->client : CLIENT), &client), ERR_NONE);
    lookup_begin(&l, &client, slice_cstr(row->helo));
    for (size_t i = 0; i < 3 && lookup_question(&l, &question); i++) {
        buf_put_cstr(&asked, types[question.u.dns.type]);
        give(&l, &row->answers[i]);
    }
    bool ok = CHECK(!lookup_question(&l, &question));
    lookup_facts(&l, &f);
    ok &= CHECK_STR(buf_cstr(&asked), row->asked);
    ok &= CHECK_INT(f.resolve, row->resolve);
    ok &= CHECK(is_text(f.name, row->name));
    ok &= CHECK(is_text(f.ptr, row->ptr));
    ok &= CHECK_INT(f.proof, row->proof);
    if (row->told)
        ok &= CHECK(is_text(f.looked_up, row->told));
    if (!ok)
        printf("# %s: %.*s\n", row->what, SLICE_ARG(f.looked_up));
    buf_fini(&asked);
    lookup_fini(&l);
}

static void ends(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_row(&rows[i]);
}

int main(void)
{
    TEST(ends);
    return TEST_END();
}
