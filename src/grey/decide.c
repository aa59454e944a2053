/*
 * decide.c - greylisting's decision as a pure function.
 *
 * Each kind of request is one function over a `struct work`; what they share is how a record is found (find_tuple), told
 * (look), let in (let_in) and renewed (renew_used).
 */
#include "grey/decide.h"

#include "grey/clean.h"

#include <string.h>

struct work {
    const struct grey_request *req;
    struct grey_set *set;
    struct grey_answer *answer;
    struct grey_slot *tuple; /* the live record that decides: tuple by either key, or the shared one; or NULL */
    struct grey_slot *used;  /* AUTO: the record that made it so */
};

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- slots ---- */

void grey_set_init(struct grey_set *set, const struct grey_secret *secret, const struct grey_request *req)
{
    const struct grey_tuple *t = &req->tuple;
    struct grey_slot *s = set->slots;
    bool by_domain = t->client_domain.ptr != NULL;
    for (int i = 0; i < GREY_SLOTS; i++)
        s[i].wanted = s[i].present = s[i].dirty = s[i].drop = false;
    set->crowded = set->keep_expired = set->durable = false;

    uint8_t addr[16];
    grey_client_address(&t->addr, t->addr_bits, addr);
    struct grey_slot *tuple = &s[GREY_SLOT_TUPLE];
    tuple->wanted = true;
    grey_tail_tuple(secret, t->sender, t->recipient, tuple->key.tail);
    if (by_domain) {
        grey_client_domain(secret, t->client_domain, tuple->key.client);
        s[GREY_SLOT_TUPLE_ADDR].wanted = true;
        s[GREY_SLOT_TUPLE_ADDR].key = tuple->key;
        memcpy(s[GREY_SLOT_TUPLE_ADDR].key.client, addr, 16);
    } else {
        memcpy(tuple->key.client, addr, 16);
    }
    if (req->pairs) {
        struct grey_slot *pair = &s[GREY_SLOT_PAIR];
        pair->wanted = true;
        memcpy(pair->key.client, tuple->key.client, 16);
        grey_tail_pair(secret, grey_address_domain(t->sender), pair->key.tail);
        s[GREY_SLOT_PAIR_ADDR].wanted = by_domain;
        s[GREY_SLOT_PAIR_ADDR].key = pair->key;
        memcpy(s[GREY_SLOT_PAIR_ADDR].key.client, addr, 16);
    }
    struct ip client = ip_client(&t->addr);
    s[GREY_SLOT_CLIENT].wanted = true;
    grey_client_address(&client, 128, s[GREY_SLOT_CLIENT].key.client);
    grey_tail_own(GREY_OWN_CLIENT, s[GREY_SLOT_CLIENT].key.tail);
    s[GREY_SLOT_LAZY].wanted = req->lazy;
    memcpy(s[GREY_SLOT_LAZY].key.client, addr, 16);
    grey_tail_own(GREY_OWN_LAZY, s[GREY_SLOT_LAZY].key.tail);
    s[GREY_SLOT_SHARED].key = s[GREY_SLOT_CLIENT].key;
    grey_tail_own(GREY_OWN_SHARED, s[GREY_SLOT_SHARED].key.tail);
}

static const struct {
    enum grey_record_type type;
    bool domain, sender, recipient; /* texts that belong to it */
    bool sender_domain;             /* of the sender only the domain */
} shapes[GREY_SLOTS] = {
    [GREY_SLOT_TUPLE] = {GREY_RECORD_TUPLE, .domain = true, .sender = true, .recipient = true},
    [GREY_SLOT_TUPLE_ADDR] = {GREY_RECORD_TUPLE, .sender = true, .recipient = true},
    [GREY_SLOT_PAIR] = {GREY_RECORD_PAIR, .domain = true, .sender_domain = true},
    [GREY_SLOT_PAIR_ADDR] = {GREY_RECORD_PAIR, .sender_domain = true},
    [GREY_SLOT_CLIENT] = {GREY_RECORD_CLIENT},
    [GREY_SLOT_LAZY] = {GREY_RECORD_LAZY},
    [GREY_SLOT_SHARED] = {GREY_RECORD_SHARED},
};

