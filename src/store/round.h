/*
 * round.h - one write transaction of the store's: requests, room for new records, slices of background work. Has no thread and tells
 * nobody; who runs it (writer.c) commits and answers.
 */
#ifndef TARSIER_STORE_ROUND_H
#define TARSIER_STORE_ROUND_H

#include "store/queue.h"
#include "store/records.h"

struct round {
    /* set by the caller before round_begin */
    const struct store_config *config;
    struct records_txn rt;       /* tables */
    const struct store_job *job; /* IMPORT, REMOVE or NULL */
    size_t job_at;
    bool keep_expired; /* the wall clock is not to be trusted */
    bool bulk;         /* nobody waits: imports may take much at once */
    bool more_to_expire;

    uint64_t records;  /* when it began */
    size_t used_bytes; /* of the map */
    unsigned made;     /* since used_bytes was measured */
    size_t job_added, job_changed, job_removed;
    uint64_t refused; /* requests for which there was no room */
    bool durable;     /* some change so far is more than a renewal */
};

/* These return LMDB's codes; after any but 0 the transaction can only be aborted. */
int round_begin(struct round *r);
/* The answer is in op; op->waits tells whether it rests on this transaction. */
int round_run_op(struct round *r, struct op *op);
/* Expiry, eviction, a job: at most 50 records or 2 ms of each, more in bulk. */
int round_run_slices(struct round *r, struct wall now);

#endif
