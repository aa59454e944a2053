/* property.c - random requests against what must hold whatever comes in whatever order. The seed is printed. */
#include "world.h"
#include "base/mem.h"
#include "../test.h"

#include <string.h>

enum { CLIENTS = 3, TUPLES = 12, STEPS = 400, ROUNDS = 150 };

struct model {
    int64_t first_seen[TUPLES]; /* of the pending record that must be there; 0: none */
    int64_t life_end[TUPLES];
    bool passed[TUPLES]; /* was let in once: AUTO may follow */
    bool served[TUPLES]; /* was let in for a hold: AUTO may follow once that is confirmed */
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void set_tuple(struct world *w, unsigned i)
{
    static const char *addrs[] = {"192.0.2.1", "192.0.2.2", "2001:db8::1"};
    static const char *rcpts[] = {"<a@example.net>", "<b@example.net>", "<c@example.net>", "<d@example.net>"};
    w->req.tuple.addr = world_ip(addrs[i % CLIENTS]);
    w->req.tuple.addr_bits = 128;
    w->req.tuple.recipient = slice_cstr(rcpts[i / CLIENTS]);
}

static void confirm_all(struct model *m, unsigned client)
{
    for (unsigned i = client; i < TUPLES; i += CLIENTS) {
        if (m->served[i]) {
            m->passed[i] = true;
            m->first_seen[i] = 0;
        }
        m->served[i] = false;
    }
}

static void check_step(const struct world *w, struct model *m, unsigned i)
{
    const struct grey_answer *a = &w->got;
    int64_t now = w->req.now.sec, delay = w->req.delay_sec;
    if (a->verdict == GREY_DEFER && w->req.kind != GREY_RENEW)
        CHECK(a->remaining_sec >= 1 && a->remaining_sec <= delay);
    if (a->state == GREY_AUTO)
        CHECK(m->passed[i]);
    if (w->req.kind == GREY_CONFIRM) {
        confirm_all(m, i % CLIENTS);
        return;
    }
    bool pending = m->first_seen[i] > 0 && now <= m->life_end[i];
    if (pending && !m->passed[i]) {
        CHECK(a->state == GREY_PENDING || a->state == GREY_DUE);
        CHECK(a->first_seen.sec <= m->first_seen[i]);
    }
    if (w->req.kind == GREY_DECIDE && a->verdict == GREY_ACCEPT && !m->passed[i])
        CHECK(now - a->first_seen.sec >= delay);
    bool lets_in = w->req.kind == GREY_PASS || (w->req.kind == GREY_DECIDE && a->verdict == GREY_ACCEPT);
    bool for_a_hold = w->req.kind == GREY_PASS ? w->req.pass == GREY_PASS_SERVED || w->req.pass == GREY_PASS_WAITED
                                               : w->req.first_seen.sec < now;
    if (lets_in && for_a_hold && !a->patient && a->state != GREY_DUE && a->state != GREY_AUTO) {
        m->served[i] = true;
    } else if (lets_in) {
        m->passed[i] = true;
        m->first_seen[i] = 0;
    } else if (w->req.kind == GREY_DECIDE || (w->req.kind == GREY_LEFT && a->state != GREY_AUTO)) {
        int64_t end = a->first_seen.sec + delay + w->req.timeout_sec;
        m->life_end[i] = pending && m->life_end[i] > end ? m->life_end[i] : end;
        m->first_seen[i] = a->first_seen.sec;
        m->passed[i] = false; /* its AUTO is over, else it would have been let in */
    }
}

static void play(uint64_t seed)
{
    struct world w = world_new();
    struct model m = {0};
    int64_t at = 0;
    for (int step = 0; step < STEPS && test_case_ok; step++) {
        uint64_t r = next_random(&seed);
        unsigned i = (unsigned)(r % TUPLES);
        set_tuple(&w, i);
        at += (int64_t)(next_random(&seed) % (r & 1 << 20 ? 3 * DAY : 20 * MINUTE));
        w.req.delay_sec = 1 + (int64_t)(next_random(&seed) % HOUR);
        w.req.timeout_sec = DAY;
        w.req.autowhite_sec = DAY;
        int64_t waited = (int64_t)(next_random(&seed) % 200);
        w.req.pass = (enum grey_pass)((r >> 21) % 4);
        enum grey_request_kind kind = (enum grey_request_kind)((r >> 32) % (GREY_RENEW + 1));
        (void)world_ask(&w, kind, at, waited);
        check_step(&w, &m, i);
        if (step % 50 == 0) { /* a restart in between is not to be noticed */
            struct grey_memory *copy = grey_memory_copy(w.memory);
            grey_memory_free(w.memory);
            w.memory = copy;
        }
    }
    world_free(&w);
}

static void random_requests_keep_the_rules(void)
{
    for (uint64_t seed = 1; seed <= ROUNDS && test_case_ok; seed++) {
        play(seed * 0x9e3779b97f4a7c15u);
        if (!test_case_ok)
            printf("# seed %d\n", (int)seed);
    }
}

int main(void)
{
    TEST(random_requests_keep_the_rules);
    return TEST_END();
}
