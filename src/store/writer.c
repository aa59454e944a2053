/*
 * writer.c - the one thread that changes the store.
 *
 * A round takes what is queued, carries all of it out in one transaction, commits, hands the answers back. What arrives during the
 * commit is the next round. Slices of background work ride in the same transaction, so that neither waits for the other.
 */
#include "store/writer.h"

#include "base/mem.h"
#include "store/guard.h"
#include "store/tell.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BATCH_MAX = 1024,
    RENEWALS_WAIT_MS = 1000, /* nobody waits for them: they ride with others for so long */
    STOP_MS = 3000,
    LOOK_MS = 2000, /* for something to expire, for a jump of the clock */
    READER_CHECK_MS = 60000,
    COMPLAINT_MS = 60000,
    JUMP_SEC = 3600,  /* of the wall clock against the monotonic one */
    AWAY_SEC = 86400, /* at the start: the machine was off, or the clock is wrong and an ntpd will say so soon */
    SUSPEND_MS = 3600000,
    SLACK_SEC = 60,    /* so far the wall clock may stand before the newest commit: ntpd's small steps */
    PAGES_PER_OP = 16, /* that a request may copy, about: the way down in every tree */
};

static const struct grey_answer failed_answer = {.failed = true, .left_sec = -1};

void writer_init(struct writer *w, struct queue *q, struct tables *t, pthread_mutex_t *env_lock,
                 const struct store_config *config)
{
    *w = (struct writer){.queue = q, .tables = t, .env_lock = env_lock, .config = *config};
    w->directory = mem_strdup(config->place);
    w->config.place = w->directory;
    w->newly_open = true;
    recover_init(&w->recover, &w->config, t, env_lock);
}

void writer_fini(struct writer *w)
{
    recover_fini(&w->recover);
    free(w->directory);
}

static int64_t now_ms(void)
{
    return monotonic_us() / 1000;
}

static struct instant read_clocks(const struct writer *w)
{
    if (w->config.now)
        return w->config.now(w->config.ctx);
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    return (struct instant){{now_ms()}, {wall.tv_sec}};
}

/* The same trouble comes a thousand times a second; a line a minute is enough. */
static void complain(struct writer *w, const char *what, int rc)
{
    int64_t now = now_ms();
    w->complaints++;
    if (now < w->next_complaint_ms)
        return;
    store_tell(&w->config, LOG_LEVEL_ERROR, "store %s: %s: %s (%" PRIu64 " since the last such line)", w->directory, what,
               mdb_strerror(rc), w->complaints);
    w->complaints = 0;
    w->next_complaint_ms = now + COMPLAINT_MS;
}

/* ---- clocks ---- */

static void suspend_expiry(struct writer *w, struct instant now, const char *why, int64_t by_sec)
{
    w->suspended_until_ms = now.mono.ms + SUSPEND_MS;
    store_tell(&w->config, LOG_LEVEL_WARNING, "store: the clock %s %" PRId64 " s: nothing expires for an hour", why, by_sec);
}

/* Records live by the wall clock; where it cannot be believed nothing may be thrown away because of it. */
static void check_clocks(struct writer *w)
{
    struct instant now = read_clocks(w);
    if (w->clock_base.mono.ms == 0 && w->clock_base.wall.sec == 0)
        w->clock_base = now;
    int64_t jump = (now.wall.sec - w->clock_base.wall.sec) - (now.mono.ms - w->clock_base.mono.ms) / 1000;
    int64_t before = w->tables->state.newest_commit.sec - now.wall.sec;
    w->clock_base = now;
    if (jump > JUMP_SEC || jump < -JUMP_SEC) {
        suspend_expiry(w, now, "jumped by", jump);
    } else if (before > SLACK_SEC && w->suspended_until_ms == 0) {
        suspend_expiry(w, now, "stands before the newest record by", before);
    } else if (w->newly_open && w->tables->state.newest_commit.sec > 0 && -before > AWAY_SEC) {
        suspend_expiry(w, now, "is ahead of the newest record by", -before);
    } else if (w->suspended_until_ms != 0 && now.mono.ms >= w->suspended_until_ms) {
        w->suspended_until_ms = 0;
        store_tell(&w->config, LOG_LEVEL_NOTICE, "store: records expire again");
    }
    w->newly_open = false;
    bool suspended = w->suspended_until_ms != 0;
    if (suspended == w->was_suspended)
        return;
    w->was_suspended = suspended;
    pthread_mutex_lock(&w->queue->lock);
    w->keep_expired = w->stats.expiry_suspended = suspended;
    pthread_mutex_unlock(&w->queue->lock);
}

