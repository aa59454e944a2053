/*
 * tally.h - how many of what was decided, hour by hour: what `tarsier stats` adds up. Bounded: the oldest hour goes when there are
 * TALLY_HOURS. Knows no file.
 */
#ifndef TARSIER_PORT_TALLY_H
#define TARSIER_PORT_TALLY_H

#include "port/journal.h"

enum {
    TALLY_HOURS = 24 * 40,
    TALLY_LEFT_BINS = 5,   /* hung up below 10, 30, 60, 125 s, and later */
    TALLY_DELAY_BINS = 40, /* how long one took that came back: four bins to each doubling from 60 s on */
};

/* One hour, or the sum of several. Each list: [0] done, [1] only evaluated. */
struct tally_row {
    int64_t hour; /* since the epoch */
    uint64_t what[2][JOURNAL_MAX_];
    uint64_t held_for[2][JOURNAL_SUSPICION_MAX_], deferred_for[2][JOURNAL_SUSPICION_MAX_];
    uint64_t left[TALLY_LEFT_BINS];
    uint64_t delay[TALLY_DELAY_BINS];
};

struct tally; /* Owner: tally_free. */

struct tally *tally_new(void);
void tally_free(struct tally *t); /* NULL is harmless */

void tally_count(struct tally *t, const struct journal_entry *e);

/* Sum of the hours that begin in [from, until), in seconds since the epoch. */
void tally_sum(const struct tally *t, struct wall from, struct wall until, struct tally_row *out);

/* The upper bound in seconds of the bin below which this share of those that came back lies; -1: nobody came back. */
int64_t tally_delay_quantile_sec(const struct tally_row *row, double share);

/* One of them as such a line. */
void tally_put_row(const struct tally_row *row, struct buf *out);
/* All hours as text, one a line: `hour name=number …`, without what is zero. */
void tally_put(const struct tally *t, struct buf *out);
/* Add the hours of such a text. Errors: ERR_SYNTAX; *line is the line then, and nothing has been added. */
MUST_CHECK enum err tally_parse(struct tally *t, struct slice text, unsigned *line);

#endif
