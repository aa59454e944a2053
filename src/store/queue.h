/*
 * queue.h - requests on their way to the two threads, answers on their way back. Knows no database. Requests and their texts are copied into
 * operations that are used again and again, so that the usual request costs no allocation.
 */
#ifndef TARSIER_STORE_QUEUE_H
#define TARSIER_STORE_QUEUE_H

#include "store/store.h"

#include <pthread.h>

struct op {
    struct op *next;
    owner_id owner;
    uint32_t number;         /* 0: nobody waits */
    int64_t queued_ms;       /* on queue_clock_ms */
    bool waits;              /* the answer rests on a change in the running transaction */
    struct grey_request req; /* texts in text[] */
    struct grey_answer answer;
    size_t text_cap;
    char text[];
};

struct op_list {
    struct op *head, *tail;
    size_t count;
};

void op_list_push(struct op_list *l, struct op *op);
struct op *op_list_pop(struct op_list *l);
void op_list_append(struct op_list *l, struct op_list *from); /* from is empty afterwards */

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t writer_wake, reader_wake; /* on CLOCK_MONOTONIC */
    struct op_list writing, reading, done, spare;
    struct store_job_list changes; /* for the writer; the first is being carried out */
    struct store_job_list slices;  /* for the reader */
    struct store_job_list jobs_done;
    pthread_cond_t job_finished; /* one that somebody waits for */
    size_t urgent;               /* of writing: not a renewal */
    size_t
        outstanding[2]; /* submitted, not answered: for the writer; for the reader, whom a stuck writer must not shut out */
    size_t max;         /* of each */
    bool stop;
    uint64_t requests, refused;
    void (*wake)(void *ctx);
    void *ctx;
};

void queue_init(struct queue *q, size_t max, void (*wake)(void *ctx), void *ctx);
void queue_fini(struct queue *q);

/* now_ms: of queue_clock_ms. Past the bound the answer is `failed`, at once. */
void queue_submit(struct queue *q, owner_id owner, uint32_t number, const struct grey_request *req, int64_t now_ms);

/* With the lock held: up to max operations off a list. */
struct op_list queue_take(struct queue *q, struct op_list *from, size_t max);

/* Hand operations back, answered. Takes the lock; calls wake where the loop has something new to fetch. */
void queue_finish(struct queue *q, struct op_list *ops);

size_t queue_take_answers(struct queue *q,
                          void (*answer)(void *ctx, owner_id owner, uint32_t number, const struct grey_answer *answer),
                          void *ctx);

/* Hand in a job. */
void queue_start(struct queue *q, struct store_job *job);
/* Wait until a job that has no `done` is finished. */
void queue_await(struct queue *q, const struct store_job *job);
/* With the lock held: a job off its list is finished. Returns whether to call wake once the lock is given back. */
bool queue_finish_job(struct queue *q, struct store_job *job, enum err e);
/* When no thread is left: all jobs that are not finished end with ERR_IO, and `done` is called for every one. */
void queue_end_jobs(struct queue *q);

/* Wait on a condition until a time of CLOCK_MONOTONIC in ms; the lock is held. */
void queue_wait(struct queue *q, pthread_cond_t *cond, int64_t until_ms);

int64_t monotonic_us(void);
/* The user's monotonic clock, on which requests age; the system's where he brings none. */
int64_t queue_clock_ms(const struct store_config *config);

#endif