/* With the lock held: the first job is over. */
static void finish_job(struct writer *w, enum err e)
{
    w->job_told |= queue_finish_job(w->queue, store_job_pop(&w->queue->changes), e);
    w->job_at = 0;
    w->running = NULL;
}

static size_t job_size(const struct store_job *job)
{
    return job->kind == STORE_JOB_IMPORT ? job->u.import.count : job->u.removal.count;
}

/* With the lock held: what a transaction has done of the running job. */
static void advance_job(struct writer *w, const struct round *r)
{
    struct store_job *job = w->running;
    if (!job)
        return;
    w->job_at = r->job_at;
    if (job->kind == STORE_JOB_IMPORT) {
        job->u.import.added += r->job_added;
        job->u.import.changed += r->job_changed;
    } else {
        job->u.removal.removed += r->job_removed;
    }
    if (w->job_at == job_size(job))
        finish_job(w, ERR_NONE);
}

/* ---- one transaction ---- */

/* Answers that rest on nothing uncommitted go out before the commit. batch keeps the others. */
static void answer_early(struct writer *w, struct op **batch, size_t *n)
{
    struct op_list ready = {0};
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        if (batch[i]->waits)
            batch[kept++] = batch[i];
        else
            op_list_push(&ready, batch[i]);
    }
    *n = kept;
    queue_finish(w->queue, &ready);
}

static int commit(struct writer *w, const struct round *r, size_t answers)
{
    struct tables_state state = {read_clocks(w).wall, r->rt.unconfirmed < 0 ? 0 : r->rt.unconfirmed, r->rt.sequence};
    int rc = tables_put_state(w->tables, r->rt.txn, &state);
    if (rc != 0) {
        mdb_txn_abort(r->rt.txn);
        return rc;
    }
    size_t used = tables_used_bytes(w->tables, r->rt.txn);
    int64_t start = monotonic_us();
    if (w->config.committing)
        w->config.committing(w->config.ctx);
    rc = mdb_txn_commit(r->rt.txn);
    if (rc != 0)
        return rc;
    int64_t took = monotonic_us() - start;
    w->last_commit_ms = now_ms();
    w->committed_ms = queue_clock_ms(&w->config);
    w->tables->state = state;
    w->more_to_expire = r->more_to_expire;
    pthread_mutex_lock(&w->queue->lock);
    struct writer_stats *s = &w->stats;
    s->commit_us[s->commits++ % WRITER_COMMITS_KEPT] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
    s->commit_us_sum += (uint64_t)took;
    s->write_error = 0;
    s->records = r->records + (uint64_t)r->rt.added;
    s->unconfirmed = (uint64_t)state.unconfirmed;
    s->used_bytes = used;
    s->committed_requests += answers;
    s->batch_max = answers > s->batch_max ? answers : s->batch_max;
    s->expired += r->rt.expired;
    s->evicted += r->rt.evicted;
    s->corrupt += r->rt.corrupt;
    advance_job(w, r);
    pthread_mutex_unlock(&w->queue->lock);
    return 0;
}

/* Without a change there is nothing to commit. */
static int end_unchanged(struct writer *w, const struct round *r)
{
    mdb_txn_abort(r->rt.txn);
    w->more_to_expire = r->more_to_expire;
    pthread_mutex_lock(&w->queue->lock);
    w->stats.corrupt += r->rt.corrupt;
    advance_job(w, r);
    pthread_mutex_unlock(&w->queue->lock);
    return 0;
}

