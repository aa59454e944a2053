/*
 * suspects.c - whom a suspect's record lets in, against a slow and plain second opinion: random requests of clients without a domain,
 * in a few networks. The seed is printed.
 *
 * AUTO must have been earned, by what stands on the client's own address, or by a retry of the same network and sender's domain; and
 * what was earned must be AUTO.
 */
#include "world.h"
#include "../test.h"

#include <string.h>

enum { NETWORKS = 4, HOSTS = 3, DOMAINS = 3, RECIPIENTS = 2, STEPS = 300, ROUNDS = 200 };

struct earned {
    bool tuple[NETWORKS][HOSTS][DOMAINS][RECIPIENTS]; /* by whatever */
    bool address[NETWORKS][HOSTS];                    /* by a retry */
    bool network[NETWORKS][DOMAINS];                  /* by a retry */
    bool pair[NETWORKS][HOSTS][DOMAINS];              /* by a hold */
    bool served[NETWORKS][HOSTS][DOMAINS][RECIPIENTS], served_pair[NETWORKS][HOSTS][DOMAINS];
    bool patient[NETWORKS][HOSTS];
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

struct place {
    unsigned n, h, d, r;
};

static void set_tuple(struct world *w, struct place p)
{
    static const char *const nets[NETWORKS][HOSTS] = {{"192.0.2.1", "192.0.2.0", "192.0.2.255"},
                                                      {"192.0.3.1", "192.0.3.0", "192.0.3.7"},
                                                      {"2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1:8000::"},
                                                      {"2001:db8:0:2::1", "2001:db8:0:2::", "2001:db8:0:2:1::"}};
    static const char *const senders[DOMAINS] = {"<a@example.org>", "<a@example.com>", "<>"}; /* the last has no domain */
    static const char *const recipients[RECIPIENTS] = {"<a@example.net>", "<b@example.net>"};
    w->req.tuple.addr = world_ip(nets[p.n][p.h]);
    w->req.tuple.addr_bits = 128;
    w->req.tuple.client_domain = SLICE_NONE;
    w->req.tuple.sender = slice_cstr(senders[p.d]);
    w->req.tuple.recipient = slice_cstr(recipients[p.r]);
}

/* Holds and patience know an IPv6 client by its /64. */
static bool same_client(struct place p, unsigned h)
{
    return p.h == h || p.n >= 2;
}

static bool is_patient(const struct earned *e, struct place p)
{
    for (unsigned h = 0; h < HOSTS; h++)
        if (same_client(p, h) && e->patient[p.n][h])
            return true;
    return false;
}

static bool is_earned(const struct earned *e, struct place p)
{
    bool has_domain = p.d != DOMAINS - 1;
    return e->tuple[p.n][p.h][p.d][p.r] || e->address[p.n][p.h] || (has_domain && e->network[p.n][p.d]) ||
           e->pair[p.n][p.h][p.d];
}

static void note_retry(struct earned *e, struct place p)
{
    e->tuple[p.n][p.h][p.d][p.r] = e->address[p.n][p.h] = true;
    e->network[p.n][p.d] |= p.d != DOMAINS - 1;
}

static void note_confirmed(struct earned *e, struct place p)
{
    for (unsigned h = 0; h < HOSTS; h++) {
        if (!same_client(p, h))
            continue;
        e->patient[p.n][h] = true;
        for (unsigned d = 0; d < DOMAINS; d++) {
            e->pair[p.n][h][d] |= e->served_pair[p.n][h][d];
            for (unsigned r = 0; r < RECIPIENTS; r++)
                e->tuple[p.n][h][d][r] |= e->served[p.n][h][d][r];
        }
    }
}

static void check_step(const struct world *w, struct earned *e, struct place p)
{
    const struct grey_answer *a = &w->got;
    if (w->req.kind == GREY_CONFIRM) {
        note_confirmed(e, p);
        return;
    }
    CHECK_INT(a->state == GREY_AUTO, is_earned(e, p));
    if (a->state == GREY_AUTO && !e->tuple[p.n][p.h][p.d][p.r] && !e->pair[p.n][p.h][p.d] && !e->address[p.n][p.h])
        CHECK_INT(a->via, GREY_VIA_NETWORK);
    bool retried = a->state == GREY_DUE && (w->req.kind == GREY_DECIDE || w->req.kind == GREY_PASS);
    if (retried) {
        note_retry(e, p);
    } else if (w->req.kind == GREY_PASS && is_patient(e, p)) {
        e->tuple[p.n][p.h][p.d][p.r] = e->pair[p.n][p.h][p.d] = true;
    } else if (w->req.kind == GREY_PASS) {
        e->served[p.n][p.h][p.d][p.r] = e->served_pair[p.n][p.h][p.d] = true;
    }
}

static void play(uint64_t seed)
{
    struct world w = world_new();
    struct earned e = {0};
    int64_t at = 0;
    for (int step = 0; step < STEPS && test_case_ok; step++) {
        static const enum grey_request_kind kinds[] = {GREY_LOOK,    GREY_DECIDE, GREY_DECIDE, GREY_PASS,
                                                       GREY_CONFIRM, GREY_LEFT,   GREY_RENEW,  GREY_DECIDE};
        uint64_t r = next_random(&seed);
        struct place p = {r % NETWORKS, (r >> 8) % HOSTS, (r >> 16) % DOMAINS, (r >> 24) % RECIPIENTS};
        set_tuple(&w, p);
        at += (int64_t)((r >> 32) % (8 * MINUTE));
        w.req.pairs = true;
        w.req.delay_sec = 5 * MINUTE;
        w.req.timeout_sec = w.req.autowhite_sec = 365 * DAY; /* nothing is forgotten: that is property.c's */
        w.req.pass = GREY_PASS_SERVED;
        (void)world_ask(&w, kinds[(r >> 52) % 8], at, 0);
        check_step(&w, &e, p);
    }
    world_free(&w);
}

static void a_record_lets_in_whom_it_should(void)
{
    for (uint64_t seed = 1; seed <= ROUNDS && test_case_ok; seed++) {
        play(seed * 0x9e3779b97f4a7c15u);
        if (!test_case_ok)
            printf("# seed %d\n", (int)seed);
    }
}

int main(void)
{
    TEST(a_record_lets_in_whom_it_should);
    return TEST_END();
}
