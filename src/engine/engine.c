/*
 * engine.c - the table of sessions and the events' way to them. What a session does with an event is session/'s.
 *
 * A session lives in the slot that its name carries; an event whose serial is not the slot's is for a session that is no more,
 * and dropped.
 */
#include "engine/engine.h"
#include "engine/report.h"
#include "base/mem.h"
#include "filter/capability_probe.h"
#include "session/session.h"

#include <stdlib.h>
#include <string.h>

struct engine {
    struct shared shared;
    struct session **slots;
    size_t n_slots;
    bool told_stopped;
    bool cutting; /* nobody is held any more */
};

struct engine *engine_new(struct plan *plan, struct siphash_key key, struct instant now)
{
    struct engine *e = mem_zalloc(sizeof(*e));
    shared_init(&e->shared, plan, key, now);
    return e;
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    struct effects nobody; /* what sessions want done on their way out */
    effects_init(&nobody);
    e->shared.out = e->shared.registry.out = &nobody;
    capability_probes_stop(&e->shared.registry);
    for (size_t i = 0; i < e->n_slots; i++)
        session_free(e->slots[i]);
    free(e->slots);
    effects_fini(&nobody);
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
static void reap(struct engine *e, owner_id id)
{
    struct session *s = find(e, id);
    if (s && e->cutting)
        session_cut(s);
    if (!s || !session_is_over(s))
        return;
    e->slots[owner_slot(id)] = NULL;
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

static void tick(struct engine *e)
{
    struct timer *t;
    while ((t = timer_wheel_next(&e->shared.wheel, e->shared.now.mono)) != NULL) {
        if (t == &e->shared.registry.probe_timer) {
            capability_probes_check(&e->shared.registry);
            continue;
        }
        struct session *s = session_of_timer(t);
        owner_id id = session_name(s);
        e->shared.effort.step_left = REGEX_STEP_EFFORT; /* each its own: no one's data judges another's */
        session_timer(s);
        reap(e, id);
    }
}

static void stop(struct engine *e)
{
    e->shared.stopping = true;
    capability_probes_stop(&e->shared.registry);
    for (size_t i = 0; i < e->n_slots; i++) {
        struct session *s = e->slots[i];
        if (!s)
            continue;
        session_stop(s);
        reap(e, session_name(s));
    }
}

static void cut(struct engine *e)
{
    e->cutting = true;
    for (size_t i = 0; i < e->n_slots; i++)
        if (e->slots[i])
            reap(e, session_name(e->slots[i]));
}

static void take_plan(struct engine *e, struct plan *plan)
{
    plan_unref(e->shared.plan);
    e->shared.plan = plan;
    e->shared.requirements.plan = NULL; /* one of before may have been at the same address */
}

static void to_session(struct engine *e, const struct event *event)
{
    struct session *s = find(e, event->owner);
    if (event->kind == EVENT_STORE)
        asking_note_answer(&e->shared, event->u.answer);
    if (event->kind == EVENT_DNS && event->owner == 0)
        capability_probe_resolved(&e->shared.registry, event);
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
        session_store_answered(s, event->request, event->u.answer);
        break;
    case EVENT_LOOK:
        session_looked(s, event->request, event->u.look.result, event->u.look.cookie);
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
    reap(e, event->owner);
}

/* News of a connection that was given up are of no interest any more. */
static void to_child(struct engine *e, const struct event *event)
{
    const struct registry_slot *c = registry_connection_find(&e->shared.registry, event->u.child.id);
    if (!c)
        return;
    if (c->probe) {
        capability_probe_news(&e->shared.registry, c->probe, event);
        return;
    }
    struct session *s = session_of_child(c->milter);
    owner_id id = session_name(s);
    session_child_news(s, c->milter, event);
    reap(e, id);
}

void engine_step(struct engine *e, const struct event *event, struct effects *out)
{
    struct shared *sh = &e->shared;
    sh->now = sh->registry.now = event->now;
    sh->out = sh->registry.out = out;
    sh->effort = (struct regex_effort){.step_left = REGEX_STEP_EFFORT};
    switch (event->kind) {
    case EVENT_OPEN:
        open_session(e, event->owner);
        break;
    case EVENT_BYTES:
    case EVENT_EOF:
    case EVENT_STORE:
    case EVENT_LOOK:
    case EVENT_DNS:
    case EVENT_SPOOL:
    case EVENT_DRAINED:
        to_session(e, event);
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
    case EVENT_LIMITS:
        sh->mta_sessions = event->u.limits.mta_sessions;
        if (event->u.limits.memory_bytes)
            sh->keeps.max_bytes = sh->headers.max_bytes = event->u.limits.memory_bytes;
        break;
    case EVENT_PROBE:
        if (!sh->stopping)
            capability_probes_begin(&sh->registry, sh->plan);
        break;
    case EVENT_REPORT:
        report_put(sh);
        break;
    case EVENT_CUT:
        cut(e);
        break;
    case EVENT_STOP:
        stop(e);
        break;
    case EVENT_MAX_:
        break;
    }
    if (sh->stopping && sh->stats.open == 0 && !e->told_stopped) {
        e->told_stopped = true;
        effects_add(out, EFFECT_STOPPED, 0);
    }
    sh->out = NULL;
}

bool engine_wants_ticks(const struct engine *e)
{
    return e->shared.wheel.count > 0;
}

uint64_t engine_memory_bytes(const struct engine *e)
{
    enum { SESSION_BYTES = 2048 }; /* as docs/performance.md has it measured */
    const struct shared *sh = &e->shared;
    return (uint64_t)sh->stats.open * SESSION_BYTES + sh->keeps.used_bytes + sh->headers.used_bytes + sh->bodies.used_bytes;
}

struct engine_stats engine_stats(const struct engine *e)
{
    return e->shared.stats;
}