static int attempt(struct writer *w, struct op **batch, size_t *n, bool background)
{
    struct round r = {.config = &w->config,
                      .rt = {.tables = w->tables},
                      .job = w->running,
                      .job_at = w->job_at,
                      .keep_expired = w->suspended_until_ms != 0,
                      .bulk = w->alone,
                      .more_to_expire = w->more_to_expire};
    size_t answers = *n;
    int rc = round_begin(&r);
    if (rc != 0)
        return rc;
    w->used_bytes = r.used_bytes;
    for (size_t i = 0; rc == 0 && i < *n; i++)
        rc = round_run_op(&r, batch[i]);
    if (r.rt.corrupt > 0)
        complain(w, "unreadable records are taken as absent", MDB_CORRUPTED);
    if (r.refused > 0)
        complain(w, "no room for a new record, and none to push out", MDB_MAP_FULL);
    if (rc == 0)
        answer_early(w, batch, n);
    if (rc == 0 && background)
        rc = round_run_slices(&r, read_clocks(w).wall);
    if (rc != 0) {
        mdb_txn_abort(r.rt.txn);
        return rc;
    }
    rc = r.rt.changed ? commit(w, &r, answers) : end_unchanged(w, &r);
    if (rc == 0 && r.rt.changed && w->failing) { /* an empty transaction "succeeds" on a full disk too */
        store_tell(&w->config, LOG_LEVEL_NOTICE, "store %s: can be written again", w->directory);
        w->failing = false;
    }
    if (rc == 0) {
        struct op_list done = {0};
        for (size_t i = 0; i < *n; i++) {
            bool slow = w->committed_ms - batch[i]->queued_ms > GREY_SLOW_MS;
            batch[i]->answer.commit = slow ? GREY_COMMIT_SLOW : GREY_COMMIT_QUICK;
            op_list_push(&done, batch[i]);
        }
        *n = 0;
        queue_finish(w->queue, &done);
    }
    return rc;
}

/* ---- when it cannot be done ---- */

static void fail_all(struct writer *w, struct op **batch, size_t n)
{
    struct op_list done = {0};
    for (size_t i = 0; i < n; i++) {
        batch[i]->answer = failed_answer;
        op_list_push(&done, batch[i]);
    }
    queue_finish(w->queue, &done);
}

/* There is no database. */
static void fail_round(struct writer *w, struct op **batch, size_t n)
{
    w->more_to_expire = false;
    pthread_mutex_lock(&w->queue->lock);
    while (w->queue->changes.head)
        finish_job(w, ERR_IO);
    pthread_mutex_unlock(&w->queue->lock);
    fail_all(w, batch, n);
}

static void note_failure(struct writer *w, int rc)
{
    complain(w, "cannot write", rc);
    w->failing = true;
    w->more_to_expire = false; /* until the next look */
    recover_failed(&w->recover, rc, now_ms());
    pthread_mutex_lock(&w->queue->lock);
    w->stats.failures++;
    w->stats.write_error = rc;
    w->stats.is_open = w->tables->env != NULL;
    if (w->running)
        finish_job(w, tables_err(rc));
    pthread_mutex_unlock(&w->queue->lock);
}

/* The reader has met it. */
static void note_damage(struct writer *w, int rc)
{
    complain(w, "cannot read", rc);
    recover_failed(&w->recover, rc, now_ms());
}

/* There is a store again, perhaps another one. */
static void take_over(struct writer *w)
{
    w->newly_open = true;
    if (writer_measure(w) != ERR_NONE)
        complain(w, "cannot count its records", MDB_PANIC);
}

static bool may_be_one_requests_fault(int rc)
{
    return rc == MDB_MAP_FULL || rc == MDB_TXN_FULL || rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND;
}

/* A batch that fails is cut in halves, so that a damaged page or the last free one costs only who needs it. */
static void carry_out(struct writer *w, struct op **batch, size_t n, bool background)
{
    int rc = attempt(w, batch, &n, background);
    if (rc != 0 && background && n > 0)
        rc = attempt(w, batch, &n, false);
    if (rc == MDB_MAP_FULL && n == 1) {
        size_t none = 0;
        rc = attempt(w, NULL, &none, true);
        rc = rc ? rc : attempt(w, batch, &n, false);
    }
    if (rc == 0)
        return;
    if (n > 1 && may_be_one_requests_fault(rc)) {
        carry_out(w, batch, n / 2, false);
        if (w->tables->env)
            carry_out(w, batch + n / 2, n - n / 2, false);
        else
            fail_all(w, batch + n / 2, n - n / 2);
    } else {
        note_failure(w, rc);
        fail_all(w, batch, n);
    }
}

/* ---- the start ---- */

enum err writer_measure(struct writer *w)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(w->tables->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0)
        return tables_err(rc);
    pthread_mutex_lock(&w->queue->lock);
    w->stats.records = tables_count_records(w->tables, txn);
    w->stats.unconfirmed = (uint64_t)w->tables->state.unconfirmed;
    w->stats.used_bytes = tables_used_bytes(w->tables, txn);
    w->stats.map_bytes = w->tables->map_bytes;
    w->stats.is_open = true;
    pthread_mutex_unlock(&w->queue->lock);
    mdb_txn_abort(txn);
    return ERR_NONE;
}

