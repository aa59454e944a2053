/*
 * writer.h - the one thread that changes the store: group commit, then the work nobody waits for (expiry, eviction, imports, removals) in small
 * slices. While there is no database (recover.h) it answers that it has none.
 */
#ifndef TARSIER_STORE_WRITER_H
#define TARSIER_STORE_WRITER_H

#include "store/recover.h"
#include "store/round.h"

enum { WRITER_COMMITS_KEPT = 1024 };

/* Guarded by the queue's lock, as are the job and the flags below. */
struct writer_stats {
    uint64_t records, unconfirmed, used_bytes, map_bytes;
    uint64_t commits, failures, committed_requests, batch_max;
    uint64_t expired, evicted, corrupt;
    uint64_t commit_us_sum;
    int write_error; /* of the last change; 0: it was committed. Else errno, or LMDB's code */
    uint32_t commit_us[WRITER_COMMITS_KEPT];
    bool expiry_suspended, is_open;
};

struct writer {
    struct queue *queue;
    struct tables *tables;
    pthread_mutex_t *env_lock; /* held while the environment is closed or replaced, and by whoever reads */
    struct store_config config;
    char *directory;
    struct recover recover;
    struct writer_stats stats;
    size_t job_at;     /* how far the first of queue->changes has come */
    bool job_told;     /* one has ended: its user is to be woken */
    bool keep_expired; /* for the reader */
    int read_error;    /* from the reader: LMDB's code for a damaged page; 0: none */

    /* the thread's own */
    size_t used_bytes;         /* of the map, when the last transaction began */
    struct store_job *running; /* the job as this round sees it */
    int64_t committed_ms;      /* the last commit, on queue_clock_ms */
    int64_t last_commit_ms, next_look_ms, next_reader_check_ms, stop_ms;
    struct mono next_look; /* on the config's clock; next_look_ms, as the other _ms, on the system's */
    int64_t next_complaint_ms;
    uint64_t complaints;
    struct instant clock_base;  /* both clocks at the last look */
    int64_t suspended_until_ms; /* monotonic of the config's clock; 0: not */
    bool more_to_expire, failing, was_suspended, alone;
    void (*tried)(
        void *ctx);  /* called once, with the config's ctx, when the first try to open it is over. NULL: nobody waits */
    bool newly_open; /* the clock has not been compared with its newest record yet */
};

void writer_init(struct writer *w, struct queue *q, struct tables *t, pthread_mutex_t *env_lock,
                 const struct store_config *config);
void writer_fini(struct writer *w);
/* The statistics that a store has from the start. */
MUST_CHECK enum err writer_measure(struct writer *w);
/* For pthread_create. Opens the store where that is not done, and tries it again until it can. Ends when queue->stop is set and the queue is empty or the time is over. */
void *writer_main(void *writer);

#endif
