/* queue.c - requests on their way to the two threads, answers on their way back. */
#include "store/queue.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TEXT_BYTES_LEAST = 256, TEXT_BYTES_KEPT = 4096 };

void op_list_push(struct op_list *l, struct op *op)
{
    op->next = NULL;
    if (l->tail)
        l->tail->next = op;
    else
        l->head = op;
    l->tail = op;
    l->count++;
}

struct op *op_list_pop(struct op_list *l)
{
    struct op *op = l->head;
    if (!op)
        return NULL;
    l->head = op->next;
    if (!l->head)
        l->tail = NULL;
    l->count--;
    return op;
}

void op_list_append(struct op_list *l, struct op_list *from)
{
    if (!from->head)
        return;
    if (l->tail)
        l->tail->next = from->head;
    else
        l->head = from->head;
    l->tail = from->tail;
    l->count += from->count;
    *from = (struct op_list){0};
}

int64_t monotonic_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t queue_clock_ms(const struct store_config *config)
{
    return config->now ? config->now(config->ctx).mono.ms : monotonic_us() / 1000;
}

void queue_init(struct queue *q, size_t max, void (*wake)(void *ctx), void *ctx)
{
    pthread_condattr_t attr;
    *q = (struct queue){.max = max, .wake = wake, .ctx = ctx};
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->writer_wake, &attr);
    pthread_cond_init(&q->reader_wake, &attr);
    pthread_cond_init(&q->job_finished, &attr);
    pthread_condattr_destroy(&attr);
}

static void free_list(struct op_list *l)
{
    for (struct op *op; (op = op_list_pop(l)) != NULL;)
        free(op);
}

void queue_fini(struct queue *q)
{
    free_list(&q->writing);
    free_list(&q->reading);
    free_list(&q->done);
    free_list(&q->spare);
    pthread_cond_destroy(&q->writer_wake);
    pthread_cond_destroy(&q->reader_wake);
    pthread_cond_destroy(&q->job_finished);
    pthread_mutex_destroy(&q->lock);
}

static struct slice copy_text(char **at, struct slice s)
{
    if (!s.ptr)
        return SLICE_NONE;
    char *p = *at;
    if (s.len > 0)
        memcpy(p, s.ptr, s.len);
    *at += s.len;
    return slice_of(p, s.len);
}

/* A spare operation with room enough, or a new one. The lock is not held: only the loop's thread fills operations. */
static struct op *fit(struct op *spare, const struct grey_request *req)
{
    const struct grey_tuple *t = &req->tuple;
    size_t need = t->client_domain.len + t->sender.len + t->recipient.len;
    if (spare && spare->text_cap < need) {
        free(spare);
        spare = NULL;
    }
    if (!spare) {
        size_t cap = need < TEXT_BYTES_LEAST ? TEXT_BYTES_LEAST : need;
        spare = mem_alloc(sizeof(*spare) + cap);
        spare->text_cap = cap;
    }
    char *at = spare->text;
    spare->req = *req;
    spare->req.tuple.client_domain = copy_text(&at, t->client_domain);
    spare->req.tuple.sender = copy_text(&at, t->sender);
    spare->req.tuple.recipient = copy_text(&at, t->recipient);
    return spare;
}

/* With the lock held. Returns whether the answers were none before. */
static bool give_back(struct queue *q, struct op *op)
{
    bool first = false;
    q->outstanding[op->req.kind == GREY_LOOK]--;
    if (op->number != 0) {
        first = q->done.count == 0;
        op_list_push(&q->done, op);
    } else if (op->text_cap > TEXT_BYTES_KEPT) {
        free(op);
    } else {
        op_list_push(&q->spare, op);
    }
    return first;
}

