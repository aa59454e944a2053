/*
 * breaker.h - a child that fails again and again is not asked for a while, so that its trouble costs nobody's time. Pure;
 * one a filter's name, which outlives reloads.
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
};

/* Settings: how many failures open it (0: never), and the longest pause. */
struct breaker_limits {
    unsigned failures;
    int64_t pause_max_ms;
};

/* May a session try this child now? True in PROBING only for the one that becomes the probe by this call. */
bool breaker_may_try(struct breaker *b, struct mono now);
/* A session was served to its end, or failed. True: the state has changed, worth a log line. */
bool breaker_succeeded(struct breaker *b);
bool breaker_failed(struct breaker *b, const struct breaker_limits *limits, struct mono now);

#endif
