/* world.h - a memory of records, a clock and a client, for the tests of the decision. */
#ifndef TARSIER_TESTS_GREY_WORLD_H
#define TARSIER_TESTS_GREY_WORLD_H

#include "grey/memory.h"

#include <stdlib.h>

enum { MINUTE = 60, HOUR = 3600, DAY = 86400, DELAY = 30 * MINUTE, TIMEOUT = 5 * DAY, T0 = 1795485418 };

struct world {
    struct grey_memory *memory;
    struct grey_request req; /* what the next request looks like */
    struct grey_answer got;
    bool durable;
};

static inline struct ip world_ip(const char *text)
{
    struct ip a;
    if (ip_parse(slice_cstr(text), &a) != ERR_NONE)
        abort();
    return a;
}

static inline struct world world_new(void)
{
    static const struct grey_secret secret = {{{1}}, {{2}}};
    return (struct world){.memory = grey_memory_new(&secret),
                          .req = {.tuple = {.addr = world_ip("192.0.2.7"),
                                            .addr_bits = 32,
                                            .sender = SLICE_LIT("<a@example.org>"),
                                            .recipient = SLICE_LIT("<b@example.net>")},
                                  .now = {T0},
                                  .delay_sec = DELAY,
                                  .timeout_sec = TIMEOUT,
                                  .autowhite_sec = DAY}};
}

static inline void world_free(struct world *w)
{
    grey_memory_free(w->memory);
}

/* Ask at T0 + at. A first visit earlier than that is given by `waited`. */
static inline const struct grey_answer *world_ask(struct world *w, enum grey_request_kind kind, int64_t at, int64_t waited)
{
    w->req.kind = kind;
    w->req.now.sec = T0 + at;
    w->req.first_seen.sec = T0 + at - waited;
    w->req.waited_sec = waited;
    w->durable = grey_memory_run(w->memory, &w->req, &w->got);
    return &w->got;
}

static inline const struct grey_answer *look(struct world *w, int64_t at)
{
    return world_ask(w, GREY_LOOK, at, 0);
}
static inline const struct grey_answer *decide(struct world *w, int64_t at)
{
    return world_ask(w, GREY_DECIDE, at, 0);
}
static inline const struct grey_answer *renew(struct world *w, int64_t at)
{
    return world_ask(w, GREY_RENEW, at, 0);
}
static inline const struct grey_answer *left(struct world *w, int64_t at, int64_t waited)
{
    return world_ask(w, GREY_LEFT, at, waited);
}
/* Let in for a hold; DATA is still to come. */
static inline const struct grey_answer *held_out(struct world *w, int64_t at, int64_t waited)
{
    w->req.pass = GREY_PASS_SERVED;
    return world_ask(w, GREY_PASS, at, waited);
}
static inline const struct grey_answer *confirm(struct world *w, int64_t at)
{
    return world_ask(w, GREY_CONFIRM, at, 0);
}
/* Both; the answer to the hold. */
static inline const struct grey_answer *served(struct world *w, int64_t at, int64_t waited)
{
    struct grey_answer let_in = *held_out(w, at, waited);
    bool durable = w->durable;
    (void)confirm(w, at);
    w->got = let_in;
    w->durable = durable;
    return &w->got;
}
static inline const struct grey_answer *patient(struct world *w, int64_t at)
{
    w->req.pass = GREY_PASS_PATIENT;
    return world_ask(w, GREY_PASS, at, 0);
}

#endif
