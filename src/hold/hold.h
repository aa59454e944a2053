/*
 * hold.h - the table of held clients: who is held, since when, until when, and who else of the same client waits beside it.
 * Knows no milter, no store and no timer; the caller asks the clock and acts.
 *
 * A client's connections form a group, oldest first; each runs on its own clock. Which of them is released because another one
 * was served is the caller's affair (DESIGN 3, "released with a sibling").
 */
#ifndef TARSIER_HOLD_HOLD_H
#define TARSIER_HOLD_HOLD_H

#include "base/clock.h"
#include "base/ip.h"
#include "base/list.h"
#include "base/siphash.h"

struct hold_group;

/* Part of whoever is held; all zero while it is not. */
struct hold {
    struct list node;         /* in its group */
    struct hold_group *group; /* NULL: not held */
    struct mono started, due;
};

struct hold_table;

/* key: secret of the process, so that nobody can aim at one bucket. Owner: hold_table_free; nobody may be held then. */
struct hold_table *hold_table_new(struct siphash_key key);
void hold_table_free(struct hold_table *t);

unsigned hold_count(const struct hold_table *t);
/* client: as ip_client() gives it, here and below. */
unsigned hold_count_client(const struct hold_table *t, const struct ip *client);

/* h must not be held. duration_ms > 0. */
void hold_begin(struct hold_table *t, struct hold *h, const struct ip *client, struct mono now, int64_t duration_ms);
/* Harmless when h is not held. */
void hold_end(struct hold_table *t, struct hold *h);

bool hold_is_held(const struct hold *h);
/* The next younger one of the same client; NULL at the end. */
struct hold *hold_next(const struct hold *h);
/* The oldest one of the client; NULL when none is held. */
struct hold *hold_first(const struct hold_table *t, const struct ip *client);

/* Everybody who is held, in no order; fn must neither begin nor end a hold. */
void hold_each(struct hold_table *t, void (*fn)(void *ctx, struct hold *h), void *ctx);

int64_t hold_waited_ms(const struct hold *h, struct mono now);

#endif
