/*
 * world.c - deliveries and retries in the order of time, each one a dialogue with the engine.
 *
 * A client that is deferred comes back as mail servers do: at one interval for a while, then ever more rarely, for five days.
 */
#include "replay/world.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { GIVE_UP_SEC = 5 * 86400, STEADY_RETRIES = 8, INTERVAL_MAX_SEC = 6 * 3600, FORGET_SEC = 86400 };

/* A message that its client still has. */
struct waiting {
    struct wall due, first;
    int64_t interval_sec;
    unsigned tries;
    bool counts;
    struct delivery delivery; /* its text stands behind the struct */
};

struct world {
    struct world_rules rules;
    struct dialogue_world played;
    struct grey_memory *memory;
    struct waiting **heap; /* the next one first */
    size_t n_waiting, heap_cap;
    struct wall forgotten;
    bool was_full;
    struct world_delays delays;
    struct arena arena; /* of one dialogue */
};

struct world *world_new(struct plan *plan, const struct world_rules *rules, struct wall now)
{
    struct world *w = mem_zalloc(sizeof(*w));
    w->rules = *rules;
    w->memory = grey_memory_new(&(struct grey_secret){.text = {{1}}, .tail = {{2}}});
    w->forgotten = now;
    dialogue_world_init(&w->played, plan, w->memory, now);
    if (rules->allows)
        dialogue_world_allow(&w->played, rules->allows);
    return w;
}

void world_free(struct world *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n_waiting; i++)
        free(w->heap[i]);
    free(w->heap);
    dialogue_world_fini(&w->played);
    grey_memory_free(w->memory);
    arena_fini(&w->arena);
    free(w);
}

/* ---- who waits to come back ---- */

static void swap(struct waiting **a, struct waiting **b)
{
    struct waiting *t = *a;
    *a = *b;
    *b = t;
}

static void heap_push(struct world *w, struct waiting *item)
{
    w->heap = mem_grow(w->heap, &w->heap_cap, w->n_waiting + 1, sizeof(struct waiting *));
    size_t i = w->n_waiting++;
    w->heap[i] = item;
    for (; i > 0 && w->heap[i]->due.sec < w->heap[(i - 1) / 2]->due.sec; i = (i - 1) / 2)
        swap(&w->heap[i], &w->heap[(i - 1) / 2]);
}

static struct waiting *heap_pop(struct world *w)
{
    struct waiting *first = w->heap[0];
    w->heap[0] = w->heap[--w->n_waiting];
    for (size_t i = 0;;) {
        size_t child = 2 * i + 1, least = i;
        for (size_t c = child; c < child + 2 && c < w->n_waiting; c++)
            if (w->heap[c]->due.sec < w->heap[least]->due.sec)
                least = c;
        if (least == i)
            return first;
        swap(&w->heap[i], &w->heap[least]);
        i = least;
    }
}

static struct slice copy_text(char **at, struct slice text)
{
    if (!text.ptr)
        return SLICE_NONE;
    memcpy(*at, text.ptr, text.len);
    struct slice copy = slice_of(*at, text.len);
    *at += text.len;
    return copy;
}

static struct waiting *keep(const struct delivery *d)
{
    size_t bytes = d->name.len + d->helo.len + d->sender.len;
    for (size_t i = 0; i < d->n_recipients; i++)
        bytes += d->recipients[i].len;
    struct waiting *item = mem_zalloc(sizeof(*item) + bytes);
    char *at = (char *)(item + 1);
    item->delivery = *d;
    item->delivery.name = copy_text(&at, d->name);
    item->delivery.helo = copy_text(&at, d->helo);
    item->delivery.sender = copy_text(&at, d->sender);
    for (size_t i = 0; i < d->n_recipients; i++)
        item->delivery.recipients[i] = copy_text(&at, d->recipients[i]);
    return item;
}

/* When it comes next; false: it gives up. */
static bool plan_retry(struct waiting *item)
{
    if (item->tries++ >= STEADY_RETRIES && item->interval_sec < INTERVAL_MAX_SEC)
        item->interval_sec *= 2;
    item->due.sec += item->interval_sec;
    return item->due.sec - item->first.sec <= GIVE_UP_SEC;
}

/* ---- one attempt ---- */

/* A name that may prove itself, where none is known: it is the client's own, so that no client uses up another's share. */
static struct slice unknown_helo(const struct ip *client, struct arena *arena)
{
    char address[IP_TEXT_MAX];
    ip_format(client, address);
    uint64_t hash = siphash64(&(struct siphash_key){{3}}, slice_cstr(address));
    return slice_cstr(arena_printf(arena, "mail.helo-not-known-%016llx.com", (unsigned long long)hash));
}

