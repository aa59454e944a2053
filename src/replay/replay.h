/*
 * replay.h - what a configuration would have done to given deliveries, in three worlds that differ in what a log cannot tell.
 * Pure: deliveries in the order of time come in, counts and text go out.
 *
 *     low    held clients wait; unknown HELO names prove themselves; who may have been TEMP was
 *     high   nobody waits, no HELO name proves itself; who is deferred comes back later, and everything of it until then is deferred
 *     once   as high, but who is deferred has come back before the next delivery: each memory is earned at most once
 *
 * Whose name nobody had looked up (a trace may say so) counts as nameless in the high world only.
 *
 * A delivery that was refused is only judged, by the same conditions: what a milter is not asked about changes no memory.
 */
#ifndef TARSIER_REPLAY_REPLAY_H
#define TARSIER_REPLAY_REPLAY_H

#include "replay/senders.h"
#include "replay/world.h"

enum replay_world_name { REPLAY_LOW, REPLAY_HIGH, REPLAY_ONCE, REPLAY_WORLDS };

/* About 400 bytes each, in three worlds. */
enum { REPLAY_RECORDS_MAX = 1 << 19 };

struct replay_options {
    int64_t warm_up_sec;   /* the first so many seconds fill the memories and are not counted */
    int64_t retry_sec;     /* of a deferred client of whom the log tells nothing */
    struct allows *allows; /* who is let in by hand; NULL: nobody. Borrowed */
    size_t records_max;    /* of each world; 0: REPLAY_RECORDS_MAX */
    bool is_certain;       /* a trace: its "unknown" is no name, and no HELO name proves itself, in the low world neither */
};

/* What selects a suspect first, by what conditions say of it. */
enum replay_rule {
    REPLAY_RULE_UNKNOWN_CLIENT,
    REPLAY_RULE_GENERIC,
    REPLAY_RULE_S25R,
    REPLAY_RULE_OTHER, /* conditions of the configuration's own, or none */
    REPLAY_RULES
};

struct replay_part {
    uint64_t suspects;
    uint64_t held[REPLAY_WORLDS], deferred[REPLAY_WORLDS];
};

struct replay_counts {
    struct wall first, last; /* of all deliveries; 0: there was none */
    uint64_t warm_up;        /* deliveries that only filled the memories */
    uint64_t deliveries;     /* accepted, and counted; so are all below */
    struct replay_part all;  /* suspects: the greylist filter is asked about them where no HELO proves itself */
    struct replay_part by_rule[REPLAY_RULES];
    struct replay_part correspondents; /* of senders to whom users here had written by then */
    uint64_t from_correspondents;      /* all of their messages, suspects or not */
    uint64_t rejected;                 /* 5xx by a line of the configuration */
    uint64_t helo_known;               /* of suspects */
    uint64_t perhaps_temp;             /* of suspects */
    uint64_t unnamed;                  /* of suspects: nobody had looked the name up (a trace's "[192.0.2.1]") */
    uint64_t refused;                  /* in the log */
    uint64_t refused_suspects;         /* … of whom the filter would have been asked */
};

struct replay;

/* Owner: replay_free. The plan is borrowed and changed: its children are never asked, and no filter is only evaluated. */
struct replay *replay_new(struct plan *plan, const struct replay_options *options);
void replay_free(struct replay *r);

/* In the order of time; one that is earlier than the one before it, by up to an hour, counts as of that one's time. */
void replay_delivery(struct replay *r, const struct delivery *d);
/* A user here has written to this address. */
void replay_correspondent(struct replay *r, struct slice address);
/* After the last one: who still waits comes back. */
void replay_finish(struct replay *r);

const struct replay_counts *replay_counts(const struct replay *r);
const struct senders *replay_senders(const struct replay *r);
const struct world_delays *replay_delays(const struct replay *r); /* of the high world */
/* There was no room for all that the daemon would have remembered: too many are held and deferred. */
bool replay_was_full(const struct replay *r);
const char *replay_rule_name(enum replay_rule rule);

#endif
