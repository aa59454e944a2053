/*
 * breaker.h - a child that fails again and again is not asked for a while, so that its trouble costs nobody's time. Pure;
 * one a filter's name, which outlives reloads.
 *
 * Only the probe's own answers are proof: a connection from before says nothing about new ones, nor does a probe that ends with
 * an answer owed.
 *
 *   CLOSED ── failures in a row ──► OPEN ── pause over ──► PROBING (one session tries) ── success ──► CLOSED
 *                                     ▲────────────────── failure: the pause doubles ◄──┘
 */
#ifndef TARSIER_CHILD_BREAKER_H
#define TARSIER_CHILD_BREAKER_H

#include "base/clock.h"

#include <stdbool.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_PROBING };

enum { BREAKER_PAUSE_FIRST_MS = 1000 };

struct breaker {
    enum breaker_state state;
    unsigned failures; /* in a row */
    int64_t pause_ms;  /* the present one */
    struct mono until; /* OPEN: its end; PROBING: when the probe is taken for lost */
    struct mono since; /* OPEN, PROBING: when it was CLOSED last */
    uint32_t probe;    /* number of the last one, from 1 */
};

/* Settings: how many failures open it (0: never), and the longest pause. */
struct breaker_limits {
    unsigned failures;
    int64_t pause_max_ms;
};

/* May a session try this child now? *probe: its number if it becomes the probe by this call, else 0. */
bool breaker_may_try(struct breaker *b, struct mono now, uint32_t *probe);
/* A session was served, or failed; probe: as it was told. True: the state has changed, worth a log line. */
bool breaker_succeeded(struct breaker *b, uint32_t probe);
bool breaker_failed(struct breaker *b, uint32_t probe, const struct breaker_limits *limits, struct mono now);
/* The probe has ended (its client left), and nothing is known: the next session probes. */
void breaker_unproven(struct breaker *b, uint32_t probe, struct mono now);

#endif
