/*
 * outside.c - the store and the clients' sockets; and all that is on its way to the engine.
 *
 * The store has a reader, which answers looks at once, and a writer: what it is asked is applied in order, and each commit is a
 * step of its own, behind which the answer comes. A request that is not committed when the daemon dies has never been.
 */
#include "world.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- copies ---- */

static struct grey_tuple copy_tuple(struct arena *a, const struct grey_tuple *t)
{
    struct grey_tuple c = *t;
    c.client_domain = arena_slice(a, t->client_domain);
    c.sender = arena_slice(a, t->sender);
    c.recipient = arena_slice(a, t->recipient);
    return c;
}

static struct grey_request *copy_request(struct world *w, const struct grey_request *r)
{
    struct grey_request *c = arena_alloc(&w->arena, sizeof(*c));
    *c = *r;
    c->tuple = copy_tuple(&w->arena, &r->tuple);
    return c;
}

struct tuple_copy *outside_copy_tuple(struct world *w, const struct grey_tuple *tuple)
{
    struct tuple_copy *t = arena_zalloc(&w->arena, sizeof(*t));
    t->tuple = copy_tuple(&w->arena, tuple);
    return t;
}

/* ---- deliveries ---- */

struct delivery *outside_later(struct world *w, enum delivery_kind kind, int64_t due_ms)
{
    struct delivery *d = mem_zalloc(sizeof(*d));
    d->kind = kind;
    d->due_ms = due_ms;
    d->order = world_random(w, 1u << 30);
    w->deliveries = mem_grow(w->deliveries, &w->cap_deliveries, w->n_deliveries + 1, sizeof(struct delivery *));
    w->deliveries[w->n_deliveries++] = d;
    return d;
}

static struct delivery *deliver(struct world *w, enum delivery_kind kind, int64_t due_ms, const struct effect *e)
{
    struct delivery *d = outside_later(w, kind, due_ms);
    d->session = e->owner;
    d->request = e->request;
    return d;
}

