/*
 * timer.h - hashed timer wheel: arming and stopping cost the same however many timers run. Reads no clock.
 *
 * A timer fires at the first advance at or after its time, so at most one tick late. One that lies further ahead than the
 * wheel is long stays in its slot and is looked at once a turn (102.4 s).
 */
#ifndef TARSIER_BASE_TIMER_H
#define TARSIER_BASE_TIMER_H

#include "base/clock.h"
#include "base/list.h"

enum { TIMER_TICK_MS = 100, TIMER_SLOTS = 1024 };

struct timer {
    struct list node;
    struct mono due;
};

struct timer_wheel {
    struct list slots[TIMER_SLOTS];
    struct list fired;
    int64_t tick;   /* every slot up to and with this tick has been looked at */
    unsigned count; /* armed timers */
};

void timer_wheel_init(struct timer_wheel *w, struct mono now);

void timer_init(struct timer *t);
bool timer_is_armed(const struct timer *t);
/* Arm, or move when it is armed already. A time that has passed fires at the next advance. */
void timer_arm(struct timer_wheel *w, struct timer *t, struct mono due);
/* Harmless on a timer that is not armed. */
void timer_stop(struct timer_wheel *w, struct timer *t);

/*
 * The next timer that is due at now, stopped; NULL when there is none. Call until NULL. Timers armed meanwhile are waited
 * for, even when they are due at once: a handler that re-arms itself cannot keep the caller here for ever.
 */
struct timer *timer_wheel_next(struct timer_wheel *w, struct mono now);

#endif
