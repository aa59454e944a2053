/* timer.c - hashed timer wheel. */
#include "base/timer.h"

#include <stddef.h>

static int64_t tick_of(struct mono t)
{
    /* rounded up: never early */
    return (t.ms + TIMER_TICK_MS - 1) / TIMER_TICK_MS;
}

static struct timer *timer_of(struct list *node)
{
    return (struct timer *)(void *)((char *)node - offsetof(struct timer, node));
}

void timer_wheel_init(struct timer_wheel *w, struct mono now)
{
    for (int i = 0; i < TIMER_SLOTS; i++)
        list_init(&w->slots[i]);
    list_init(&w->fired);
    w->tick = now.ms / TIMER_TICK_MS;
    w->count = 0;
}

void timer_init(struct timer *t)
{
    list_init(&t->node);
    t->due.ms = 0;
}

bool timer_is_armed(const struct timer *t)
{
    return !list_is_empty(&t->node);
}

void timer_arm(struct timer_wheel *w, struct timer *t, struct mono due)
{
    if (timer_is_armed(t) && t->due.ms == due.ms)
        return;
    timer_stop(w, t);
    t->due = due;
    int64_t tick = tick_of(due);
    if (tick <= w->tick)
        tick = w->tick + 1;
    list_push_back(&w->slots[tick % TIMER_SLOTS], &t->node);
    w->count++;
}

void timer_stop(struct timer_wheel *w, struct timer *t)
{
    if (!timer_is_armed(t))
        return;
    list_remove(&t->node);
    w->count--;
}

static void collect(struct timer_wheel *w, struct list *slot, struct mono now)
{
    for (struct list *n = slot->next, *next; n != slot; n = next) {
        next = n->next;
        if (timer_of(n)->due.ms <= now.ms) {
            list_remove(n);
            list_push_back(&w->fired, n);
        }
    }
}

struct timer *timer_wheel_next(struct timer_wheel *w, struct mono now)
{
    int64_t to = now.ms / TIMER_TICK_MS;
    if (list_is_empty(&w->fired) && to > w->tick) {
        int64_t from = to - w->tick > TIMER_SLOTS ? to - TIMER_SLOTS : w->tick;
        for (int64_t i = from + 1; i <= to; i++)
            collect(w, &w->slots[i % TIMER_SLOTS], now);
        w->tick = to;
    }
    if (list_is_empty(&w->fired))
        return NULL;
    struct timer *t = timer_of(w->fired.next);
    timer_stop(w, t);
    return t;
}
