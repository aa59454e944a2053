/*
 * listing.h - a walk over the records that a filter means: one job of the store's after the other, each a slice. Who walks runs the job or
 * starts it, and takes what was found.
 *
 *     listing_begin(&l, &filter);
 *     while (listing_next(&l)) { run or start l.job; store_slice_next(&l.job.u.read, …) }
 *     listing_end(&l);
 */
#ifndef TARSIER_SETUP_LISTING_H
#define TARSIER_SETUP_LISTING_H

#include "grey/filter.h"
#include "port/store.h"

struct listing {
    struct grey_filter filter; /* its texts are borrowed */
    struct store_job job;
    unsigned range;
};

/* *l must not move from now on. */
void listing_begin(struct listing *l, const struct grey_filter *filter);
/* Make the job ready for the next slice; false when the last one was the last, or failed. */
bool listing_next(struct listing *l);
void listing_end(struct listing *l);

/* As store_slice.wanted: ctx is a struct grey_filter. */
bool listing_wants(void *ctx, const struct grey_key *key, const struct grey_record *record);

#endif