struct explain_facts world_facts(const struct delivery *d, const struct world_rules *rules, struct arena *arena)
{
    bool verified = d->resolve == RESOLVE_OK, spared = rules->spares && d->perhaps_temp;
    struct explain_facts f = {
        .client = d->client,
        .name = verified ? d->name : SLICE_NONE,
        .ptr = verified ? SLICE_NONE : d->name,
        .resolve = spared ? RESOLVE_TEMP : d->resolve,
        .helo = d->helo.len ? d->helo : unknown_helo(&d->client, arena),
        .sender = d->sender.ptr ? d->sender : SLICE_LIT(""),
        .recipient = d->n_recipients ? d->recipients[0] : SLICE_LIT("unknown"),
        .more_recipients = d->recipients + 1,
        .n_more = d->n_recipients > 1 ? d->n_recipients - 1 : 0,
        .proof = rules->confirms ? EXPLAIN_HELO_LEADS : EXPLAIN_NO_PROOF,
        .now = d->time,
    };
    return f;
}

static struct world_result attempt(struct world *w, const struct delivery *d, struct wall now)
{
    struct outcome o;
    struct explain_facts f = world_facts(d, &w->rules, &w->arena);
    f.now = now;
    dialogue_play_in(&w->played, &f, !w->rules.waits, &o);
    /* who hangs up hears nothing any more, and has not brought the mail */
    bool left = o.held && !w->rules.waits;
    struct world_result r = {!o.passed, o.held, o.deferred || left, o.rejected && !left};
    outcome_fini(&o);
    arena_clear(&w->arena);
    return r;
}

static void count_delay(struct world *w, const struct waiting *item, struct wall now, bool let_in)
{
    int64_t minutes = (now.sec - item->first.sec + 30) / 60;
    if (!item->counts)
        return;
    w->delays.let_in += let_in;
    w->delays.never += !let_in;
    if (let_in)
        w->delays.minutes[minutes < WORLD_DELAY_MAX_MIN ? minutes : WORLD_DELAY_MAX_MIN]++;
}

/* It comes back at item->due. Whether that was the last time. */
static bool come_back(struct world *w, struct waiting *item)
{
    struct world_result r = attempt(w, &item->delivery, item->due);
    if (!r.deferred || r.rejected) {
        count_delay(w, item, item->due, !r.rejected);
        return true;
    }
    if (plan_retry(item))
        return false;
    count_delay(w, item, item->due, false);
    return true;
}

static void run_until(struct world *w, struct wall now)
{
    while (w->n_waiting > 0 && w->heap[0]->due.sec <= now.sec) {
        struct waiting *item = heap_pop(w);
        if (come_back(w, item))
            free(item);
        else
            heap_push(w, item);
    }
}

/* What would end next goes first: at most so many days before its time. */
static void make_room(struct world *w, struct wall now)
{
    size_t wanted = w->rules.records_max / 4 * 3;
    w->was_full = true;
    for (int64_t ahead_sec = FORGET_SEC; grey_memory_count(w->memory) > wanted && ahead_sec < INT32_MAX; ahead_sec *= 2)
        grey_memory_forget(w->memory, (struct wall){now.sec + ahead_sec});
}

static void tidy(struct world *w, struct wall now)
{
    if (now.sec - w->forgotten.sec > FORGET_SEC) {
        grey_memory_forget(w->memory, now);
        w->forgotten = now;
    }
    if (grey_memory_count(w->memory) > w->rules.records_max)
        make_room(w, now);
}

struct world_result world_deliver(struct world *w, const struct delivery *d, bool counts)
{
    if (w->rules.names_all && d->is_unnamed)
        return (struct world_result){0};
    run_until(w, d->time);
    tidy(w, d->time);
    struct world_result r = attempt(w, d, d->time);
    if (!r.deferred || r.rejected)
        return r;
    struct waiting *item = keep(d);
    item->first = item->due = d->time;
    item->counts = counts;
    item->interval_sec = d->retry_sec > 0 ? d->retry_sec : w->rules.retry_sec;
    (void)plan_retry(item);
    if (!w->rules.is_let_in && w->n_waiting < w->rules.records_max) {
        heap_push(w, item);
        return r;
    }
    w->was_full |= !w->rules.is_let_in; /* it comes back all the same, only too early */
    while (!come_back(w, item)) {
    }
    free(item);
    return r;
}

void world_finish(struct world *w)
{
    run_until(w, (struct wall){INT64_MAX});
}

bool world_was_full(const struct world *w)
{
    return w->was_full;
}

const struct world_delays *world_delays(const struct world *w)
{
    return &w->delays;
}

unsigned world_delay_percentile(const struct world_delays *d, unsigned percent)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i <= WORLD_DELAY_MAX_MIN; i++) {
        seen += d->minutes[i];
        if (seen > 0 && seen * 100 >= d->let_in * percent)
            return i;
    }
    return 0;
}
