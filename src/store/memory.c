/*
 * memory.c - the store that is a table in memory (grey/memory.h). It has no thread and waits for nothing: requests are carried out where
 * they are handed in, by the one thread that uses it, and answered when answers are taken.
 */
#include "store/store.h"

#include "base/mem.h"
#include "grey/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { CROWD_MAX = 1000, QUEUE_MAX = 10000, SWEEP_SEC = 60 };

struct answer {
    owner_id owner;
    uint32_t number;
    struct grey_answer answer;
};

struct memory {
    struct store base;
    struct store_config config;
    struct grey_memory *records;
    struct answer *answers;
    size_t n_answers, answers_size;
    struct store_job_list jobs_done;
    struct wall next_sweep;
    struct store_stats stats; /* what is counted as it goes */
};

static const struct store_ops memory_ops;

static struct memory *memory_of(struct store *s)
{
    return (struct memory *)s; /* its first member */
}

static enum err memory_open(const struct store_config *config, struct store **out)
{
    struct grey_secret secret;
    *out = NULL;
    if (getrandom(&secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
        return ERR_IO;
    struct memory *m = mem_zalloc(sizeof(*m));
    m->base.ops = &memory_ops;
    m->config = *config;
    m->config.place = NULL;
    m->records = grey_memory_new(&secret);
    grey_memory_set_crowd(m->records, config->crowd_max ? config->crowd_max : CROWD_MAX);
    *out = &m->base;
    return ERR_NONE;
}

/* There is nothing that another process could have left. */
static bool memory_is_new(const struct store *s)
{
    (void)s;
    return true;
}

static bool is_full(const struct memory *m)
{
    return m->config.max_records > 0 && grey_memory_count(m->records) >= (size_t)m->config.max_records;
}

/* What has expired goes when its room is needed; it is looked for once a minute at most. */
static void sweep(struct memory *m, struct wall now)
{
    if (now.sec < m->next_sweep.sec)
        return;
    m->next_sweep.sec = now.sec + SWEEP_SEC;
    size_t count = grey_memory_count(m->records);
    struct grey_key *keys = grey_memory_keys(m->records);
    for (size_t i = 0; i < count; i++) {
        struct grey_record r;
        if (grey_memory_get(m->records, &keys[i], &r) == ERR_NONE && grey_record_end(&r).sec < now.sec) {
            grey_memory_remove(m->records, &keys[i]);
            m->stats.expired++;
        }
    }
    free(keys);
}

static void push_answer(struct memory *m, const struct answer *a)
{
    if (m->n_answers == m->answers_size) {
        m->answers_size = m->answers_size ? 2 * m->answers_size : 64;
        m->answers = mem_realloc(m->answers, m->answers_size * sizeof(*m->answers));
    }
    m->answers[m->n_answers++] = *a;
    if (m->n_answers == 1 && m->config.wake)
        m->config.wake(m->config.ctx);
}

static void memory_submit(struct store *s, owner_id owner, uint32_t number, const struct grey_request *req)
{
    struct memory *m = memory_of(s);
    struct answer a = {.owner = owner, .number = number, .answer = {.failed = true, .left_sec = -1}};
    size_t max = m->config.queue_max ? m->config.queue_max : QUEUE_MAX;
    m->stats.requests++;
    if (req->kind != GREY_LOOK && is_full(m))
        sweep(m, req->now);
    if (m->n_answers >= max || (req->kind != GREY_LOOK && is_full(m))) {
        m->stats.refused++;
    } else if (grey_memory_run(m->records, req, &a.answer)) {
        a.answer.commit = GREY_COMMIT_QUICK;
        m->stats.commits++;
        m->stats.committed_requests++;
    }
    if (number != 0)
        push_answer(m, &a);
}

static void end_jobs(struct memory *m)
{
    struct store_job_list jobs = m->jobs_done;
    m->jobs_done = (struct store_job_list){0};
    for (struct store_job *job; (job = store_job_pop(&jobs)) != NULL;)
        job->done(job);
}

static size_t memory_take_answers(struct store *s, store_answer answer, void *ctx)
{
    struct memory *m = memory_of(s);
    size_t n = m->n_answers;
    struct answer *taken = m->answers;
    m->answers = NULL; /* the callback may hand in more */
    m->n_answers = m->answers_size = 0;
    for (size_t i = 0; i < n; i++)
        answer(ctx, taken[i].owner, taken[i].number, &taken[i].answer);
    free(taken);
    end_jobs(m);
    return n;
}

static void memory_close(struct store *s)
{
    struct memory *m = memory_of(s);
    end_jobs(m);
    grey_memory_free(m->records);
    free(m->answers);
    free(m);
}

/* ---- jobs ---- */

/* As it would be answered. Its texts lie in the memory. */
static bool get_settled(const struct memory *m, const struct grey_key *key, struct grey_record *out)
{
    struct grey_key client_key;
    struct grey_record client;
    if (grey_memory_get(m->records, key, out) != ERR_NONE)
        return false;
    grey_record_client_key(out, &client_key);
    if (grey_memory_get(m->records, &client_key, &client) == ERR_NONE)
        (void)grey_record_settle(out, client.auto_since);
    return true;
}

static void read_set(const struct memory *m, struct store_slice *slice)
{
    struct grey_set set;
    buf_clear(&slice->found);
    slice->count = 0;
    grey_memory_load(m->records, slice->of, &set);
    store_slice_put_set(slice, &set);
}

static void read_slice(const struct memory *m, struct store_slice *slice)
{
    size_t count = grey_memory_count(m->records);
    struct grey_key *keys = grey_memory_keys(m->records);
    buf_clear(&slice->found);
    slice->seen = slice->count = 0;
    slice->ended = true;
    for (size_t i = 0; i < count; i++) {
        struct grey_record r;
        int order = memcmp(&keys[i], &slice->from, sizeof(keys[i]));
        if (order < 0 || (order == 0 && slice->behind) || memcmp(&keys[i], &slice->to, sizeof(keys[i])) > 0)
            continue;
        if (slice->seen == STORE_SLICE_RECORDS) {
            slice->ended = false;
            break;
        }
        slice->from = keys[i];
        slice->behind = true;
        slice->seen++;
        if (get_settled(m, &keys[i], &r) && (!slice->wanted || slice->wanted(slice->ctx, &keys[i], &r)))
            store_slice_put(slice, &keys[i], &r);
    }
    free(keys);
}

static enum err import(struct memory *m, struct store_import *import)
{
    for (size_t i = 0; i < import->count; i++) {
        const struct store_item *item = &import->items[i];
        struct grey_record lazy;
        if (is_full(m))
            return ERR_FULL;
        enum grey_taken taken = grey_memory_take_in(m->records, &item->record, item->addr_bits);
        import->added += taken == GREY_TAKEN_ADDED;
        import->changed += taken == GREY_TAKEN_CHANGED;
        if (import->lazy && grey_record_lazy(&item->record, &lazy))
            (void)grey_memory_take_in(m->records, &lazy, item->addr_bits);
    }
    return ERR_NONE;
}

static void remove_keys(struct memory *m, struct store_removal *removal)
{
    for (size_t i = 0; i < removal->count; i++) {
        struct grey_record r;
        const struct grey_key *key = &removal->keys[i];
        if (!get_settled(m, key, &r) || (removal->wanted && !removal->wanted(removal->ctx, key, &r)))
            continue;
        grey_memory_remove(m->records, key);
        removal->removed++;
    }
}

static void memory_run(struct store *s, struct store_job *job)
{
    struct memory *m = memory_of(s);
    if (job->kind == STORE_JOB_READ && job->u.read.of)
        read_set(m, &job->u.read);
    else if (job->kind == STORE_JOB_READ)
        read_slice(m, &job->u.read);
    else if (job->kind == STORE_JOB_IMPORT)
        job->err = import(m, &job->u.import);
    else
        remove_keys(m, &job->u.removal);
    job->finished = true;
}

static void memory_start(struct store *s, struct store_job *job)
{
    struct memory *m = memory_of(s);
    bool first = !m->jobs_done.head;
    memory_run(s, job);
    store_job_push(&m->jobs_done, job);
    if (first && m->config.wake)
        m->config.wake(m->config.ctx);
}

static void memory_get_stats(struct store *s, struct store_stats *out)
{
    struct memory *m = memory_of(s);
    size_t count = grey_memory_count(m->records);
    struct grey_key *keys = grey_memory_keys(m->records);
    *out = m->stats;
    out->is_open = true;
    out->records = count;
    for (size_t i = 0; i < count; i++) {
        struct grey_record r;
        out->unconfirmed += grey_memory_get(m->records, &keys[i], &r) == ERR_NONE && grey_record_is_unconfirmed(&r);
    }
    free(keys);
}

static const struct store_ops memory_ops = {
    .close = memory_close,
    .is_new = memory_is_new,
    .submit = memory_submit,
    .take_answers = memory_take_answers,
    .get_stats = memory_get_stats,
    .start = memory_start,
    .run = memory_run,
};

const struct store_kind store_memory = {.scheme = "memory:", .open = memory_open};