/* The texts that a record of this slot has when it is this request's. */
static void shape(struct grey_record *r, enum grey_slot_name name, const struct grey_request *req)
{
    const struct grey_tuple *t = &req->tuple;
    r->type = shapes[name].type;
    r->domain = shapes[name].domain ? t->client_domain : SLICE_NONE;
    r->sender = shapes[name].sender ? t->sender : shapes[name].sender_domain ? grey_address_domain(t->sender) : SLICE_NONE;
    r->recipient = shapes[name].recipient ? t->recipient : SLICE_NONE;
}

enum err grey_set_load(struct grey_set *set, enum grey_slot_name name, const struct grey_request *req, struct slice bytes)
{
    struct grey_record got, want = {0};
    struct grey_slot *slot = &set->slots[name];
    slot->present = false;
    enum err e = grey_record_decode(bytes, &got);
    if (e != ERR_NONE)
        return e;
    shape(&want, name, req);
    if (got.type != want.type || !slice_eq(got.domain, want.domain) || !slice_eq(got.sender, want.sender) ||
        !slice_eq(got.recipient, want.recipient))
        return ERR_NOT_FOUND;
    got.domain = want.domain;
    got.sender = want.sender;
    got.recipient = want.recipient;
    slot->record = got;
    slot->present = true;
    return ERR_NONE;
}

static bool is_live(const struct work *w, enum grey_slot_name name)
{
    const struct grey_slot *s = &w->set->slots[name];
    return s->present && !s->drop && (w->set->keep_expired || w->req->now.sec <= s->record.expires.sec);
}

static struct grey_slot *live(const struct work *w, enum grey_slot_name name)
{
    return is_live(w, name) ? &w->set->slots[name] : NULL;
}

static enum grey_slot_name name_of(const struct work *w, const struct grey_slot *slot)
{
    return (enum grey_slot_name)(slot - w->set->slots);
}

/* The live record of a slot, or a fresh one in its place. */
static struct grey_record *open_record(struct work *w, enum grey_slot_name name)
{
    struct grey_slot *s = &w->set->slots[name];
    if (!is_live(w, name)) {
        s->record = (struct grey_record){.first_seen = w->req->now, .left_sec = -1, .addr = w->req->tuple.addr};
        shape(&s->record, name, w->req);
    }
    s->present = true;
    s->drop = false;
    s->dirty = true;
    return &s->record;
}

static void drop_slot(struct work *w, struct grey_slot *s)
{
    s->drop = s->present;
    s->dirty = false;
    w->set->durable = true;
}

static void touch(struct work *w, struct grey_slot *s)
{
    s->dirty = true;
    w->set->durable = true;
}

/* ---- what is known ---- */

/* AUTO of either key wins; then the configured key; the shared record stands in only where nothing of the tuple's own is. */
static struct grey_slot *find_tuple(const struct work *w)
{
    struct grey_slot *own = live(w, GREY_SLOT_TUPLE), *addr = live(w, GREY_SLOT_TUPLE_ADDR);
    if (addr && addr->record.is_auto && !(own && own->record.is_auto))
        return addr;
    if (own || addr)
        return own ? own : addr;
    return live(w, GREY_SLOT_SHARED);
}

/* A first sight in the future (the clock was set back) counts as now. */
static int64_t first_visit(const struct work *w)
{
    int64_t now = w->req->now.sec, from = w->req->first_seen.sec;
    int64_t asked = from > 0 && from < now ? from : now;
    return w->tuple && !w->tuple->record.is_auto ? min64(asked, w->tuple->record.first_seen.sec) : asked;
}

static int64_t remaining(const struct work *w, int64_t first_seen)
{
    int64_t delay = w->req->delay_sec, rest = delay - (w->req->now.sec - first_seen);
    return max64(min64(rest, delay), 1);
}

static int64_t left_in_force(const struct work *w, const struct grey_slot *s)
{
    bool in_force = s && s->record.left_sec >= 0 && (w->set->keep_expired || w->req->now.sec <= s->record.left_until.sec);
    return in_force ? s->record.left_sec : -1;
}

static bool is_patient(const struct work *w)
{
    const struct grey_slot *c = live(w, GREY_SLOT_CLIENT);
    return c && c->record.patient_until.sec > 0 && (w->set->keep_expired || w->req->now.sec <= c->record.patient_until.sec);
}

