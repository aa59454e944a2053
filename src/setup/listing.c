/* listing.c - a walk over the records that a filter means. */
#include "setup/listing.h"

bool listing_wants(void *ctx, const struct grey_key *key, const struct grey_record *record)
{
    (void)key;
    return grey_filter_match(ctx, record);
}

void listing_begin(struct listing *l, const struct grey_filter *filter)
{
    *l = (struct listing){.filter = *filter, .job = {.kind = STORE_JOB_READ}};
    store_slice_begin(&l->job.u.read, listing_wants, &l->filter);
    l->job.u.read.ended = true; /* of the range before the first */
}

bool listing_next(struct listing *l)
{
    struct store_slice *slice = &l->job.u.read;
    if (l->job.err != ERR_NONE)
        return false;
    if (!slice->ended)
        return true;
    slice->behind = slice->ended = false;
    return grey_filter_range(&l->filter, l->range++, &slice->from, &slice->to);
}

void listing_end(struct listing *l)
{
    buf_fini(&l->job.u.read.found);
}
