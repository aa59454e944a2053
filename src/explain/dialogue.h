/*
 * dialogue.h - the MTA, the store and the client around a real engine: for one explained mail, or for many, one after the other
 * (replay). Mails that overlap in time are not played.
 */
#ifndef TARSIER_EXPLAIN_DIALOGUE_H
#define TARSIER_EXPLAIN_DIALOGUE_H

#include "engine/engine.h"
#include "explain/explain.h"
#include "grey/memory.h"

struct outcome {
    struct buf reply;  /* of the command that settled it: "250", "451 4.7.1 …" */
    const char *stage; /* "CONNECT", "MAIL", "RCPT" or "end of message" */
    bool passed;       /* the filter was not asked */
    bool held;         /* RCPT was held */
    bool deferred;     /* some recipient, or the message, got 4xx; also by 421 when the client hung up */
    bool rejected;     /* … 5xx */
    int64_t held_ms;   /* for how long */
    struct buf header; /* X-Greylist, when let in with one */
    struct buf log;    /* the log lines, each with a newline */
};

void outcome_fini(struct outcome *o);

/* What lasts from one mail to the next. The memory is the caller's. */
struct dialogue_world {
    struct engine *engine;
    struct grey_memory *memory;
    struct wall epoch; /* where the monotonic clock begins */
    struct mono mono;  /* never goes back, though a mail may be earlier than the end of the one before it */
    uint32_t serial;   /* of the sessions */
};

/* Owner: dialogue_world_fini gives the engine back. now: not later than the first mail. The plan's children are never asked. */
void dialogue_world_init(struct dialogue_world *w, struct plan *plan, struct grey_memory *memory, struct wall now);
void dialogue_world_fini(struct dialogue_world *w);
/* Who is let in by hand, from now on. Owner: a reference of its own is taken. */
void dialogue_world_allow(struct dialogue_world *w, struct allows *allows);

/*
 * Play one mail from CONNECT to its end at facts->now. leaves: when it is held, the client hangs up at once. The memory keeps
 * what the mail changed. Owner: outcome_fini.
 */
void dialogue_play_in(struct dialogue_world *w, const struct explain_facts *facts, bool leaves, struct outcome *out);

/*
 * The same in a world of its own. Play one mail from CONNECT to its end at facts->now. leaves: when it is held, the client hangs up at once.
 * The memory keeps what the mail changed.
 */
void dialogue_play(struct plan *plan, const struct explain_facts *facts, struct grey_memory *memory, bool leaves,
                   struct outcome *out);

#endif