static struct grey_slot *find_pair(const struct work *w)
{
    struct grey_slot *pair = w->req->pairs ? live(w, GREY_SLOT_PAIR) : NULL;
    return pair || !w->req->pairs ? pair : live(w, GREY_SLOT_PAIR_ADDR);
}

static void look(struct work *w)
{
    struct grey_answer *a = w->answer;
    struct grey_slot *pair = find_pair(w), *lazy = w->req->lazy ? live(w, GREY_SLOT_LAZY) : NULL;
    w->tuple = find_tuple(w);
    w->used = w->tuple && w->tuple->record.is_auto ? w->tuple : pair ? pair : lazy;
    a->patient = is_patient(w);
    a->left_sec = max64(left_in_force(w, w->tuple), left_in_force(w, live(w, GREY_SLOT_CLIENT)));
    a->shared = w->tuple && name_of(w, w->tuple) == GREY_SLOT_SHARED;
    a->verdict = GREY_ACCEPT;
    if (w->used) {
        a->state = GREY_AUTO;
        a->via = w->used == w->tuple ? GREY_VIA_TUPLE : w->used == pair ? GREY_VIA_PAIR : GREY_VIA_CLIENT;
        a->expires = w->used->record.expires;
    } else if (w->tuple) {
        int64_t first = min64(w->tuple->record.first_seen.sec, w->req->now.sec);
        int64_t elapsed = w->req->now.sec - first;
        a->state = elapsed >= w->req->delay_sec ? GREY_DUE : GREY_PENDING;
        a->first_seen.sec = first;
        a->elapsed_sec = elapsed;
        if (a->state == GREY_PENDING) {
            a->verdict = GREY_DEFER;
            a->remaining_sec = remaining(w, first);
        }
    } else {
        a->state = GREY_NEW;
        a->verdict = GREY_DEFER;
        a->remaining_sec = max64(w->req->delay_sec, 1);
    }
}

/* ---- AUTO: remembered, renewed ---- */

/* Until when an AUTO record lives that is used now. */
static int64_t renewed_until(const struct work *w, const struct grey_record *r, int64_t life_sec)
{
    int64_t until = w->req->now.sec + life_sec;
    return r->by_hold ? min64(until, r->auto_since.sec + GREY_HOLD_RENEWALS * life_sec) : until;
}

/* Write only what extends by more than a tenth: most uses of a record cost no write. */
static void renew_slot(struct work *w, struct grey_slot *s)
{
    int64_t life = w->req->autowhite_sec, until = renewed_until(w, &s->record, life);
    if (until - s->record.expires.sec > life / 10) {
        s->record.expires.sec = until;
        s->dirty = true;
    }
}

struct grant {
    bool by_hold;
    int64_t since;
};

/* Make the slot an AUTO record, or better the one there: what a retry earned outdoes what a hold earned. */
static void grant_auto(struct work *w, enum grey_slot_name name, struct grant g)
{
    bool was_auto = is_live(w, name) && w->set->slots[name].record.is_auto;
    bool was_dirty = w->set->slots[name].dirty;
    if (!was_auto && g.by_hold && g.since + GREY_HOLD_RENEWALS * w->req->autowhite_sec < w->req->now.sec)
        return; /* what the hold earned is over */
    struct grey_record *r = open_record(w, name);
    struct grey_record before = *r;
    if (!was_auto || (r->by_hold && (!g.by_hold || g.since > r->auto_since.sec))) {
        r->by_hold = g.by_hold;
        r->auto_since.sec = g.since;
    }
    r->is_auto = true;
    r->left_sec = -1;
    r->left_until.sec = 0;
    int64_t until = renewed_until(w, r, w->req->autowhite_sec);
    r->expires.sec = was_auto ? max64(r->expires.sec, until) : until;
    bool kept = was_auto && r->by_hold == before.by_hold && r->auto_since.sec == before.auto_since.sec &&
                r->expires.sec - before.expires.sec <= w->req->autowhite_sec / 10;
    if (kept) {
        *r = before;
        w->set->slots[name].dirty = was_dirty;
    } else {
        w->set->durable |= !was_auto;
    }
}

/*
 * What goes with an AUTO tuple. A pair that a hold earned stands on the address alone: one patient bot must not free a
 * provider (DESIGN 3).
 */