void queue_submit(struct queue *q, owner_id owner, uint32_t number, const struct grey_request *req, int64_t now_ms)
{
    bool wake = false;
    pthread_mutex_lock(&q->lock);
    struct op *op = op_list_pop(&q->spare);
    pthread_mutex_unlock(&q->lock);
    op = fit(op, req);
    op->owner = owner;
    op->number = number;
    op->queued_ms = now_ms;
    op->waits = false;
    pthread_mutex_lock(&q->lock);
    q->requests++;
    if (++q->outstanding[req->kind == GREY_LOOK] > q->max || q->stop) {
        q->refused++;
        op->answer = (struct grey_answer){.failed = true, .left_sec = -1};
        wake = give_back(q, op);
    } else if (req->kind == GREY_LOOK) {
        op_list_push(&q->reading, op);
        pthread_cond_signal(&q->reader_wake);
    } else {
        op_list_push(&q->writing, op);
        q->urgent += req->kind != GREY_RENEW;
        if (req->kind != GREY_RENEW || q->writing.count == 1)
            pthread_cond_signal(&q->writer_wake);
    }
    pthread_mutex_unlock(&q->lock);
    if (wake)
        q->wake(q->ctx);
}

struct op_list queue_take(struct queue *q, struct op_list *from, size_t max)
{
    struct op_list taken = {0};
    while (taken.count < max && from->head) {
        struct op *op = op_list_pop(from);
        if (from == &q->writing)
            q->urgent -= op->req.kind != GREY_RENEW;
        op_list_push(&taken, op);
    }
    return taken;
}

void queue_finish(struct queue *q, struct op_list *ops)
{
    bool wake = false;
    if (!ops->head)
        return;
    pthread_mutex_lock(&q->lock);
    for (struct op *op; (op = op_list_pop(ops)) != NULL;)
        wake |= give_back(q, op);
    pthread_mutex_unlock(&q->lock);
    if (wake)
        q->wake(q->ctx);
}

size_t queue_take_answers(struct queue *q,
                          void (*answer)(void *ctx, owner_id owner, uint32_t number, const struct grey_answer *answer),
                          void *ctx)
{
    struct op_list got = {0}, large = {0};
    struct store_job_list jobs;
    pthread_mutex_lock(&q->lock);
    op_list_append(&got, &q->done);
    jobs = q->jobs_done;
    q->jobs_done = (struct store_job_list){0};
    pthread_mutex_unlock(&q->lock);
    size_t n = got.count;
    for (const struct op *op = got.head; op; op = op->next)
        answer(ctx, op->owner, op->number, &op->answer);
    struct op_list keep = {0};
    for (struct op *op; (op = op_list_pop(&got)) != NULL;)
        op_list_push(op->text_cap > TEXT_BYTES_KEPT ? &large : &keep, op);
    free_list(&large);
    pthread_mutex_lock(&q->lock);
    op_list_append(&q->spare, &keep);
    pthread_mutex_unlock(&q->lock);
    for (struct store_job *job; (job = store_job_pop(&jobs)) != NULL;)
        job->done(job);
    return n;
}

/* ---- jobs ---- */

void queue_start(struct queue *q, struct store_job *job)
{
    bool reads = job->kind == STORE_JOB_READ;
    pthread_mutex_lock(&q->lock);
    store_job_push(reads ? &q->slices : &q->changes, job);
    pthread_cond_signal(reads ? &q->reader_wake : &q->writer_wake);
    pthread_mutex_unlock(&q->lock);
}

void queue_await(struct queue *q, const struct store_job *job)
{
    pthread_mutex_lock(&q->lock);
    while (!job->finished)
        pthread_cond_wait(&q->job_finished, &q->lock);
    pthread_mutex_unlock(&q->lock);
}

bool queue_finish_job(struct queue *q, struct store_job *job, enum err e)
{
    job->err = e;
    job->finished = true;
    if (job->done)
        store_job_push(&q->jobs_done, job);
    else
        pthread_cond_broadcast(&q->job_finished);
    return job->done != NULL;
}

void queue_end_jobs(struct queue *q)
{
    struct store_job *job;
    while ((job = store_job_pop(&q->slices)) != NULL || (job = store_job_pop(&q->changes)) != NULL)
        (void)queue_finish_job(q, job, ERR_IO);
    while ((job = store_job_pop(&q->jobs_done)) != NULL)
        job->done(job);
}

void queue_wait(struct queue *q, pthread_cond_t *cond, int64_t until_ms)
{
    struct timespec ts = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    pthread_cond_timedwait(cond, &q->lock, &ts);
}
