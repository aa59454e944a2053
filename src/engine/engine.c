/*
 * engine.c - the events' way to their owners, and the table of one kind of them: sessions. What a session does with an event is
 * session/'s.
 *
 * A session lives in the slot that its name carries; an event whose serial is not the slot's is for a session that is no more,
 * and dropped.
 */
#include "engine/engine.h"
#include "engine/report.h"
#include "base/mem.h"
#include "filter/capability_probe.h"
#include "filter/greylist.h"
#include "filter/milter.h"
#include "policy/allow.h"
#include "session/session.h"

#include <stdlib.h>
#include <string.h>

struct engine {
    struct shared shared;
    struct registry registry;
    struct owner_table {
        const struct owner_ops *ops; /* NULL: no such kind */
        void *ctx;
    } kinds[OWNER_KINDS_MAX];
    struct timer pause_timer;
    struct session **slots;
    size_t n_slots;
    bool told_stopped;
    bool cutting; /* nobody is held any more */
};

void engine_free(struct engine *e)
{
    if (!e)
        return;
    struct effects nobody; /* what sessions want done on their way out */
    effects_init(&nobody);
    e->shared.out = e->registry.out = e->shared.clients.out = &nobody;
    capability_probes_stop(&e->registry);
    for (size_t i = 0; i < e->n_slots; i++)
        session_free(e->slots[i]);
    free(e->slots);
    effects_fini(&nobody);
    registry_fini(&e->registry);
    shared_fini(&e->shared);
    free(e);
}

static struct session *find(const struct engine *e, owner_id id)
{
    uint32_t slot = owner_slot(id);
    struct session *s = slot < e->n_slots ? e->slots[slot] : NULL;
    return s && session_name(s) == id ? s : NULL;
}

/* After each of its steps. A session that is over leaves its slot at once: its EFFECT_CLOSE stands in the queue, nothing more is said to it. */
static void reap(struct engine *e, struct session *s)
{
    if (e->cutting)
        session_cut(s);
    if (!session_is_over(s))
        return;
    e->slots[owner_slot(session_name(s))] = NULL;
    session_free(s);
}

static void open_session(struct engine *e, owner_id id)
{
    uint32_t slot = owner_slot(id);
    size_t old = e->n_slots;
    e->slots = mem_grow(e->slots, &e->n_slots, (size_t)slot + 1, sizeof(struct session *));
    if (e->n_slots > old)
        memset(e->slots + old, 0, (e->n_slots - old) * sizeof(struct session *));
    if (e->slots[slot])
        PANIC("a session is opened in a slot that is in use");
    if (e->shared.stopping) {
        effects_add(e->shared.out, EFFECT_CLOSE, id);
        return;
    }
    e->slots[slot] = session_new(&e->shared, id);
}

/* ---- owners ---- */

static const struct owner_ops *ops_of(const struct engine *e, owner_id id, void **ctx)
{
    uint32_t kind = owner_kind(id);
    if (kind >= OWNER_KINDS_MAX || !e->kinds[kind].ops)
        return NULL;
    *ctx = e->kinds[kind].ctx;
    return e->kinds[kind].ops;
}

static void run_owner(struct engine *e, owner_id id)
{
    void *ctx = NULL;
    const struct owner_ops *ops = ops_of(e, id, &ctx);
    e->shared.effort.step_left = REGEX_STEP_EFFORT; /* each its own: no one's data judges another's */
    if (ops)
        ops->run(ctx, &e->shared.clients, id);
}

/* Those whom what has just happened to others concerns: each gets its turn in the same step, on its own. */
static void run_awake(struct engine *e)
{
    struct client *c;
    while ((c = clients_next_awake(&e->shared.clients)) != NULL)
        run_owner(e, c->owner);
}

static void to_owner(struct engine *e, const struct event *event)
{
    void *ctx = NULL;
    const struct owner_ops *ops = ops_of(e, event->owner, &ctx);
    if (event->kind == EVENT_STORE)
        shared_note_store(&e->shared, event->u.answer);
    if (event->owner != OWNER_NOBODY && ops)
        ops->event(ctx, &e->shared.clients, event);
    else if (event->kind == EVENT_DNS)
        capability_probe_resolved(&e->registry, event);
}