static void grant_companions(struct work *w, struct grant g)
{
    bool by_domain = w->req->tuple.client_domain.ptr != NULL;
    if (w->req->autowhite_sec <= 0)
        return;
    if (w->req->pairs)
        grant_auto(w, g.by_hold && by_domain ? GREY_SLOT_PAIR_ADDR : GREY_SLOT_PAIR, g);
    if (w->req->lazy)
        grant_auto(w, GREY_SLOT_LAZY, g);
}

/*
 * The tuple has passed. It stays under the key it was found by; from a shared record it gets one of its own, and the shared one
 * stays for the others that were told to come back.
 */
static void let_in(struct work *w, struct grant g)
{
    enum grey_slot_name name = GREY_SLOT_TUPLE;
    bool shared = w->tuple && name_of(w, w->tuple) == GREY_SLOT_SHARED;
    if (w->tuple && !shared)
        name = name_of(w, w->tuple);
    if (w->req->autowhite_sec <= 0) {
        if (w->set->slots[name].present)
            drop_slot(w, &w->set->slots[name]);
        return;
    }
    grant_auto(w, name, g);
    w->answer->expires = w->set->slots[name].record.expires;
    grant_companions(w, g);
}

static int64_t patience_life(const struct work *w)
{
    return w->req->patience_sec ? w->req->patience_sec : w->req->autowhite_sec;
}

static void renew_patience(struct work *w)
{
    struct grey_slot *c = &w->set->slots[GREY_SLOT_CLIENT];
    int64_t life = patience_life(w);
    if (life <= 0 || !is_patient(w))
        return;
    int64_t until = min64(w->req->now.sec + life, c->record.auto_since.sec + GREY_HOLD_RENEWALS * life);
    if (until - c->record.patient_until.sec > life / 10) {
        c->record.patient_until.sec = until;
        c->record.expires.sec = max64(c->record.expires.sec, until);
        c->dirty = true;
    }
}

/* An AUTO record let the client in: it lives on, with what goes with it. */
static void renew_used(struct work *w)
{
    struct grey_slot *pair = find_pair(w), *lazy = w->req->lazy ? live(w, GREY_SLOT_LAZY) : NULL;
    if (w->req->autowhite_sec > 0) {
        if (w->tuple && w->tuple->record.is_auto) {
            bool durable = w->set->durable; /* what follows from a use is nothing that anybody waits for */
            renew_slot(w, w->tuple);
            grant_companions(w, (struct grant){w->tuple->record.by_hold, w->tuple->record.auto_since.sec});
            w->set->durable = durable;
        }
        if (pair)
            renew_slot(w, pair);
        if (lazy)
            renew_slot(w, lazy);
        if (w->used)
            w->answer->expires = w->used->record.expires;
    }
    renew_patience(w);
}

/* ---- the kinds of request ---- */

/* A first sight, or the pending record brought up to date: an earlier first visit, a clock set back, a longer life. */
static void keep_pending(struct work *w)
{
    int64_t first = first_visit(w);
    bool shares = w->tuple ? name_of(w, w->tuple) == GREY_SLOT_SHARED : w->set->crowded;
    int64_t life = shares ? min64(w->req->timeout_sec, GREY_SHARED_LIFE_SEC) : w->req->timeout_sec;
    int64_t until = first + w->req->delay_sec + life;
    if (!w->tuple) {
        enum grey_slot_name name = w->set->crowded ? GREY_SLOT_SHARED : GREY_SLOT_TUPLE;
        struct grey_record *r = open_record(w, name);
        w->tuple = &w->set->slots[name];
        r->first_seen.sec = first;
        r->expires.sec = until;
        w->set->durable = true;
    } else if (w->tuple->record.first_seen.sec != first || w->tuple->record.expires.sec < until) {
        bool set_back = w->tuple->record.first_seen.sec > w->req->now.sec;
        w->tuple->record.first_seen.sec = first;
        w->tuple->record.expires.sec = set_back ? until : max64(until, w->tuple->record.expires.sec);
        touch(w, w->tuple);
    }
    w->answer->first_seen.sec = first;
    w->answer->remaining_sec = remaining(w, first);
    w->answer->verdict = GREY_DEFER;
    w->answer->shared = name_of(w, w->tuple) == GREY_SLOT_SHARED;
}

