/*
 * engine.h - all sessions and what they share: holds, stress, the memory of failed look-ups, the timer wheel, the present plan.
 * A state machine without I/O: events in, effects out. Runs on one thread; any number of engines may exist.
 */
#ifndef TARSIER_ENGINE_ENGINE_H
#define TARSIER_ENGINE_ENGINE_H

#include "base/histogram.h"
#include "base/siphash.h"
#include "plan/plan.h"
#include "port/effect.h"
#include "dialogue/stats.h"
#include "dialogue/trace.h"

struct engine;
struct client; /* client/client.h */
struct clients;
struct held_client;
struct filter_kind; /* filter/filter.h */

/* key: a secret of this process for its hash tables. Owner: takes over the caller's reference on plan. Free with engine_free. */
struct engine *engine_new(struct plan *plan, struct siphash_key key, struct instant now);
void engine_free(struct engine *e);

/*
 * One event. Effects are appended to out, to be carried out in order after the return; nothing in the event is kept.
 * EVENT_OPEN's session name must not be in use.
 */
void engine_step(struct engine *e, const struct event *event, struct effects *out);

/*
 * What the engine does with the owners of one kind. `ctx` is the table that they are in, `all` what they share: holds, timers, the
 * present time, and where effects go. Both calls may end the owner; both are harmless where there is none of that name any more.
 * EVENT_OPEN says that there is a new one. EVENT_CUT and EVENT_STOP come without a name: they are for all owners of the kind.
 */
struct owner_ops {
    void (*event)(void *ctx, struct clients *all, const struct event *event); /* one with the owner's name */
    void (*run)(void *ctx, struct clients *all, owner_id id); /* its timer has fired, or its client has been woken */
    struct client *(*client)(void *ctx, owner_id id);         /* NULL: there is no such owner */
    /* The first held one in a slot above `after`'s (OWNER_NOBODY: of all); false: there is none. client_describe(), and more. */
    bool (*next_held)(void *ctx, const struct clients *all, owner_id after, struct held_client *out);
};

enum { OWNER_KINDS_MAX = 8 };

/* Let there be owners of a kind beside sessions. Owner: ops and ctx outlive the engine; EVENT_STOP ends all who are held. */
void engine_add_kind(struct engine *e, uint32_t kind, const struct owner_ops *ops, void *ctx);

/* One more kind of filter beside milters, before there are sessions. Owner: kind outlives the engine. */
void engine_add_filter_kind(struct engine *e, const struct filter_kind *kind);

/* Whether EVENT_TICK is needed for now (some timer runs). May be asked after each step. */
bool engine_wants_ticks(const struct engine *e);

/*
 * Who is held, for an administrator: one after another, by kind and slot. Begin with OWNER_NOBODY, go on with the owner of the one
 * before, also after steps between. A whole listing looks at each slot once, however many are held. EVENT_RELEASE and EVENT_DROP take
 * such a name. Owner: texts are valid until the next step.
 */
bool engine_next_held(const struct engine *e, owner_id after, struct held_client *out);
/* That very one; false: it is not held (any more). */
bool engine_find_held(const struct engine *e, owner_id id, struct held_client *out);
/* Until when nobody is held or deferred (EVENT_PAUSE); 0: there is no pause. */
struct wall engine_paused_until(const struct engine *e);

/* Whose dialogues are logged step by step now (EVENT_TRACE). Valid until the next step. */
const struct traces *engine_traces(struct engine *e, struct mono now);

/* About how much memory the sessions use now, with what they keep of messages. */
uint64_t engine_memory_bytes(const struct engine *e);

struct engine_stats engine_stats(const struct engine *e);

/* What it is doing now. */
struct engine_overview {
    struct engine_stats stats;
    unsigned held, holds_max;
    bool stressed;  /* the MTA is near its limit of sessions: nobody is held */
    bool filters;   /* there is one at all */
    bool evaluates; /* … and each of them is only tried out */
};
void engine_overview(struct engine *e, struct instant now, struct engine_overview *out);

enum { ENGINE_RESULTS = 8 };
/* Of the i-th result: "pass", "reject", … */
const char *engine_result_word(size_t i);

/* A child milter of the present plan. Texts are the plan's. */
struct engine_filter {
    const char *name, *connect, *fallback;
    bool enabled, evaluation;
    bool is_asked;                    /* its breaker lets everybody through */
    bool is_probed;                   /* one session tries whether it answers again, or the next one will */
    int64_t left_sec;                 /* how long it is not asked yet */
    int64_t down_sec;                 /* how long it has been so, or probed; 0: it is asked */
    unsigned open;                    /* connections */
    uint64_t connections, failures;   /* since the start */
    uint64_t results[ENGINE_RESULTS]; /* messages that it was asked about, by its word */
    struct histogram seconds;         /* how long it took over each */
    const struct histogram_bounds *seconds_bounds;
};
/* The i-th, from 0 on. False: there are no more. */
MUST_CHECK bool engine_filter(struct engine *e, size_t i, struct instant now, struct engine_filter *out);

#endif