void engine_add_kind(struct engine *e, uint32_t kind, const struct owner_ops *ops, void *ctx)
{
    if (kind >= OWNER_KINDS_MAX || e->kinds[kind].ops)
        PANIC("a kind of owner is added twice, or beyond the table");
    e->kinds[kind] = (struct owner_table){ops, ctx};
}

void engine_add_filter_kind(struct engine *e, const struct filter_kind *kind)
{
    registry_add_kind(&e->registry, kind);
}

/* ---- pause ---- */

static void pause_over(struct shared *sh)
{
    sh->paused_until.sec = 0;
    effects_log(sh->out, OWNER_NOBODY, LOG_LEVEL_NOTICE, "pause: over; clients are held and deferred again");
}

static void pause_all(struct engine *e, struct wall until)
{
    struct shared *sh = &e->shared;
    int64_t left_sec = until.sec - sh->now.wall.sec;
    timer_stop(&sh->clients.wheel, &e->pause_timer);
    if (left_sec <= 0) {
        if (sh->paused_until.sec != 0)
            pause_over(sh);
        return;
    }
    sh->paused_until = until;
    timer_arm(&sh->clients.wheel, &e->pause_timer, (struct mono){sh->now.mono.ms + left_sec * 1000});
    effects_log(sh->out, OWNER_NOBODY, LOG_LEVEL_NOTICE,
                "pause: for %lld s nobody is held or deferred; %u clients are let go on", (long long)left_sec,
                hold_count(sh->clients.holds));
    clients_release_all(&sh->clients);
}

/* The wall clock may have been set meanwhile: it is what counts. */
static void check_pause(struct engine *e)
{
    struct shared *sh = &e->shared;
    int64_t left_sec = sh->paused_until.sec - sh->now.wall.sec;
    if (left_sec > 0)
        timer_arm(&sh->clients.wheel, &e->pause_timer, (struct mono){sh->now.mono.ms + left_sec * 1000});
    else
        pause_over(sh);
}

/* ---- trace ---- */

static void take_trace(struct shared *sh, const struct event *event)
{
    const struct ip *network = &event->u.trace.network;
    unsigned bits = event->u.trace.bits;
    char address[IP_TEXT_MAX];
    traces_trim(&sh->traces, sh->now.mono);
    if (event->u.trace.sec == 0) {
        unsigned n = traces_remove(&sh->traces, network, bits);
        effects_log(sh->out, OWNER_NOBODY, LOG_LEVEL_NOTICE, "trace: %u entries removed", n);
        return;
    }
    struct trace_client client = {
        .network = *network, .bits = (uint8_t)bits, .until.ms = sh->now.mono.ms + event->u.trace.sec * 1000};
    if (traces_add(&sh->traces, &client))
        effects_log(sh->out, OWNER_NOBODY, LOG_LEVEL_NOTICE, "trace: new connections of %s/%u, for %lld s",
                    ip_format(network, address), bits, (long long)event->u.trace.sec);
}

/* ---- time ---- */

static void tick(struct engine *e)
{
    struct timer *t;
    while ((t = timer_wheel_next(&e->shared.clients.wheel, e->shared.now.mono)) != NULL) {
        if (t == &e->registry.probe_timer)
            capability_probes_check(&e->registry);
        else if (t == &e->pause_timer)
            check_pause(e);
        else
            run_owner(e, CONTAINER_OF(t, struct client, timer)->owner);
    }
}

/* Each kind ends its own. */
static void to_all(struct engine *e, const struct event *event)
{
    for (size_t i = 0; i < OWNER_KINDS_MAX; i++)
        if (e->kinds[i].ops)
            e->kinds[i].ops->event(e->kinds[i].ctx, &e->shared.clients, event);
}

static void take_plan(struct engine *e, struct plan *plan)
{
    plan_unref(e->shared.plan);
    e->shared.plan = plan;
    e->shared.requirements.plan = NULL; /* one of before may have been at the same address */
}

static struct client *client_of(struct engine *e, owner_id id)
{
    void *ctx = NULL;
    const struct owner_ops *ops = id != OWNER_NOBODY ? ops_of(e, id, &ctx) : NULL;
    return ops && ops->client ? ops->client(ctx, id) : NULL;
}

