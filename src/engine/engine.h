/*
 * engine.h - all sessions and what they share: holds, stress, the memory of failed look-ups, the timer wheel, the present plan.
 * A state machine without I/O: events in, effects out. Runs on one thread; any number of engines may exist.
 */
#ifndef TARSIER_ENGINE_ENGINE_H
#define TARSIER_ENGINE_ENGINE_H

#include "plan/plan.h"
#include "port/effect.h"

struct engine;

/* Owner: takes over the caller's reference on plan. Free with engine_free. */
struct engine *engine_new(struct plan *plan, struct instant now);
void engine_free(struct engine *e);

/*
 * One event. Effects are appended to out, to be carried out in order after the return; nothing in the event is kept.
 * EVENT_OPEN's session name must not be in use.
 */
void engine_step(struct engine *e, const struct event *event, struct effects *out);

/* Whether EVENT_TICK is needed for now (some timer runs). May be asked after each step. */
bool engine_wants_ticks(const struct engine *e);

struct engine_stats {
    uint64_t sessions;   /* all since start */
    uint32_t open, held; /* now */
    uint64_t held_all, served, left, cut, siblings;
    uint64_t unwatchable, bound_max, bound_client, stressed; /* tarpit lines that did not hold, and why */
    uint64_t accepted, deferred, rejected;                   /* recipients */
    uint64_t store_failures;
};
struct engine_stats engine_stats(const struct engine *e);

#endif
