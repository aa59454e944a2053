/*
 * world.h - what would have happened to deliveries, under one assumption about what a log cannot tell: the daemon's engine and a
 * memory of its own, on the log's clock, and the clients that come back later.
 */
#ifndef TARSIER_REPLAY_WORLD_H
#define TARSIER_REPLAY_WORLD_H

#include "explain/dialogue.h"
#include "replay/delivery.h"

struct world_rules {
    bool waits;            /* a held client stays to the end; else it hangs up at once */
    bool confirms;         /* a HELO name leads to its client, also one that is not known; else none does */
    bool spares;           /* a client that may have been TEMP was */
    bool names_all;        /* a client whose name nobody had looked up has a good one: it is not played */
    bool is_let_in;        /* who was deferred has come back and been let in before anything else happens */
    size_t records_max;    /* more are not remembered, nor clients that wait: those that would end next are forgotten */
    struct allows *allows; /* who is let in by hand; NULL: nobody. Owner: the caller, beyond the world's life */
    int64_t retry_sec;     /* a deferred client comes back after so long, where the delivery does not tell */
};

struct world_result {
    bool asked; /* the greylist filter was asked */
    bool held, deferred, rejected;
};

/* Minutes from the first attempt to the last one, for the percentiles; longer ones count as the longest. */
enum { WORLD_DELAY_MAX_MIN = 5 * 24 * 60 };

struct world_delays {
    uint64_t let_in, never; /* messages that were deferred at first; never: not within five days, or the log's end came */
    uint32_t minutes[WORLD_DELAY_MAX_MIN + 1];
};

struct world;

/* Owner: world_free. now: not later than the first delivery. */
struct world *world_new(struct plan *plan, const struct world_rules *rules, struct wall now);
void world_free(struct world *w);

/* Deliveries come in the order of time. counts: what becomes of it is counted among the delays. */
struct world_result world_deliver(struct world *w, const struct delivery *d, bool counts);

/* All that would still come back. */
void world_finish(struct world *w);

/* Records were forgotten, or clients that waited, because there were too many. */
bool world_was_full(const struct world *w);

const struct world_delays *world_delays(const struct world *w);
/* The minutes within which so many per cent of the deferred were let in; 0 where there is none. */
unsigned world_delay_percentile(const struct world_delays *d, unsigned percent);

/* What conditions and the engine see of it. more: recipients but the first. Owner: the text is the delivery's, or arena's. */
struct explain_facts world_facts(const struct delivery *d, const struct world_rules *rules, struct arena *arena);

#endif