/* Its owner hears of it in its own turn, in this step. */
static void end_hold(struct engine *e, const struct event *event)
{
    struct client *c = client_of(e, event->owner);
    if (c && event->kind == EVENT_RELEASE)
        client_release(&e->shared.clients, c);
    else if (c)
        client_drop(&e->shared.clients, c);
}

/* ---- sessions, as owners ---- */

static void stop_sessions(struct engine *e)
{
    for (size_t i = 0; i < e->n_slots; i++) {
        struct session *s = e->slots[i];
        if (!s)
            continue;
        session_stop(s);
        reap(e, s);
    }
}

static void cut_sessions(struct engine *e)
{
    e->cutting = true;
    for (size_t i = 0; i < e->n_slots; i++)
        if (e->slots[i])
            reap(e, e->slots[i]);
}

static void session_event(void *ctx, struct clients *all, const struct event *event)
{
    (void)all;
    struct engine *e = ctx;
    struct session *s = event->owner != OWNER_NOBODY ? find(e, event->owner) : NULL;
    if (event->kind == EVENT_OPEN)
        open_session(e, event->owner);
    else if (event->kind == EVENT_STOP)
        stop_sessions(e);
    else if (event->kind == EVENT_CUT)
        cut_sessions(e);
    if (!s)
        return;
    switch (event->kind) {
    case EVENT_BYTES:
        session_bytes(s, event->u.bytes);
        break;
    case EVENT_EOF:
        session_eof(s);
        break;
    case EVENT_STORE:
        session_store_answered(s, event);
        break;
    case EVENT_LOOK:
        session_looked(s, event);
        break;
    case EVENT_DNS:
        session_dns_answered(s, event);
        break;
    case EVENT_SPOOL:
        session_spooled(s, event);
        break;
    case EVENT_DRAINED:
        session_drained(s, event->request);
        break;
    default:
        break;
    }
    reap(e, s);
}

static void session_turn(void *ctx, struct clients *all, owner_id id)
{
    (void)all;
    struct engine *e = ctx;
    struct session *s = find(e, id);
    if (!s)
        return;
    session_run(s);
    reap(e, s);
}

static struct client *client_of_session(void *ctx, owner_id id)
{
    struct session *s = find(ctx, id);
    return s ? session_client(s) : NULL;
}

static bool next_held_session(void *ctx, const struct clients *all, owner_id after, struct held_client *out)
{
    struct engine *e = ctx;
    size_t i = after == OWNER_NOBODY ? 0 : (size_t)owner_slot(after) + 1;
    while (i < e->n_slots && !(e->slots[i] && client_is_held(session_client(e->slots[i]))))
        i++;
    if (i >= e->n_slots)
        return false;
    client_describe(all, session_client(e->slots[i]), out);
    session_describe_hold(e->slots[i], out);
    return true;
}

static const struct owner_ops session_ops = {
    .event = session_event,
    .run = session_turn,
    .client = client_of_session,
    .next_held = next_held_session,
};

/* News of a connection that was given up are of no interest any more. */
static void to_child(struct engine *e, const struct event *event)
{
    const struct registry_slot *c = registry_connection_find(&e->registry, event->u.child.id);
    if (!c)
        return;
    if (c->probe) {
        capability_probe_news(&e->registry, c->probe, event);
        return;
    }
    struct session *s = find(e, c->session);
    if (!s)
        return;
    session_child_event(s, c->filter, event);
    reap(e, s);
}

struct engine *engine_new(struct plan *plan, struct siphash_key key, struct instant now)
{
    struct engine *e = mem_zalloc(sizeof(*e));
    shared_init(&e->shared, plan, key, now);
    registry_init(&e->registry, &e->shared.clients.wheel);
    e->shared.registry = &e->registry;
    timer_init(&e->pause_timer);
    engine_add_kind(e, OWNER_SESSION, &session_ops, e);
    engine_add_filter_kind(e, &greylist_kind);
    engine_add_filter_kind(e, &milter_kind);
    return e;
}

