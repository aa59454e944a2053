/*
 * decide.c - greylisting's decision as a pure function.
 *
 * Each kind of request is one function over a `struct work`; what they share is how a record is found (find_tuple), told
 * (look), let in (let_in), noted as served (serve) and renewed (renew_used).
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

/*
 * `hostkey domain` knows no domain of it: it has no verified name, or a line's. Its neighbours are strangers, so a retry makes it known
 * by its own address; and, for many have a changing one, by (network, sender's domain) (ADR 0023).
 */
static bool is_suspect(const struct grey_request *req)
{
    return req->pairs && !req->tuple.client_domain.ptr;
}

void grey_set_init(struct grey_set *set, const struct grey_secret *secret, const struct grey_request *req)
{
    const struct grey_tuple *t = &req->tuple;
    struct grey_slot *s = set->slots;
    bool by_domain = t->client_domain.ptr != NULL;
    for (int i = 0; i < GREY_SLOTS; i++)
        s[i].wanted = s[i].present = s[i].dirty = s[i].drop = s[i].settled = false;
    set->crowded = set->keep_expired = set->durable = false;
    set->proof_len = 0;
    if (req->kind == GREY_PROVE) {
        s[GREY_SLOT_PROOF].wanted = true;
        grey_client_domain(secret, t->client_domain, s[GREY_SLOT_PROOF].key.client);
        grey_tail_own(GREY_OWN_PROOF, s[GREY_SLOT_PROOF].key.tail);
        return;
    }

    struct ip client = ip_client(&t->addr);
    s[GREY_SLOT_CLIENT].wanted = true;
    grey_client_address(&client, 128, s[GREY_SLOT_CLIENT].key.client);
    grey_tail_own(GREY_OWN_CLIENT, s[GREY_SLOT_CLIENT].key.tail);
    s[GREY_SLOT_SHARED].key = s[GREY_SLOT_CLIENT].key;
    grey_tail_own(GREY_OWN_SHARED, s[GREY_SLOT_SHARED].key.tail);
    if (req->kind == GREY_CONFIRM)
        return; /* of no tuple, and of all that the client has served */

    uint8_t addr[16];
    struct slice sender_domain = grey_address_domain(t->sender);
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
        grey_tail_pair(secret, sender_domain, pair->key.tail);
        s[GREY_SLOT_PAIR_ADDR].wanted = by_domain;
        s[GREY_SLOT_PAIR_ADDR].key = pair->key;
        memcpy(s[GREY_SLOT_PAIR_ADDR].key.client, addr, 16);
    }
    s[GREY_SLOT_NETWORK].wanted = is_suspect(req) && sender_domain.len > 0;
    grey_client_network(&t->addr, s[GREY_SLOT_NETWORK].key.client);
    grey_tail_network(secret, sender_domain, s[GREY_SLOT_NETWORK].key.tail);
    s[GREY_SLOT_LAZY].wanted = req->lazy || is_suspect(req);
    memcpy(s[GREY_SLOT_LAZY].key.client, addr, 16);
    grey_tail_own(GREY_OWN_LAZY, s[GREY_SLOT_LAZY].key.tail);
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
    [GREY_SLOT_NETWORK] = {GREY_RECORD_NETWORK, .sender_domain = true},
    [GREY_SLOT_CLIENT] = {GREY_RECORD_CLIENT},
    [GREY_SLOT_LAZY] = {GREY_RECORD_LAZY},
    [GREY_SLOT_SHARED] = {GREY_RECORD_SHARED},
    [GREY_SLOT_PROOF] = {GREY_RECORD_PROOF, .domain = true},
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
    if (name == GREY_SLOT_PROOF) { /* what it holds is no part of what it is about */
        set->proof_len = got.recipient.len < sizeof(set->proof) ? got.recipient.len : 0;
        memcpy(set->proof, got.recipient.ptr, set->proof_len);
        want.recipient = got.recipient = slice_of(set->proof, set->proof_len);
    }
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
    int64_t expires = s->record.expires.sec; /* 0: only served, which is nothing before it is confirmed */
    return s->present && !s->drop && expires > 0 && (w->set->keep_expired || w->req->now.sec <= expires);
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
        struct grey_record fresh = {.first_seen = w->req->now, .left_sec = -1, .addr = w->req->tuple.addr};
        if (s->present && !s->drop && s->record.served_until.sec >= w->req->now.sec) { /* may be confirmed yet */
            fresh.served_since = s->record.served_since;
            fresh.served_until = s->record.served_until;
        }
        s->record = fresh;
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
    static const enum grey_slot_name names[] = {GREY_SLOT_PAIR, GREY_SLOT_PAIR_ADDR, GREY_SLOT_NETWORK};
    struct grey_slot *pair = NULL;
    for (size_t i = 0; w->req->pairs && i < 3 && !pair; i++)
        pair = live(w, names[i]);
    return pair;
}

