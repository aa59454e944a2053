/* world.c - clocks, the engine's events and effects, the invariants that hold in every run, and the crash. */
#include "doorman.h"
#include "nobody.h"
#include "world.h"

#include "base/mem.h"
#include "base/timer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WALL_START = 1795485418, /* Tue, 24 Nov 2026 01:56:58 UTC */
    TRANSCRIPT_MAX_BYTES = 200000,
    SETTLE_MAX_STEPS = 200000
};

/* ---- plans ---- */

struct plan_cache {
    struct cached {
        char *text;
        struct plan *plan;
    } * items;
    size_t n, cap;
};

struct plan_cache *plan_cache_new(void)
{
    return mem_zalloc(sizeof(struct plan_cache));
}

void plan_cache_free(struct plan_cache *cache)
{
    for (size_t i = 0; i < cache->n; i++) {
        free(cache->items[i].text);
        plan_unref(cache->items[i].plan);
    }
    free(cache->items);
    free(cache);
}

static struct plan *build(struct world *w, const char *text)
{
    struct slice conf = slice_cstr(text);
    struct conf_source source = conf_source_text(&conf);
    struct diags diags;
    diags_init(&diags);
    struct plan *plan = plan_build(&source, "scenario.conf", "mx.example.net", &diags);
    if (!plan) {
        struct buf b = {0};
        diags_print(&diags, &b);
        world_fail(w, "the configuration has errors:\n%s", buf_cstr(&b));
        buf_fini(&b);
    }
    diags_fini(&diags);
    return plan;
}

struct plan *world_plan(struct world *w, const char *text)
{
    struct plan_cache *cache = w->plans;
    struct plan *plan = NULL;
    for (size_t i = 0; i < cache->n && !plan; i++)
        if (strcmp(cache->items[i].text, text) == 0)
            plan = cache->items[i].plan;
    if (!plan) {
        plan = build(w, text);
        if (!plan)
            return NULL;
        cache->items = mem_grow(cache->items, &cache->cap, cache->n + 1, sizeof(*cache->items));
        cache->items[cache->n++] = (struct cached){mem_strdup(text), plan};
    }
    for (size_t i = 0; i < plan->conf->n_filters; i++) {
        const struct conf_filter_settings *set = &plan->conf->filters[i].set;
        int64_t longest = set->timeout_eom_sec > set->progress_max_sec ? set->timeout_eom_sec : set->progress_max_sec;
        if (!plan->conf->filters[i].connect)
            continue;
        w->may_refuse = true;
        w->longest_child_sec += longest;
    }
    for (size_t i = 0; i < plan->conf->n_acls; i++) {
        const struct conf_acl *acl = &plan->conf->acls[i];
        w->may_refuse |= acl->action == CONF_BLACKLIST;
        for (size_t k = 0; k < acl->n_clauses; k++) {
            const struct conf_term *term = &acl->clauses[k].term;
            if (term->kind == CONF_TERM_TARPIT && term->number > w->longest_tarpit_sec)
                w->longest_tarpit_sec = term->number;
        }
    }
    return plan_ref(plan);
}

/* ---- telling ---- */

struct instant world_now(const struct world *w)
{
    return (struct instant){{w->now_ms}, {w->wall_start_sec + w->wall_jump_sec + w->now_ms / 1000}};
}

unsigned world_random(struct world *w, unsigned below)
{
    uint64_t z = (w->random += 0x9e3779b97f4a7c15U); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (unsigned)((z ^ (z >> 31)) >> 33) % below;
}

int64_t world_duration_ms(struct world *w, const char *text)
{
    char *unit;
    long n = strtol(text, &unit, 10);
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (unit != text && strcmp(unit, units[i].name) == 0)
            return n * units[i].ms;
    world_fail(w, "no duration: %s", text);
    return 0;
}

void world_tell(struct world *w, const char *fmt, ...)
{
    if (w->transcript.len > TRANSCRIPT_MAX_BYTES)
        return;
    buf_printf(&w->transcript, "  %8" PRId64 ".%03d  ", w->now_ms / 1000, (int)(w->now_ms % 1000));
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&w->transcript, fmt, ap);
    va_end(ap);
    buf_put_byte(&w->transcript, '\n');
}

void world_fail(struct world *w, const char *fmt, ...)
{
    if (w->failed)
        return;
    w->failed = true;
    struct buf what = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&what, fmt, ap);
    va_end(ap);
    world_tell(w, "*** FAILED");
    printf("%s:%u: scenario \"%s\":\n  %s\n", w->script->path, w->line, w->scenario->title, buf_cstr(&what));
    if (w->crash_at)
        printf("  in the run that crashes after effect %" PRIu64 "\n", w->crash_at);
    printf("  transcript:\n%s", buf_cstr(&w->transcript));
    buf_fini(&what);
}

