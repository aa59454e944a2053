/*
 * registry.h - what is known of filters' milters beyond a session and beyond a reload: what each one requires, its breaker, and
 * which connections to them are open. One an engine; knows no session.
 */
#ifndef TARSIER_FILTER_REGISTRY_H
#define TARSIER_FILTER_REGISTRY_H

#include "base/histogram.h"
#include "base/timer.h"
#include "child/breaker.h"
#include "child/merge.h"
#include "plan/plan.h"
#include "port/effect.h"

struct filter_kind;      /* filter/filter.h */
struct capability_probe; /* filter/capability_probe.c: a connection of nobody's */

/* A filter's word about a message. */
enum registry_result {
    REGISTRY_PASS,
    REGISTRY_ACCEPT,
    REGISTRY_TEMPFAIL,
    REGISTRY_REJECT,
    REGISTRY_DISCARD,
    REGISTRY_QUARANTINE,
    REGISTRY_FAILED, /* it gave no answer: its fallback counted */
    REGISTRY_STOP,   /* it was not heard to the end */
    REGISTRY_RESULTS
};

/* By a filter's name and its milter's address, for the life of the process. */
struct registry_record {
    struct registry_record *next;
    char *name, *connect;
    struct child_requirements required; /* as it negotiated last; lists in required_arena */
    struct arena required_arena;
    uint64_t learned;      /* how often its requirements have changed */
    uint32_t unnegotiated; /* SMFIF_*: changes that it makes without negotiating them */
    struct breaker breaker;
    uint64_t connections, failures;     /* since the start */
    uint64_t results[REGISTRY_RESULTS]; /* messages that it was asked about, by enum registry_result */
    struct histogram seconds;           /* how long it took over each */
};

extern const struct histogram_bounds registry_seconds_bounds;
/* "pass", "reject": the word of statistics. */
const char *registry_result_word(enum registry_result result);

/* Open connections to children, by the slot that a child_id carries. */
struct registry_slot {
    const struct registry_record *record;
    struct capability_probe *probe; /* whose connection it is, or */
    owner_id session;               /* ... whose filter's */
    uint8_t filter;                 /* its number */
    bool is_open;
    uint32_t serial, next_free;
};

enum { FILTER_KINDS_MAX = 8 };

struct registry {
    const struct filter_kind *kinds[FILTER_KINDS_MAX];
    unsigned n_kinds;
    struct registry_record *records;
    struct registry_slot *slots;
    size_t n_slots, cap_slots;
    uint32_t free_slot; /* index + 1; 0: none */
    struct capability_probe *probes;
    uint32_t last_probe;       /* numbers of their questions to DNS */
    struct timer probe_timer;  /* in wheel; the engine's tick calls capability_probes_check */
    struct timer_wheel *wheel; /* the engine's */
    /* of the present step */
    struct instant now;
    struct effects *out;
};

void registry_init(struct registry *r, struct timer_wheel *wheel);
void registry_fini(struct registry *r); /* all connections are given back */

/* At most FILTER_KINDS_MAX. Owner: kind outlives the registry. */
void registry_add_kind(struct registry *r, const struct filter_kind *kind);
/* NULL: no such kind, or a gate. */
const struct filter_kind *registry_kind(const struct registry *r, const struct conf_filter *conf);
/* The same among gates; NULL: it is none. conf NULL: what gate is there where the file has none. */
const struct filter_kind *registry_gate_kind(const struct registry *r, const struct conf_filter *conf);

/* The record of a filter's milter, made where there is none. Owner: the registry. */
struct registry_record *registry_record(struct registry *r, const char *name, const char *connect);
/* What a child said it requires: kept for the negotiations to come. */
void registry_learn(struct registry_record *r, const struct milter_options *options);
/* It has made these changes (SMFIF_*) without negotiating them: they count as required from now on, whatever it negotiates. */
void registry_note_unnegotiated(struct registry_record *r, uint32_t actions);

/* A name for a connection to a child of this record, until it is given back: a probe's (not NULL), or a session's filter's. */
child_id registry_connection_name(struct registry *r, const struct registry_record *record, struct capability_probe *probe,
                                  owner_id session, unsigned filter);
/* NULL: given back. */
const struct registry_slot *registry_connection_find(const struct registry *r, child_id id);
void registry_connection_forget(struct registry *r, child_id id);

#endif