static struct grey_slot *find_lazy(const struct work *w)
{
    return w->req->lazy || is_suspect(w->req) ? live(w, GREY_SLOT_LAZY) : NULL;
}

static enum grey_via via_of(const struct work *w)
{
    switch (name_of(w, w->used)) {
    case GREY_SLOT_PAIR:
    case GREY_SLOT_PAIR_ADDR:
        return GREY_VIA_PAIR;
    case GREY_SLOT_NETWORK:
        return GREY_VIA_NETWORK;
    case GREY_SLOT_LAZY:
        return GREY_VIA_CLIENT;
    default:
        return GREY_VIA_TUPLE;
    }
}

static void look(struct work *w)
{
    struct grey_answer *a = w->answer;
    struct grey_slot *pair = find_pair(w), *lazy = find_lazy(w);
    w->tuple = find_tuple(w);
    w->used = w->tuple && w->tuple->record.is_auto ? w->tuple : pair ? pair : lazy;
    a->patient = is_patient(w);
    a->left_sec = max64(left_in_force(w, w->tuple), left_in_force(w, live(w, GREY_SLOT_CLIENT)));
    a->shared = w->tuple && name_of(w, w->tuple) == GREY_SLOT_SHARED;
    a->verdict = GREY_ACCEPT;
    if (w->used) {
        a->state = GREY_AUTO;
        a->via = via_of(w);
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

/* What the client has served and DATA has confirmed since then is AUTO. It is written so with its next use. */
static void settle(struct work *w)
{
    const struct grey_slot *c = live(w, GREY_SLOT_CLIENT);
    if (!c)
        return;
    for (int i = 0; i < GREY_SLOTS; i++) {
        struct grey_slot *s = &w->set->slots[i];
        if (s->present && i != GREY_SLOT_CLIENT)
            s->settled = grey_record_settle(&s->record, c->record.auto_since);
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
    s->dirty |= s->settled;
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
    r->left_until.sec = r->served_since.sec = r->served_until.sec = 0;
    int64_t until = renewed_until(w, r, w->req->autowhite_sec);
    r->expires.sec = was_auto ? max64(r->expires.sec, until) : until;
    bool kept = was_auto && r->by_hold == before.by_hold && r->auto_since.sec == before.auto_since.sec &&
                r->expires.sec - before.expires.sec <= w->req->autowhite_sec / 10;
    if (kept) {
        *r = before;
        w->set->slots[name].dirty = was_dirty || w->set->slots[name].settled;
    } else {
        w->set->durable |= !was_auto;
    }
}

/*
 * What goes with an AUTO tuple. A pair that a hold earned stands on the address alone: one patient bot must not free a
 * provider (DESIGN 3). What a suspect has earned by coming back stands on its address, and on the pair of its network.
 */
static void grant_companions(struct work *w, struct grant g)
{
    bool by_domain = w->req->tuple.client_domain.ptr != NULL;
    if (w->req->autowhite_sec <= 0)
        return;
    bool by_retry = is_suspect(w->req) && !g.by_hold;
    if (by_retry && w->set->slots[GREY_SLOT_NETWORK].wanted)
        grant_auto(w, GREY_SLOT_NETWORK, g);
    else if (w->req->pairs && !by_retry)
        grant_auto(w, g.by_hold && by_domain ? GREY_SLOT_PAIR_ADDR : GREY_SLOT_PAIR, g);
    if (w->req->lazy || by_retry)
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
    if (w->req->kind != GREY_PASS || w->req->pass != GREY_PASS_RELEASED) /* who released it knows of this tuple only */
        grant_companions(w, g);
}

/* Note in a slot that a hold was served: AUTO once it is confirmed. What is AUTO already needs no hold. */
static void serve_slot(struct work *w, enum grey_slot_name name)
{
    struct grey_slot *s = &w->set->slots[name];
    if (is_live(w, name) && s->record.is_auto) {
        renew_slot(w, s);
        return;
    }
    bool was_live = is_live(w, name);
    struct grey_record *r = open_record(w, name);
    if (!was_live)
        r->expires.sec = 0; /* served is all it is: no clock of greylisting runs for it */
    r->served_since = w->req->now;
    r->served_until.sec = w->req->now.sec + w->req->autowhite_sec;
    r->left_sec = -1;
    r->left_until.sec = 0;
    w->set->durable = true;
}

/*
 * The tuple was let in for a wait that DATA has yet to confirm. What was pending stays so: should DATA not come, the clock of its
 * greylisting runs on.
 */
static void serve(struct work *w)
{
    bool shared = w->tuple && name_of(w, w->tuple) == GREY_SLOT_SHARED;
    enum grey_slot_name name = w->tuple && !shared ? name_of(w, w->tuple) : GREY_SLOT_TUPLE;
    if (w->req->autowhite_sec <= 0) {
        if (w->set->slots[name].present)
            drop_slot(w, &w->set->slots[name]);
        return;
    }
    serve_slot(w, name);
    w->answer->expires.sec = w->req->now.sec + w->req->autowhite_sec;
    if (w->req->pairs)
        serve_slot(w, w->req->tuple.client_domain.ptr ? GREY_SLOT_PAIR_ADDR : GREY_SLOT_PAIR);
    if (w->req->lazy)
        serve_slot(w, GREY_SLOT_LAZY);
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
    struct grey_slot *pair = find_pair(w), *lazy = find_lazy(w);
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

static void clear_left(struct work *w, struct grey_slot *s)
{
    if (!s || s->record.left_sec < 0)
        return;
    s->record.left_sec = -1;
    s->record.left_until.sec = 0;
    touch(w, s);
}

/* A served hold clears what an earlier one has left behind. */
static void clear_left_of_client(struct work *w)
{
    struct grey_slot *c = live(w, GREY_SLOT_CLIENT);
    if (c && c->record.left_sec >= 0 && c->record.auto_since.sec <= 0 && c->record.patient_until.sec <= 0)
        drop_slot(w, c); /* there is nothing else in it */
    else
        clear_left(w, c);
}

/* One record says it of all that the client has served by now: it lives at least as long as that does. */
static void confirm(struct work *w)
{
    int64_t patience = max64(patience_life(w), 0), life = max64(patience, w->req->autowhite_sec);
    w->answer->verdict = GREY_ACCEPT;
    if (life <= 0)
        return; /* nobody is to be remembered */
    struct grey_record *r = open_record(w, GREY_SLOT_CLIENT);
    r->auto_since = w->req->now;
    if (patience > 0)
        r->patient_until.sec = max64(r->patient_until.sec, w->req->now.sec + patience);
    r->expires.sec = max64(r->expires.sec, w->req->now.sec + life);
    r->left_sec = -1;
    r->left_until.sec = 0;
    w->set->durable = true;
}

/* `greylist … tarpit`: a served hold frees of holds, not of the delay. */
static void note_served_before(struct work *w)
{
    if (w->req->waited_sec <= 0)
        return;
    clear_left_of_client(w);
    clear_left(w, w->tuple);
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
    if (by_hold && !is_patient(w))
        serve(w);
    else
        let_in(w, (struct grant){by_hold, w->req->now.sec});
}

static void pass(struct work *w)
{
    /* What was over its delay already needed no hold. What patience earned can be renewed as far as the patience itself. */
    struct grant g = {w->answer->state != GREY_DUE, w->req->now.sec};
    if (is_patient(w))
        g.since = min64(g.since, w->set->slots[GREY_SLOT_CLIENT].record.auto_since.sec +
                                     GREY_HOLD_RENEWALS * (patience_life(w) - w->req->autowhite_sec));
    w->answer->verdict = GREY_ACCEPT;
    w->answer->remaining_sec = 0;
    if (w->req->pass == GREY_PASS_PATIENT || w->req->pass == GREY_PASS_RELEASED || is_patient(w) ||
        w->answer->state == GREY_DUE)
        let_in(w, g);
    else
        serve(w);
    if (w->req->pass == GREY_PASS_SERVED)
        clear_left_of_client(w);
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

static void prove(struct work *w)
{
    char text[GREY_PROOF_TEXT_MAX];
    size_t len = 0;
    struct slice known = is_live(w, GREY_SLOT_PROOF) ? slice_of(w->set->proof, w->set->proof_len) : SLICE_NONE;
    enum grey_proof how = grey_proof_note(known, &w->req->tuple.addr, w->req->now, w->set->keep_expired, text, &len);
    w->answer->verdict = how == GREY_PROOF_SPENT ? GREY_DEFER : GREY_ACCEPT;
    if (how == GREY_PROOF_SPENT || how == GREY_PROOF_KNOWN)
        return;
    struct grey_record *r = open_record(w, GREY_SLOT_PROOF);
    memcpy(w->set->proof, text, len);
    w->set->proof_len = len;
    r->recipient = slice_of(w->set->proof, len);
    r->addr = w->req->tuple.addr;
    r->expires.sec = w->req->now.sec + GREY_PROOF_LIFE_SEC;
    w->set->durable |= how == GREY_PROOF_ADDED;
}

void grey_apply(const struct grey_request *req, struct grey_set *set, struct grey_answer *answer)
{
    *answer = (struct grey_answer){.left_sec = -1};
    struct work w = {.req = req, .set = set, .answer = answer};
    if (req->kind == GREY_PROVE) {
        prove(&w);
        return;
    }
    settle(&w);
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
    case GREY_CONFIRM:
        confirm(&w);
        break;
    case GREY_RENEW:
        renew_used(&w);
        break;
    case GREY_PROVE:
        break;
    }
}