/* ---- connections ---- */

struct conn *world_conn(struct world *w, const char *name)
{
    for (size_t i = w->n_conns; i-- > 0;)
        if (strcmp(w->conns[i]->name, name) == 0)
            return w->conns[i];
    return NULL;
}

struct conn *world_conn_of(struct world *w, owner_id id)
{
    uint32_t slot = owner_slot(id);
    struct conn *c = slot < w->n_slots ? w->slots[slot] : NULL;
    return c && c->id == id ? c : NULL;
}

static uint32_t free_slot(struct world *w)
{
    uint32_t slot = 0;
    while (slot < w->n_slots && w->slots[slot])
        slot++;
    if (slot == w->n_slots) {
        w->n_slots++;
        w->slots = mem_realloc(w->slots, w->n_slots * sizeof(struct conn *));
        w->serials = mem_realloc(w->serials, w->n_slots * sizeof(*w->serials));
        w->slots[slot] = NULL;
        w->serials[slot] = 0;
    }
    return slot;
}

struct conn *world_open(struct world *w, const char *name)
{
    uint32_t slot = free_slot(w);
    struct conn *c = arena_zalloc(&w->arena, sizeof(*c));
    c->name = name;
    c->id = owner_make(OWNER_SESSION, slot, ++w->serials[slot]);
    c->open = true;
    c->cookie = 1000 + w->n_conns;
    w->slots[slot] = c;
    w->conns = mem_grow(w->conns, &w->cap_conns, w->n_conns + 1, sizeof(struct conn *));
    w->conns[w->n_conns++] = c;
    world_step(w, &(struct event){.kind = EVENT_OPEN, .owner = c->id});
    return c;
}

void world_closed(struct world *w, struct conn *c)
{
    c->open = false;
    uint32_t slot = owner_slot(c->id);
    if (w->slots[slot] == c)
        w->slots[slot] = NULL;
}

/* ---- effects ---- */

/* text: in the world's arena */
static void add_log(struct world *w, char *text, int level)
{
    w->logs = mem_grow(w->logs, &w->cap_logs, w->n_logs + 1, sizeof(*w->logs));
    w->logs_used = mem_grow(w->logs_used, &w->cap_logs_used, w->n_logs + 1, sizeof(*w->logs_used));
    w->log_levels = mem_grow(w->log_levels, &w->cap_log_levels, w->n_logs + 1, sizeof(*w->log_levels));
    w->logs[w->n_logs] = text;
    w->log_levels[w->n_logs] = level;
    w->logs_used[w->n_logs++] = false;
}

static void on_log(struct world *w, const struct effect *e)
{
    struct slice text = e->u.bytes;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\n' || text.ptr[i] == '\r' || text.ptr[i] == '\0')
            world_fail(w, "a log line with a control byte: %.*s", SLICE_ARG(text));
    world_tell(w, "LOG %d %.*s", (int)e->level, SLICE_ARG(text));
    add_log(w, arena_cstr(&w->arena, text), (int)e->level);
}

/* In the same list; a level of its own tells them apart. Blanks for tabs, a dash for an empty field, and no time. */
static void on_journal(struct world *w, const struct effect *e)
{
    struct buf row = {0}, shown = {0};
    journal_put_row(&row, e->u.journal);
    struct slice text = slice_upto(buf_slice(&row), row.len - 1);
    if (slice_find(text, '\n') < text.len)
        world_fail(w, "a row of the journal that is more than one: %.*s", SLICE_ARG(text));
    (void)slice_cut(&text, '\t');
    while (text.ptr) {
        struct slice field = slice_cut(&text, '\t');
        buf_put_slice(&shown, field.len ? field : SLICE_LIT("-"));
        buf_put_cstr(&shown, text.ptr ? " " : "");
    }
    world_tell(w, "JOURNAL %s", buf_cstr(&shown));
    add_log(w, arena_cstr(&w->arena, buf_slice(&shown)), WORLD_JOURNAL);
    buf_fini(&row);
    buf_fini(&shown);
}

static bool is_of_child(const struct effect *e)
{
    return e->kind >= EFFECT_CHILD_OPEN && e->kind <= EFFECT_CHILD_CLOSE;
}

static bool is_of_services(const struct effect *e)
{
    return e->kind >= EFFECT_DRAIN && e->kind <= EFFECT_SPOOL_CLOSE;
}