static bool before(const struct delivery *a, const struct delivery *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

struct delivery *outside_next(struct world *w, int64_t until_ms, bool slow_too)
{
    size_t best = w->n_deliveries;
    for (size_t i = 0; i < w->n_deliveries; i++) {
        struct delivery *d = w->deliveries[i];
        if (d->due_ms > until_ms || (d->slow && !slow_too))
            continue;
        if (best == w->n_deliveries || before(d, w->deliveries[best]))
            best = i;
    }
    if (best == w->n_deliveries)
        return NULL;
    struct delivery *d = w->deliveries[best];
    w->deliveries[best] = w->deliveries[--w->n_deliveries];
    return d;
}

void outside_forget(struct world *w)
{
    for (size_t i = 0; i < w->n_deliveries; i++)
        free(w->deliveries[i]);
    for (size_t i = 0; i < w->n_parked; i++)
        free(w->parked_as[i]);
    w->n_deliveries = w->n_parked = 0;
    w->last_commit_ms = w->now_ms;
}

/* ---- the store ---- */

static const char *const kinds[] = {"look", "decide", "pass", "confirm", "left", "renew", "prove"};
static const char *const states[] = {"new", "pending", "due", "auto"};

void outside_mode(struct world *w, enum store_mode mode, int64_t slow_ms)
{
    w->store = mode;
    w->store_slow_ms = slow_ms;
}

/* The writer's turn: in order, each a little behind the one before. */
static struct delivery *write_later(struct world *w, struct grey_request *r, const struct effect *e)
{
    int64_t slow = w->store == STORE_SLOW || w->store == STORE_SLOW_COMMITS ? w->store_slow_ms : 0;
    int64_t due = w->now_ms + 1 + world_random(w, 3) + slow;
    if (due < w->last_commit_ms)
        due = w->last_commit_ms;
    w->last_commit_ms = due;
    struct delivery *d = deliver(w, DELIVER_COMMIT, due, e);
    d->order = 0; /* two commits of one instant: neither overtakes */
    d->store = r;
    d->slow = slow > 0;
    d->asked_ms = w->now_ms;
    return d;
}

static void park(struct world *w, struct grey_request *r, const struct effect *e)
{
    w->parked = mem_grow(w->parked, &w->cap_parked, w->n_parked + 1, sizeof(struct grey_request *));
    w->parked_as = mem_grow(w->parked_as, &w->cap_parked_as, w->n_parked + 1, sizeof(struct delivery *));
    struct delivery *d = mem_zalloc(sizeof(*d));
    d->session = e->owner;
    d->request = e->request;
    d->asked_ms = w->now_ms;
    w->parked[w->n_parked] = r;
    w->parked_as[w->n_parked++] = d;
}

static void check_request(struct world *w, const struct grey_request *r)
{
    if (r->now.sec != world_now(w).wall.sec)
        world_fail(w, "a request whose time is not now");
    if (r->delay_sec < 0 || r->timeout_sec <= 0 || r->autowhite_sec < 0)
        world_fail(w, "a request with a time below zero");
    if (r->kind == GREY_CONFIRM || r->kind == GREY_PROVE)
        return; /* of no tuple */
    if (!slice_has_prefix(r->tuple.sender, "<") || !slice_has_prefix(r->tuple.recipient, "<"))
        world_fail(w, "a request about an address that is not cleaned");
}

void outside_store(struct world *w, const struct effect *e, struct conn *c)
{
    struct grey_request *r = copy_request(w, e->u.store);
    world_tell(w, "%s store: %s %.*s %.*s #%u", c->name, kinds[r->kind], SLICE_ARG(r->tuple.sender),
               SLICE_ARG(r->tuple.recipient), e->request);
    check_request(w, r);
    c->stores++;
    c->now_tuple.tuple = r->tuple;
    c->now_tuple.decided = r->kind == GREY_DECIDE;
    if (r->kind == GREY_DECIDE) {
        struct tuple_copy *t = outside_copy_tuple(w, &r->tuple);
        t->next = c->message_tuples;
        c->message_tuples = t;
    }
    if (w->store == STORE_DEAD)
        return;
    if (w->store == STORE_FAIL || (w->store == STORE_FULL && r->kind != GREY_LOOK)) {
        if (e->request) {
            struct delivery *d = deliver(w, DELIVER_ANSWER, w->now_ms + 1 + world_random(w, 3), e);
            d->answer = (struct grey_answer){.failed = true, .left_sec = -1};
        }
        return;
    }
    if (r->kind == GREY_LOOK) {
        int64_t slow = w->store == STORE_SLOW ? w->store_slow_ms : 0;
        struct delivery *d = deliver(w, DELIVER_READ, w->now_ms + 1 + world_random(w, 3) + slow, e);
        d->store = r;
        d->slow = slow > 0;
    } else if (w->store == STORE_HOLD) {
        park(w, r, e);
    } else {
        write_later(w, r, e);
    }
}

void outside_commit(struct world *w)
{
    for (size_t i = 0; i < w->n_parked; i++) {
        struct effect e = {.owner = w->parked_as[i]->session, .request = w->parked_as[i]->request};
        enum store_mode mode = w->store;
        w->store = STORE_OK;
        write_later(w, w->parked[i], &e)->asked_ms = w->parked_as[i]->asked_ms;
        w->store = mode;
        free(w->parked_as[i]);
    }
    w->n_parked = 0;
}

struct grey_answer outside_known(struct world *w, const struct grey_tuple *tuple, int64_t delay_sec)
{
    const struct conf_settings *set = w->plan->set;
    struct grey_request r = {.kind = GREY_LOOK,
                             .tuple = *tuple,
                             .now = world_now(w).wall,
                             .first_seen = world_now(w).wall,
                             .delay_sec = delay_sec,
                             .timeout_sec = set->timeout_sec,
                             .autowhite_sec = set->autowhite_sec,
                             .pairs = set->hostkey == CONF_HOSTKEY_DOMAIN,
                             .lazy = set->lazyaw};
    struct grey_answer a;
    (void)grey_memory_run(w->committed, &r, &a);
    return a;
}

static void answer_store(struct world *w, struct delivery *d)
{
    if (!d->request)
        return;
    struct conn *c = world_conn_of(w, d->session);
    world_tell(w, "%s store answers #%u: %s%s%s", c ? c->name : "(nobody)", d->request,
               d->answer.failed ? "failed" : states[d->answer.state], d->answer.patient ? " patient" : "",
               d->answer.left_sec >= 0 ? " left" : "");
    world_step(w, &(struct event){.kind = EVENT_STORE, .owner = d->session, .request = d->request, .u.answer = &d->answer});
}

static void commit(struct world *w, struct delivery *d)
{
    if (grey_memory_run(w->committed, d->store, &d->answer))
        d->answer.commit = w->now_ms - d->asked_ms > GREY_SLOW_MS ? GREY_COMMIT_SLOW : GREY_COMMIT_QUICK;
    world_tell(w, "committed: %s %.*s %.*s", kinds[d->store->kind], SLICE_ARG(d->store->tuple.sender),
               SLICE_ARG(d->store->tuple.recipient));
    if (!d->request)
        return;
    struct effect e = {.owner = d->session, .request = d->request};
    struct delivery *a = deliver(w, DELIVER_ANSWER, w->now_ms + world_random(w, 3), &e);
    a->answer = d->answer;
}

/* ---- clients' sockets ---- */

static const struct {
    const char *word;
    enum peer_state state;
} client_words[] = {{"alive", PEER_ALIVE},     {"gone", PEER_GONE},     {"rst", PEER_RST},
                    {"listen", PEER_LISTEN},   {"absent", PEER_ABSENT}, {"unwatchable", PEER_ABSENT},
                    {"unknown", PEER_UNKNOWN}, {"silent", PEER_SILENT}, {"reused", PEER_REUSED}};

bool outside_client_state(const char *word, enum peer_state *state)
{
    for (size_t i = 0; i < COUNT_OF(client_words); i++)
        if (strcmp(client_words[i].word, word) == 0) {
            *state = client_words[i].state;
            return true;
        }
    return false;
}

void outside_look(struct world *w, const struct effect *e, struct conn *c)
{
    c->looks++;
    c->alone_looks += e->u.look.alone;
    if (e->u.look.cookie && e->u.look.cookie != c->cookie)
        world_fail(w, "a look with a cookie that is not this connection's");
    if (e->u.look.ends.local.family != e->u.look.ends.remote.family || !e->u.look.ends.local_port ||
        !e->u.look.ends.remote_port)
        world_fail(w, "a look at a connection that is not named in full");
    struct delivery *d = deliver(w, DELIVER_LOOK, w->now_ms + 1 + world_random(w, 3), e);
    d->cookie = e->u.look.cookie;
    d->alone = e->u.look.alone;
}

/* What the kernel says of a connection in this state (reference: sock_diag). cookie_out: of the socket that was found. */
static enum look_result see(const struct conn *c, uint64_t asked, uint64_t *cookie_out)
{
    *cookie_out = 0;
    switch (c->state) {
    case PEER_ALIVE:
        *cookie_out = c->cookie;
        return LOOK_ALIVE;
    case PEER_GONE:
        *cookie_out = c->cookie;
        return LOOK_GONE;
    case PEER_RST:
        return asked ? LOOK_ABSENT : LOOK_LISTEN;
    case PEER_REUSED:
        if (asked)
            return LOOK_ABSENT;
        *cookie_out = c->cookie;
        return LOOK_ALIVE;
    case PEER_LISTEN:
        return asked ? LOOK_ABSENT : LOOK_LISTEN;
    case PEER_ABSENT:
        return LOOK_ABSENT;
    case PEER_UNKNOWN:
    case PEER_SILENT:
        break;
    }
    return LOOK_UNKNOWN;
}

static void answer_look(struct world *w, struct delivery *d)
{
    static const char *const results[] = {"alive", "gone", "listen", "absent", "unknown"};
    struct conn *c = world_conn_of(w, d->session);
    struct event event = {.kind = EVENT_LOOK, .owner = d->session, .request = d->request};
    event.u.look.result = LOOK_UNKNOWN;
    if (c) {
        if (c->state == PEER_SILENT)
            return;
        event.u.look.result = see(c, d->cookie, &event.u.look.cookie);
        if (c->lies_gone && !d->alone) {
            c->lies_gone = false;
            event.u.look.result = LOOK_GONE;
            event.u.look.cookie = c->cookie;
        }
        if (event.u.look.result != LOOK_ALIVE)
            world_tell(w, "%s look%s: %s", c->name, d->alone ? " alone" : "", results[event.u.look.result]);
    }
    world_step(w, &event);
}

void outside_deliver(struct world *w, struct delivery *d)
{
    switch (d->kind) {
    case DELIVER_READ:
        (void)grey_memory_run(w->committed, d->store, &d->answer);
        answer_store(w, d);
        break;
    case DELIVER_COMMIT:
        commit(w, d);
        break;
    case DELIVER_ANSWER:
        answer_store(w, d);
        break;
    case DELIVER_LOOK:
        answer_look(w, d);
        break;
    case DELIVER_CHILD:
    case DELIVER_CHILD_HELD:
        child_deliver(w, d);
        return;
    case DELIVER_DNS:
    case DELIVER_SPOOL:
    case DELIVER_DRAINED:
        services_deliver(w, d);
        break;
    }
    free(d);
}