static void remember_served(struct work *w)
{
    int64_t life = patience_life(w);
    struct grey_slot *slot = live(w, GREY_SLOT_CLIENT);
    if (life > 0) {
        struct grey_record *r = open_record(w, GREY_SLOT_CLIENT);
        r->auto_since = w->req->now;
        r->patient_until.sec = max64(r->patient_until.sec, w->req->now.sec + life);
        r->expires = r->patient_until;
        r->left_sec = -1;
        r->left_until.sec = 0;
        w->set->durable = true;
    } else if (slot && slot->record.left_sec >= 0) {
        if (slot->record.patient_until.sec <= 0) {
            drop_slot(w, slot);
        } else {
            slot->record.left_sec = -1;
            slot->record.left_until.sec = 0;
            touch(w, slot);
        }
    }
}

/* `greylist … tarpit`: a served hold frees of holds, not of the delay. */
static void note_served_before(struct work *w)
{
    if (w->req->waited_sec <= 0)
        return;
    remember_served(w);
    if (w->tuple && w->tuple->record.left_sec >= 0) {
        w->tuple->record.left_sec = -1;
        w->tuple->record.left_until.sec = 0;
        touch(w, w->tuple);
    }
}

static void decide(struct work *w)
{
    note_served_before(w);
    if (w->answer->state == GREY_AUTO) {
        renew_used(w);
        return;
    }
    int64_t waited = w->req->now.sec - first_visit(w);
    if (waited < w->req->delay_sec) {
        keep_pending(w);
        return;
    }
    /* A delay that was over within the hold of its own first visit was earned by the hold. */
    bool by_hold = w->answer->state != GREY_DUE && waited > 0;
    w->answer->verdict = GREY_ACCEPT;
    w->answer->first_seen.sec = w->req->now.sec - waited;
    w->answer->elapsed_sec = waited;
    w->answer->remaining_sec = 0;
    let_in(w, (struct grant){by_hold, w->req->now.sec});
}

static void pass(struct work *w)
{
    /* What was over its delay already needed no hold. What patience earned can be renewed as far as the patience itself. */
    struct grant g = {w->answer->state != GREY_DUE, w->req->now.sec};
    if (w->req->pass == GREY_PASS_PATIENT && is_patient(w))
        g.since = min64(g.since, w->set->slots[GREY_SLOT_CLIENT].record.auto_since.sec +
                                     GREY_HOLD_RENEWALS * (patience_life(w) - w->req->autowhite_sec));
    w->answer->verdict = GREY_ACCEPT;
    w->answer->remaining_sec = 0;
    let_in(w, g);
    if (w->req->pass == GREY_PASS_SERVED)
        remember_served(w);
    else
        renew_patience(w);
}

static void mark_left(struct work *w, struct grey_record *r, int64_t until)
{
    bool in_force = r->left_sec >= 0 && (w->set->keep_expired || w->req->now.sec <= r->left_until.sec);
    r->left_sec = in_force ? max64(r->left_sec, w->req->waited_sec) : max64(w->req->waited_sec, 0);
    r->left_until.sec = in_force ? max64(r->left_until.sec, until) : until;
    r->expires.sec = max64(r->expires.sec, r->left_until.sec);
}

/*
 * A tuple that has become AUTO meanwhile (a sibling was served) stays so; the client's mark is set all the same. A shared record
 * bears none: the mark would prolong its life, and the client's says as much.
 */
static void left(struct work *w)
{
    int64_t until = first_visit(w) + w->req->delay_sec + w->req->timeout_sec;
    if (!(w->tuple && w->tuple->record.is_auto)) {
        keep_pending(w);
        if (name_of(w, w->tuple) != GREY_SLOT_SHARED) {
            mark_left(w, &w->tuple->record, until);
            touch(w, w->tuple);
        }
    }
    mark_left(w, open_record(w, GREY_SLOT_CLIENT), until);
    w->set->durable = true;
}

void grey_apply(const struct grey_request *req, struct grey_set *set, struct grey_answer *answer)
{
    *answer = (struct grey_answer){.left_sec = -1};
    struct work w = {.req = req, .set = set, .answer = answer};
    look(&w);
    switch (req->kind) {
    case GREY_LOOK:
        break;
    case GREY_DECIDE:
        decide(&w);
        break;
    case GREY_PASS:
        pass(&w);
        break;
    case GREY_LEFT:
        left(&w);
        break;
    case GREY_RENEW:
        renew_used(&w);
        break;
    }
}