static void run_effect(struct world *w, const struct effect *e)
{
    if (e->kind == EFFECT_LOG) {
        on_log(w, e);
        return;
    }
    if (e->kind == EFFECT_JOURNAL) {
        on_journal(w, e);
        return;
    }
    if (e->kind == EFFECT_STOPPED) {
        w->stopped = true;
        if (!w->stopping)
            world_fail(w, "EFFECT_STOPPED without a stop");
        return;
    }
    if (is_of_child(e)) {
        child_effect(w, e);
        return;
    }
    if (is_of_services(e)) {
        services_effect(w, e);
        return;
    }
    struct conn *c = world_conn_of(w, e->owner);
    if (!c) {
        world_fail(w, "an effect (kind %d) for a session that is no more", (int)e->kind);
        return;
    }
    switch (e->kind) {
    case EFFECT_SEND:
        c->unread_bytes += e->u.bytes.len;
        if (c->unread_bytes > SEND_QUEUE_MAX_BYTES)
            world_fail(w, "more is sent to the MTA than its queue takes, with no DRAIN in between");
        mta_receive(w, c, e->u.bytes);
        break;
    case EFFECT_CLOSE:
        world_tell(w, "%s closed by the engine", c->name);
        c->closed = true;
        world_closed(w, c);
        break;
    case EFFECT_STORE:
        outside_store(w, e, c);
        break;
    case EFFECT_LOOK:
        outside_look(w, e, c);
        break;
    default:
        world_fail(w, "an effect of no kind");
        break;
    }
}

/*
 * Whether a crash behind this effect differs from one behind the effect before it: a line in the log, a look, a progress, and
 * what passes between the engine and children change nothing that outlives the process.
 */
static bool leaves_a_trace(const struct effect *e)
{
    if (e->kind == EFFECT_LOG || e->kind == EFFECT_JOURNAL || e->kind == EFFECT_LOOK || is_of_child(e) || is_of_services(e))
        return false;
    return e->kind != EFFECT_SEND || e->u.bytes.len != 5 || e->u.bytes.ptr[4] != SMFIR_PROGRESS;
}

/* Nothing of a session's stays behind it. */
static void check_left(struct world *w, owner_id session)
{
    children_check_closed(w, session);
    if (services_open_files(&w->services, session))
        world_fail(w, "a spool file is left when its session is over");
}

void world_step(struct world *w, struct event *event)
{
    if (!w->engine) {
        if (event->kind == EVENT_PLAN)
            plan_unref(event->u.plan);
        return;
    }
    event->now = world_now(w);
    engine_step(w->engine, event, &w->effects);
    bool crash = false;
    for (size_t i = 0; i < w->effects.count && !crash; i++) {
        run_effect(w, &w->effects.items[i]);
        if (!leaves_a_trace(&w->effects.items[i]))
            continue;
        w->n_effects++;
        crash = w->crash_at && w->n_effects == w->crash_at;
    }
    for (size_t i = 0; i < w->effects.count && !crash; i++)
        if (w->effects.items[i].kind == EFFECT_CLOSE)
            check_left(w, w->effects.items[i].owner);
    effects_clear(&w->effects);
    if (crash) {
        world_crash(w);
        w->crashed = true;
    }
}

/* ---- life of the engine ---- */

void world_start(struct world *w, struct plan *plan)
{
    w->plan = plan;
    w->engine = engine_new(plan_ref(plan), (struct siphash_key){{7}}, world_now(w));
    engine_add_filter_kind(w->engine, &nobody_kind);
    engine_add_filter_kind(w->engine, &doorman_kind);
    w->tick_ms = w->now_ms + 1 + world_random(w, TIMER_TICK_MS);
    w->stopped = w->stopping = false;
    if (w->limits)
        world_limits(w, w->limits, 0);
}

void world_reload(struct world *w, struct plan *plan)
{
    plan_unref(w->plan);
    w->plan = plan;
    w->reloaded = true;
    world_step(w, &(struct event){.kind = EVENT_PLAN, .u.plan = plan_ref(plan)});
}

void world_limits(struct world *w, uint32_t mta_sessions, uint64_t memory_bytes)
{
    w->limits = mta_sessions;
    world_step(w, &(struct event){.kind = EVENT_LIMITS, .u.limits = {mta_sessions, memory_bytes}});
}

void world_cut(struct world *w)
{
    world_step(w, &(struct event){.kind = EVENT_CUT});
}

void world_stop(struct world *w)
{
    w->stopping = true;
    world_step(w, &(struct event){.kind = EVENT_STOP});
}

/* What was answered with a 451 must be known to whoever starts now (DESIGN, R2). */
static void check_answered(struct world *w)
{
    for (struct tuple_copy *t = w->answered; t; t = t->next) {
        struct wall now = world_now(w).wall;
        if (t->answered.sec == 0 || now.sec < t->answered.sec || now.sec > t->answered.sec + w->plan->set->timeout_sec)
            continue;
        struct grey_answer a = outside_known(w, &t->tuple, w->plan->set->greylist_sec);
        if (a.state == GREY_NEW)
            world_fail(w, "after the crash nothing is known of %.*s to %.*s, who was answered 451",
                       SLICE_ARG(t->tuple.sender), SLICE_ARG(t->tuple.recipient));
    }
}

