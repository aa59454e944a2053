/* reader.c - the thread that answers LOOK. */
#include "store/reader.h"

#include "store/guard.h"
#include "store/scan.h"

enum {
    BATCH_MAX = 256,
    TXN_US = 50000,
    DEADLINE_MS = 5000,
    SLICE_US = 300, /* a slice of a listing: a LOOK that has just come waits for no more than that */
};

static const struct grey_answer failed_answer = {.failed = true, .left_sec = -1};

static int look(struct reader *r, MDB_txn *txn, struct op *op, bool keep_expired, uint64_t *corrupt)
{
    struct grey_set set;
    struct records_old old[GREY_SLOTS];
    grey_set_init(&set, &r->tables->secret, &op->req);
    set.keep_expired = keep_expired;
    int rc = records_load(r->tables, txn, &op->req, &set, old, corrupt);
    if (rc == 0)
        rc = records_check_crowd(r->tables, txn, &op->req, &set, old, r->config->crowd_max, corrupt);
    if (rc == 0)
        grey_apply(&op->req, &set, &op->answer);
    return rc;
}

/*
 * Answer from *todo into *done until the transaction is old enough. What the database cannot read is answered with failed. Returns LMDB's
 * code when a page is damaged.
 */
static int run_txn(struct reader *r, struct op_list *todo, struct op_list *done, bool keep_expired, uint64_t *corrupt)
{
    MDB_txn *txn = NULL;
    int damage = 0;
    pthread_mutex_lock(r->env_lock);
    if (r->tables->env && mdb_txn_begin(r->tables->env, NULL, MDB_RDONLY, &txn) != 0)
        txn = NULL;
    int64_t start = monotonic_us(), now_ms = queue_clock_ms(r->config);
    do {
        struct op *op = op_list_pop(todo);
        bool late = now_ms - op->queued_ms > DEADLINE_MS;
        int rc = !txn || late ? 0 : look(r, txn, op, keep_expired, corrupt);
        if (!txn || late || rc != 0)
            op->answer = failed_answer;
        if (tables_err(rc) == ERR_CORRUPT)
            damage = rc;
        op_list_push(done, op);
    } while (todo->head && monotonic_us() - start < TXN_US);
    if (txn)
        mdb_txn_abort(txn);
    pthread_mutex_unlock(r->env_lock);
    return damage;
}

static void tell_damage(struct reader *r, int damage)
{
    pthread_mutex_lock(&r->queue->lock);
    *r->read_error = damage;
    pthread_cond_signal(&r->queue->writer_wake);
    pthread_mutex_unlock(&r->queue->lock);
}

static void run_slice(struct reader *r, struct store_job *job)
{
    struct queue *q = r->queue;
    pthread_mutex_lock(r->env_lock);
    int rc = r->tables->env ? scan_slice(r->tables, &job->u.read, SLICE_US) : MDB_PANIC;
    bool is_open = r->tables->env != NULL;
    pthread_mutex_unlock(r->env_lock);
    enum err e = tables_err(rc);
    if (is_open && e == ERR_CORRUPT)
        tell_damage(r, rc);
    pthread_mutex_lock(&q->lock);
    bool wake = queue_finish_job(q, job, e);
    pthread_mutex_unlock(&q->lock);
    if (wake)
        q->wake(q->ctx);
}

void *reader_main(void *reader)
{
    struct reader *r = reader;
    struct queue *q = r->queue;
    guard_enter();
    for (;;) {
        uint64_t corrupt = 0;
        pthread_mutex_lock(&q->lock);
        while (!q->reading.head && !q->slices.head && !q->stop)
            pthread_cond_wait(&q->reader_wake, &q->lock);
        struct op_list todo = queue_take(q, &q->reading, BATCH_MAX);
        bool keep_expired = *r->keep_expired, stop = q->stop;
        struct store_job *job = stop ? NULL : store_job_pop(&q->slices);
        pthread_mutex_unlock(&q->lock);
        if (!todo.head && stop)
            return NULL;
        while (todo.head) {
            struct op_list done = {0};
            int damage = run_txn(r, &todo, &done, keep_expired, &corrupt);
            queue_finish(q, &done);
            if (damage != 0)
                tell_damage(r, damage);
        }
        if (corrupt > 0) {
            pthread_mutex_lock(&q->lock);
            r->corrupt += corrupt;
            pthread_mutex_unlock(&q->lock);
        }
        if (job)
            run_slice(r, job);
    }
}