void engine_step(struct engine *e, const struct event *event, struct effects *out)
{
    struct shared *sh = &e->shared;
    sh->now = e->registry.now = sh->clients.now = event->now;
    sh->out = e->registry.out = sh->clients.out = out;
    sh->effort = (struct regex_effort){.step_left = REGEX_STEP_EFFORT};
    switch (event->kind) {
    case EVENT_OPEN:
    case EVENT_BYTES:
    case EVENT_EOF:
    case EVENT_STORE:
    case EVENT_LOOK:
    case EVENT_DNS:
    case EVENT_SPOOL:
    case EVENT_DRAINED:
        to_owner(e, event);
        break;
    case EVENT_CHILD:
        to_child(e, event);
        break;
    case EVENT_TICK:
        tick(e);
        break;
    case EVENT_PLAN:
        take_plan(e, event->u.plan);
        break;
    case EVENT_ALLOWS:
        allows_unref(sh->allows);
        sh->allows = event->u.allows;
        break;
    case EVENT_LIMITS:
        sh->mta_sessions = event->u.limits.mta_sessions;
        if (event->u.limits.memory_bytes)
            sh->keeps.max_bytes = sh->headers.max_bytes = event->u.limits.memory_bytes;
        break;
    case EVENT_PROBE:
        if (!sh->stopping)
            capability_probes_begin(sh->registry, sh->plan);
        break;
    case EVENT_RELEASE:
    case EVENT_DROP:
        end_hold(e, event);
        break;
    case EVENT_PAUSE:
        pause_all(e, event->u.paused_until);
        break;
    case EVENT_TRACE:
        take_trace(sh, event);
        break;
    case EVENT_REPORT:
        report_put(sh);
        break;
    case EVENT_CUT:
        to_all(e, event);
        break;
    case EVENT_STOP:
        sh->stopping = true;
        timer_stop(&sh->clients.wheel, &e->pause_timer);
        capability_probes_stop(sh->registry);
        to_all(e, event);
        break;
    case EVENT_TURN:
    case EVENT_MAX_:
        break;
    }
    run_awake(e);
    if (sh->stopping && sh->stats.open == 0 && !e->told_stopped) {
        e->told_stopped = true;
        effects_add(out, EFFECT_STOPPED, 0);
    }
    sh->out = sh->clients.out = NULL;
}

bool engine_wants_ticks(const struct engine *e)
{
    return e->shared.clients.wheel.count > 0;
}

bool engine_next_held(const struct engine *e, owner_id after, struct held_client *out)
{
    for (uint32_t kind = after == OWNER_NOBODY ? 0 : owner_kind(after); kind < OWNER_KINDS_MAX; kind++) {
        const struct owner_ops *ops = e->kinds[kind].ops;
        if (ops && ops->next_held && ops->next_held(e->kinds[kind].ctx, &e->shared.clients, after, out))
            return true;
        after = OWNER_NOBODY;
    }
    return false;
}

bool engine_find_held(const struct engine *e, owner_id id, struct held_client *out)
{
    uint32_t slot = owner_slot(id);
    owner_id before = slot > 0 ? owner_make((enum owner_kind)owner_kind(id), slot - 1, owner_serial(id)) : OWNER_NOBODY;
    const struct owner_ops *ops = owner_kind(id) < OWNER_KINDS_MAX ? e->kinds[owner_kind(id)].ops : NULL;
    return ops && ops->next_held && ops->next_held(e->kinds[owner_kind(id)].ctx, &e->shared.clients, before, out) &&
           out->owner == id;
}

struct wall engine_paused_until(const struct engine *e)
{
    return shared_is_paused(&e->shared) ? e->shared.paused_until : (struct wall){0};
}

const struct traces *engine_traces(struct engine *e, struct mono now)
{
    traces_trim(&e->shared.traces, now);
    return &e->shared.traces;
}

uint64_t engine_memory_bytes(const struct engine *e)
{
    enum { SESSION_BYTES = 2048 }; /* as docs/performance.md has it measured */
    const struct shared *sh = &e->shared;
    return (uint64_t)sh->stats.open * SESSION_BYTES + sh->keeps.used_bytes + sh->headers.used_bytes + sh->bodies.used_bytes;
}

struct engine_stats engine_stats(const struct engine *e)
{
    struct engine_stats stats = e->shared.stats;
    stats.held = hold_count(e->shared.clients.holds);
    return stats;
}

void engine_overview(struct engine *e, struct instant now, struct engine_overview *out)
{
    report_overview(&e->shared, now, out);
}

bool engine_filter(struct engine *e, size_t i, struct instant now, struct engine_filter *out)
{
    return report_filter(&e->shared, i, now, out);
}