void world_crash(struct world *w)
{
    world_tell(w, "--- crash and restart");
    w->before_crash = engine_stats(w->engine);
    engine_free(w->engine);
    w->engine = NULL;
    outside_forget(w);
    children_forget(w);
    services_forget(&w->services);
    for (size_t i = 0; i < w->n_conns; i++) {
        struct conn *c = w->conns[i];
        if (c->open)
            world_closed(w, c);
        c->n_queue = c->owed = 0;
        c->unseen = false;
    }
    check_answered(w);
    world_start(w, w->plan);
}

void world_init(struct world *w, const struct script *script, const struct script_scenario *scenario,
                struct plan_cache *plans, uint64_t seed)
{
    *w = (struct world){.script = script,
                        .scenario = scenario,
                        .line = scenario->number,
                        .plans = plans,
                        .random = seed,
                        .wall_start_sec = WALL_START - 1000,
                        .secret = {{{1}}, {{2}}}};
    /* a round second, so that a script can count on seconds; what the settling takes is far below one */
    w->now_ms = w->script_ms = 1000 * 1000;
    w->last_commit_ms = w->now_ms;
    w->committed = grey_memory_new(&w->secret);
    effects_init(&w->effects);
}

void world_fini(struct world *w)
{
    engine_free(w->engine);
    plan_unref(w->plan);
    outside_forget(w);
    children_fini(&w->children);
    services_fini(&w->services);
    for (struct message *m = w->messages; m; m = m->next)
        message_fini(m);
    free(w->deliveries);
    free(w->parked);
    free(w->parked_as);
    for (size_t i = 0; i < w->n_conns; i++) {
        buf_fini(&w->conns[i]->in);
        buf_fini(&w->conns[i]->headers);
        free(w->conns[i]->queue);
    }
    free(w->conns);
    free(w->slots);
    free(w->serials);
    free(w->logs);
    free(w->logs_used);
    free(w->log_levels);
    grey_memory_free(w->committed);
    effects_fini(&w->effects);
    buf_fini(&w->transcript);
    arena_fini(&w->arena);
}

/* ---- time ---- */

/* One of the connections that may send; NULL: none. */
static struct conn *ready_conn(struct world *w)
{
    unsigned n = 0;
    struct conn *found = NULL;
    for (size_t i = 0; i < w->n_conns; i++)
        if (mta_is_ready(w->conns[i]) && world_random(w, ++n) == 0)
            found = w->conns[i];
    return found;
}

static void advance(struct world *w, int64_t to_ms)
{
    if (to_ms > w->now_ms)
        w->now_ms = to_ms;
    mta_check_timeouts(w);
}

/* Ticks that are due by then. */
static void tick_until(struct world *w, int64_t until_ms)
{
    while (w->tick_ms <= until_ms && w->engine && engine_wants_ticks(w->engine)) {
        struct delivery *d = outside_next(w, w->tick_ms, true);
        if (d) {
            advance(w, d->due_ms);
            outside_deliver(w, d);
        } else {
            advance(w, w->tick_ms);
            w->tick_ms += TIMER_TICK_MS;
            world_step(w, &(struct event){.kind = EVENT_TICK});
        }
        for (struct conn *c; (c = ready_conn(w)) != NULL;)
            mta_send_next(w, c);
    }
    if (w->tick_ms <= until_ms) /* nobody wanted them */
        w->tick_ms += (until_ms - w->tick_ms) / TIMER_TICK_MS * TIMER_TICK_MS + TIMER_TICK_MS;
}

void world_settle(struct world *w)
{
    for (unsigned n = 0; !w->failed; n++) {
        if (n > SETTLE_MAX_STEPS) {
            world_fail(w, "it does not come to rest");
            return;
        }
        struct conn *c = ready_conn(w);
        if (c) {
            mta_send_next(w, c);
            continue;
        }
        struct delivery *d = outside_next(w, INT64_MAX, false);
        if (!d)
            return;
        tick_until(w, d->due_ms - 1);
        advance(w, d->due_ms);
        outside_deliver(w, d);
    }
}

void world_pass(struct world *w, int64_t ms)
{
    world_settle(w);
    w->script_ms += ms;
    while (!w->failed && w->now_ms < w->script_ms) {
        tick_until(w, w->script_ms);
        struct delivery *d = outside_next(w, w->script_ms, true);
        if (!d)
            break;
        advance(w, d->due_ms);
        outside_deliver(w, d);
        world_settle(w);
    }
    advance(w, w->script_ms);
    world_settle(w);
}