/* ---- the thread ---- */

static void look_after(struct writer *w)
{
    struct instant now = read_clocks(w);
    check_clocks(w); /* each time: the requests of this round bring the wall clock with them */
    if (w->suspended_until_ms != 0)
        w->more_to_expire = false;
    if (now.mono.ms < w->next_look.ms)
        return;
    w->next_look.ms = now.mono.ms + LOOK_MS;
    w->next_look_ms = now_ms() + LOOK_MS;
    w->more_to_expire = w->suspended_until_ms == 0;
    recover_look(&w->recover, now_ms());
    pthread_mutex_lock(&w->queue->lock);
    w->stats.is_open = w->tables->env != NULL;
    pthread_mutex_unlock(&w->queue->lock);
    if (w->tables->env && now_ms() >= w->next_reader_check_ms) {
        int dead;
        mdb_reader_check(w->tables->env, &dead);
        w->next_reader_check_ms = now_ms() + READER_CHECK_MS;
    }
}

/* With the lock held: when the thread has to do something next; 0: at once. */
static int64_t next_work_ms(const struct writer *w)
{
    const struct queue *q = w->queue;
    int64_t next = w->next_look_ms;
    if (q->stop || q->changes.head || w->more_to_expire || w->read_error != 0 || q->writing.count >= BATCH_MAX)
        return 0;
    int64_t recovers = recover_next_ms(&w->recover);
    if (recovers < next)
        next = recovers;
    if (q->urgent > 0) {
        int64_t at = w->last_commit_ms + w->config.commit_pause_ms;
        return at < next ? at : next;
    }
    if (q->writing.head && q->writing.head->queued_ms + RENEWALS_WAIT_MS < next)
        next = q->writing.head->queued_ms + RENEWALS_WAIT_MS;
    return next;
}

/* As many requests as the map has room for, should each copy the pages on its way. */
static size_t batch_max(const struct writer *w)
{
    size_t used = w->used_bytes, map = w->tables->map_bytes;
    size_t ops = used < map && w->tables->page_bytes ? (map - used) / w->tables->page_bytes / PAGES_PER_OP : 1;
    return ops > BATCH_MAX ? BATCH_MAX : ops < 1 ? 1 : ops;
}

static size_t wait_for_work(struct writer *w, struct op **batch, bool *stop, int *read_error)
{
    struct queue *q = w->queue;
    size_t n = 0;
    pthread_mutex_lock(&q->lock);
    for (int64_t at; (at = next_work_ms(w)) > now_ms();)
        queue_wait(q, &q->writer_wake, at);
    struct op_list taken = queue_take(q, &q->writing, batch_max(w));
    *stop = q->stop;
    *read_error = w->read_error;
    w->read_error = 0;
    w->running = q->changes.head;
    w->alone = w->config.bulk || q->requests == 0; /* an import at the start has nobody to wait for it */
    pthread_mutex_unlock(&q->lock);
    for (struct op *op; (op = op_list_pop(&taken)) != NULL;)
        batch[n++] = op;
    return n;
}

void *writer_main(void *writer)
{
    struct writer *w = writer;
    struct op **batch = mem_alloc(BATCH_MAX * sizeof(*batch));
    bool stop = false;
    guard_enter();
    for (;;) {
        int read_error;
        size_t n = wait_for_work(w, batch, &stop, &read_error);
        if (stop && w->stop_ms == 0)
            w->stop_ms = now_ms() + STOP_MS;
        if (stop && (n == 0 || now_ms() > w->stop_ms) && !w->running) {
            fail_all(w, batch, n);
            break;
        }
        if (read_error != 0)
            note_damage(w, read_error);
        if (!w->tables->env && recover_step(&w->recover, now_ms()))
            take_over(w);
        if (w->tried)
            w->tried(w->config.ctx);
        w->tried = NULL;
        look_after(w);
        if (w->tables->env)
            carry_out(w, batch, n, true);
        else
            fail_round(w, batch, n);
        if (w->job_told)
            w->queue->wake(w->queue->ctx);
        w->job_told = false;
    }
    if (w->tables->env && mdb_env_sync(w->tables->env, 1) != 0)
        complain(w, "cannot sync", errno);
    recover_stop(&w->recover);
    guard_leave();
    free(batch);
    return NULL;
}
