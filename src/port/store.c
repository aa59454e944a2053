/* store.c - from a store to its adapter's operations. */
#include "port/store.h"

#include "base/mem.h"

#include <string.h>

void store_close(struct store *s)
{
    if (s)
        s->ops->close(s);
}

bool store_is_new(const struct store *s)
{
    return s->ops->is_new(s);
}

void store_submit(struct store *s, owner_id owner, uint32_t number, const struct grey_request *req)
{
    s->ops->submit(s, owner, number, req);
}

size_t store_take_answers(struct store *s, store_answer answer, void *ctx)
{
    return s->ops->take_answers(s, answer, ctx);
}

void store_get_stats(struct store *s, struct store_stats *out)
{
    s->ops->get_stats(s, out);
}

/* What a job tells is of this time. */
static void forget_results(struct store_job *job)
{
    job->err = ERR_NONE;
    job->finished = false;
    if (job->kind == STORE_JOB_IMPORT)
        job->u.import.added = job->u.import.changed = 0;
    else if (job->kind == STORE_JOB_REMOVE)
        job->u.removal.removed = 0;
}

void store_start(struct store *s, struct store_job *job)
{
    forget_results(job);
    s->ops->start(s, job);
}

enum err store_run(struct store *s, struct store_job *job)
{
    job->done = NULL;
    forget_results(job);
    s->ops->run(s, job);
    return job->err;
}

enum err store_import(struct store *s, struct store_import *import)
{
    struct store_job job = {.kind = STORE_JOB_IMPORT, .u.import = *import};
    enum err e = store_run(s, &job);
    *import = job.u.import;
    return e;
}

enum err store_each(struct store *s, store_record each, void *ctx)
{
    struct store_job job = {.kind = STORE_JOB_READ};
    struct store_slice *slice = &job.u.read;
    bool go_on = true;
    enum err e = ERR_NONE;
    store_slice_begin(slice, NULL, NULL);
    while (e == ERR_NONE && go_on && !slice->ended) {
        struct grey_key key;
        struct grey_record record;
        e = store_run(s, &job);
        for (size_t at = 0; e == ERR_NONE && go_on && store_slice_next(slice, &at, &key, &record);)
            go_on = each(ctx, &key, &record);
    }
    buf_fini(&slice->found);
    return e;
}

/* ---- slices ---- */

void store_slice_begin(struct store_slice *slice, store_record wanted, void *ctx)
{
    *slice = (struct store_slice){.wanted = wanted, .ctx = ctx};
    memset(&slice->to, 0xff, sizeof(slice->to));
}

/* Each record: its key, the length of its bytes, its bytes. */
void store_slice_put(struct store_slice *slice, const struct grey_key *key, const struct grey_record *record)
{
    uint32_t len = (uint32_t)grey_record_size(record);
    buf_put(&slice->found, key, sizeof(*key));
    buf_put(&slice->found, &len, sizeof(len));
    grey_record_encode(record, (uint8_t *)buf_reserve(&slice->found, len));
    slice->found.len += len;
    slice->count++;
}

void store_slice_put_set(struct store_slice *slice, const struct grey_set *set)
{
    for (int i = 0; i < GREY_SLOTS; i++)
        if (set->slots[i].present)
            store_slice_put(slice, &set->slots[i].key, &set->slots[i].record);
    slice->seen = slice->count;
    slice->ended = true;
}

bool store_slice_next(const struct store_slice *slice, size_t *at, struct grey_key *key, struct grey_record *record)
{
    uint32_t len;
    if (*at >= slice->found.len)
        return false;
    const char *p = slice->found.ptr + *at;
    memcpy(key, p, sizeof(*key));
    memcpy(&len, p + sizeof(*key), sizeof(len));
    *at += sizeof(*key) + sizeof(len) + len;
    if (grey_record_decode(slice_of(p + sizeof(*key) + sizeof(len), len), record) != ERR_NONE)
        PANIC("a record that was just written cannot be read");
    return true;
}

/* ---- lists of jobs ---- */

void store_job_push(struct store_job_list *list, struct store_job *job)
{
    job->next = NULL;
    if (list->tail)
        list->tail->next = job;
    else
        list->head = job;
    list->tail = job;
}

struct store_job *store_job_pop(struct store_job_list *list)
{
    struct store_job *job = list->head;
    if (!job)
        return NULL;
    list->head = job->next;
    if (!list->head)
        list->tail = NULL;
    return job;
}
