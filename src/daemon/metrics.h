/*
 * metrics.h - counters since the start, for Prometheus: what is counted of the decisions, and how a sample is written. Labels come
 * from the configuration and from our own words, never from mail. Knows neither engine nor socket.
 */
#ifndef TARSIER_DAEMON_METRICS_H
#define TARSIER_DAEMON_METRICS_H

#include "base/buf.h"
#include "base/histogram.h"
#include "port/journal.h"

struct metrics {
    uint64_t decisions[JOURNAL_MAX_][JOURNAL_SUSPICION_MAX_];
    struct histogram hold_left;      /* how long they waited who hung up */
    struct histogram greylist_delay; /* from the first visit to the mail that was let in */
};

extern const struct histogram_bounds metrics_hold_bounds, metrics_delay_bounds;

/* What is only evaluated does not count. */
void metrics_count(struct metrics *m, const struct journal_entry *e);

/* "# HELP …" and "# TYPE …": before the first sample of a name. */
void metrics_put_head(struct buf *out, const char *name, const char *type, const char *help);
/* name{key="value",…} number; labels: pairs of key and value, until NULL; NULL: none. */
void metrics_put_sample(struct buf *out, const char *name, const char *const *labels, uint64_t value);
/* Buckets, sum and count, in seconds. label_value NULL: no label. */
void metrics_put_histogram(struct buf *out, const char *name, const char *label, const char *label_value,
                           const struct histogram *h, const struct histogram_bounds *bounds);

/* tarsier_recipients_total, tarsier_hold_left_seconds, tarsier_greylist_delay_seconds. */
void metrics_put(const struct metrics *m, struct buf *out);

#endif
