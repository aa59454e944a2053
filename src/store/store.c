/* store.c - the LMDB store as its users see it: opening, threads, requests, statistics, listings. */
#include "store/store.h"

#include "base/mem.h"
#include "store/guard.h"
#include "store/reader.h"
#include "store/scan.h"
#include "store/tell.h"
#include "store/writer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    CROWD_MAX = 1000,
    QUEUE_MAX = 10000,
    OPEN_MS = 2000,         /* the start goes on without it then */
    CLOSE_MS = 4000,        /* a thread stuck in a dead disk's fsync is left behind */
    RECORD_BYTES = 512,     /* measured: 235 with addresses of 18 bytes, in all tables, with the room that pages keep free */
    SPARE_BYTES = 64 << 20, /* for copies of pages, and the reserves of round.c */
    SLICE_US = 50000        /* of a listing by a tool, which has a thread of its own */
};

struct lmdb {
    struct store base;
    struct store_config config; /* its functions are ours, and call the user's while it is there */
    pthread_mutex_t user_lock;  /* guards the six below */
    struct store_config user;
    bool user_gone;
    bool tried;             /* the writer has opened it, or knows why not */
    bool late;              /* nobody waits for that any more */
    int threads;            /* that have not left */
    pthread_cond_t changed; /* `tried` or `threads` has; on the monotonic clock */
    struct tables tables;
    pthread_mutex_t env_lock;
    struct queue queue;
    struct writer writer;
    struct reader reader;
    pthread_t writer_thread, reader_thread;
    bool running; /* has threads */
    bool is_new;
    struct grey_secret secret;
};

/* ---- the user's functions ---- */

static void user_wake(void *ctx)
{
    struct lmdb *s = ctx;
    pthread_mutex_lock(&s->user_lock);
    if (!s->user_gone && s->user.wake)
        s->user.wake(s->user.ctx);
    pthread_mutex_unlock(&s->user_lock);
}

static void user_log(void *ctx, enum log_level level, const char *line)
{
    struct lmdb *s = ctx;
    pthread_mutex_lock(&s->user_lock);
    if (!s->user_gone && s->user.log)
        s->user.log(s->user.ctx, level, line);
    pthread_mutex_unlock(&s->user_lock);
}

static struct instant user_now(void *ctx)
{
    struct lmdb *s = ctx;
    struct instant now = {0};
    pthread_mutex_lock(&s->user_lock);
    if (!s->user_gone)
        now = s->user.now(s->user.ctx);
    pthread_mutex_unlock(&s->user_lock);
    return now;
}

/* Without the lock: it may wait as long as a disk does. Whoever sets it keeps ctx until the store's threads have ended. */
static void user_committing(void *ctx)
{
    const struct lmdb *s = ctx;
    s->user.committing(s->user.ctx);
}

/* ---- threads ---- */

/* Signals are the loop's. */
static int start_thread(pthread_t *thread, void *(*main)(void *), void *arg)
{
    static const int of_the_store[] = {SIGBUS, SIGSEGV, SIGFPE,
                                       SIGABRT}; /* blocked, they end the process past our handlers */
    sigset_t all, before;
    sigfillset(&all);
    for (size_t i = 0; i < COUNT_OF(of_the_store); i++)
        sigdelset(&all, of_the_store[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(thread, NULL, main, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static void stop_threads(struct lmdb *s)
{
    pthread_mutex_lock(&s->queue.lock);
    s->queue.stop = true;
    pthread_cond_broadcast(&s->queue.writer_wake);
    pthread_cond_broadcast(&s->queue.reader_wake);
    pthread_mutex_unlock(&s->queue.lock);
}

static void unmake(struct lmdb *s);

/* A thread has ended. Whoever is the last of a store that was closed frees it. */
static void leave(struct lmdb *s)
{
    pthread_mutex_lock(&s->user_lock);
    bool last = --s->threads == 0 && s->user_gone;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->user_lock);
    if (last)
        unmake(s);
}

static void tried(void *store)
{
    struct lmdb *s = store;
    pthread_mutex_lock(&s->user_lock);
    s->tried = true;
    if (!s->late) {
        s->is_new = s->tables.is_new;
        s->secret = s->tables.secret;
    }
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->user_lock);
}

static void *write_all(void *store)
{
    struct lmdb *s = store;
    (void)writer_main(&s->writer);
    leave(s);
    return NULL;
}

static void *read_all(void *store)
{
    struct lmdb *s = store;
    (void)reader_main(&s->reader);
    leave(s);
    return NULL;
}

static int start_threads(struct lmdb *s)
{
    s->threads = 2;
    s->reader = (struct reader){.queue = &s->queue,
                                .tables = &s->tables,
                                .env_lock = &s->env_lock,
                                .keep_expired = &s->writer.keep_expired,
                                .read_error = &s->writer.read_error,
                                .config = &s->config};
    int rc = start_thread(&s->writer_thread, write_all, s);
    if (rc != 0)
        return rc;
    rc = start_thread(&s->reader_thread, read_all, s);
    if (rc != 0) {
        stop_threads(s);
        pthread_join(s->writer_thread, NULL);
    }
    s->running = rc == 0;
    return rc;
}

/* Address space for as many records, with addresses longer than most (a VERP sender has a hundred bytes). */
static size_t map_for(int64_t records)
{
    size_t each = (size_t)RECORD_BYTES, most = (SIZE_MAX / 2 - SPARE_BYTES) / each;
    size_t n = records > 0 ? (size_t)records : 0;
    return n == 0 ? 0 : (n < most ? n : most) * each + SPARE_BYTES;
}

static const struct store_ops lmdb_ops;

static struct lmdb *lmdb_of(struct store *s)
{
    return (struct lmdb *)s; /* its first member */
}

static struct lmdb *make(const struct store_config *config)
{
    struct lmdb *s = mem_zalloc(sizeof(*s));
    s->base.ops = &lmdb_ops;
    s->config = s->user = *config;
    s->config.crowd_max = config->crowd_max ? config->crowd_max : CROWD_MAX;
    s->config.bytes_max = config->bytes_max ? config->bytes_max : map_for(config->max_records);
    s->config.queue_max = config->queue_max ? config->queue_max : QUEUE_MAX;
    s->config.open_ms = config->open_ms ? config->open_ms : OPEN_MS;
    s->config.close_ms = config->close_ms ? config->close_ms : CLOSE_MS;
    s->config.wake = user_wake;
    s->config.log = user_log;
    s->config.now = config->now ? user_now : NULL;
    s->config.committing = config->committing ? user_committing : NULL;
    s->config.ctx = s;
    pthread_mutex_init(&s->user_lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&s->env_lock, NULL);
    queue_init(&s->queue, s->config.queue_max, user_wake, s);
    writer_init(&s->writer, &s->queue, &s->tables, &s->env_lock, &s->config);
    s->writer.tried = config->always ? tried : NULL; /* else it is open before there is a thread */
    s->config.place = s->writer.directory;
    s->tables = (struct tables){.lock_fd = -1};
    return s;
}

static void unmake(struct lmdb *s)
{
    writer_fini(&s->writer);
    tables_close(&s->tables);
    queue_fini(&s->queue);
    pthread_mutex_destroy(&s->env_lock);
    pthread_mutex_destroy(&s->user_lock);
    pthread_cond_destroy(&s->changed);
    free(s);
}

/* Until that is so, for at most so long; user_lock is held. *until is made at the first call. False: the time is over. */
static bool wait_change(struct lmdb *s, struct timespec *until, int64_t ms)
{
    if (until->tv_sec == 0) {
        clock_gettime(CLOCK_MONOTONIC, until);
        ms += until->tv_nsec / 1000000;
        *until = (struct timespec){until->tv_sec + ms / 1000, ms % 1000 * 1000000};
    }
    return pthread_cond_timedwait(&s->changed, &s->user_lock, until) != ETIMEDOUT;
}

/*
 * The writer opens it, for a disk that does not answer must not keep the start. Whether it is new is known in time, or is of no
 * interest any more.
 */
static void wait_for_writer(struct lmdb *s)
{
    struct timespec until = {0};
    pthread_mutex_lock(&s->user_lock);
    while (!s->tried && wait_change(s, &until, s->config.open_ms))
        continue;
    s->late = !s->tried;
    pthread_mutex_unlock(&s->user_lock);
    if (s->late)
        store_tell(
            &s->config, LOG_LEVEL_ERROR,
            "store: the disk of %s has not answered for %lld ms (mail flows without the store until it does: nobody is "
            "greylisted)",
            s->config.place, (long long)s->config.open_ms);
}

static enum err open_tables(struct lmdb *s, bool read_only, struct buf *why)
{
    enum err e = tables_open(&s->tables, s->config.place, s->config.bytes_max, read_only, why);
    recover_adopt(&s->writer.recover);
    return e == ERR_NONE ? writer_measure(&s->writer) : e;
}

static enum err open_store(struct lmdb *s, bool read_only, struct buf *why)
{
    if (!s->config.always) {
        enum err e = open_tables(s, read_only, why);
        s->is_new = s->tables.is_new;
        s->secret = s->tables.secret;
        if (e != ERR_NONE || read_only)
            return e;
    }
    int rc = start_threads(s);
    if (rc != 0) {
        buf_printf(why, "cannot start a thread: %s", strerror(rc));
        errno = rc;
        return ERR_IO;
    }
    if (s->config.always)
        wait_for_writer(s);
    return ERR_NONE;
}

static enum err open_any(const struct store_config *config, bool read_only, struct store **out)
{
    struct buf why = {0};
    struct lmdb *s = make(config);
    enum err e = open_store(s, read_only, &why);
    *out = &s->base;
    if (e != ERR_NONE) {
        int saved = errno;
        store_tell(config, LOG_LEVEL_ERROR, "store: %s", buf_cstr(&why));
        unmake(s);
        *out = NULL;
        errno = saved;
    }
    buf_fini(&why);
    return e;
}

static enum err lmdb_open(const struct store_config *config, struct store **out)
{
    return open_any(config, false, out);
}

static enum err lmdb_open_reader(const struct store_config *config, struct store **out)
{
    return open_any(config, true, out);
}

/* Whether both threads have left by then. Those that have not (a stuck disk) free the store when they do. */
static bool wait_for_threads(struct lmdb *s)
{
    struct timespec until = {0};
    pthread_mutex_lock(&s->user_lock);
    while (s->threads > 0 && wait_change(s, &until, s->config.close_ms))
        continue;
    bool all_left = s->threads == 0;
    s->user_gone = true;
    pthread_mutex_unlock(&s->user_lock);
    return all_left;
}

static void lmdb_close(struct store *base)
{
    struct lmdb *s = lmdb_of(base);
    if (!s->running) {
        unmake(s);
        return;
    }
    pthread_t reader = s->reader_thread, writer = s->writer_thread;
    stop_threads(s);
    if (wait_for_threads(s)) {
        pthread_join(reader, NULL);
        pthread_join(writer, NULL);
        queue_end_jobs(&s->queue);
        unmake(s);
    } else {
        pthread_detach(reader);
        pthread_detach(writer);
    }
}

static bool lmdb_is_new(const struct store *s)
{
    return ((const struct lmdb *)s)->is_new;
}

const struct grey_secret *store_lmdb_secret(const struct store *s)
{
    return &((const struct lmdb *)s)->secret;
}

static void lmdb_submit(struct store *s, owner_id owner, uint32_t number, const struct grey_request *req)
{
    queue_submit(&lmdb_of(s)->queue, owner, number, req, queue_clock_ms(&lmdb_of(s)->config));
}

static size_t lmdb_take_answers(struct store *s, store_answer answer, void *ctx)
{
    return queue_take_answers(&lmdb_of(s)->queue, answer, ctx);
}

/* ---- statistics ---- */

static int compare_us(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void lmdb_get_stats(struct store *base, struct store_stats *out)
{
    struct lmdb *s = lmdb_of(base);
    pthread_mutex_lock(&s->queue.lock);
    struct writer_stats w = s->writer.stats;
    *out = (struct store_stats){
        .requests = s->queue.requests, .refused = s->queue.refused, .corrupt = w.corrupt + s->reader.corrupt};
    pthread_mutex_unlock(&s->queue.lock);
    out->records = w.records;
    out->unconfirmed = w.unconfirmed;
    out->bytes_max = w.map_bytes;
    out->is_open = w.is_open;
    out->bytes_used = w.used_bytes;
    out->commits = w.commits;
    out->commit_us_sum = w.commit_us_sum;
    out->disk = w.write_error == 0                                   ? STORE_DISK_OK
                : w.write_error == ENOSPC || w.write_error == EDQUOT ? STORE_DISK_FULL
                                                                     : STORE_DISK_FAILS;
    out->failures = w.failures;
    out->committed_requests = w.committed_requests;
    out->batch_max = w.batch_max;
    out->expired = w.expired;
    out->evicted = w.evicted;
    out->expiry_suspended = w.expiry_suspended;
    size_t n = w.commits < WRITER_COMMITS_KEPT ? (size_t)w.commits : WRITER_COMMITS_KEPT;
    if (n > 0) {
        qsort(w.commit_us, n, sizeof(w.commit_us[0]), compare_us);
        out->commit_p50_us = w.commit_us[n / 2];
        out->commit_p99_us = w.commit_us[n * 99 / 100];
    }
}

/* ---- jobs ---- */

static void lmdb_start(struct store *s, struct store_job *job)
{
    queue_start(&lmdb_of(s)->queue, job);
}

/* On the caller's own thread: where the store is open for reading only there is no other. */
static void read_here(struct lmdb *s, struct store_job *job)
{
    pthread_mutex_lock(&s->env_lock);
    int rc = s->tables.env ? scan_slice(&s->tables, &job->u.read, SLICE_US) : MDB_PANIC;
    pthread_mutex_unlock(&s->env_lock);
    job->err = tables_err(rc);
}

static void lmdb_run(struct store *base, struct store_job *job)
{
    struct lmdb *s = lmdb_of(base);
    if (job->kind == STORE_JOB_READ) {
        read_here(s, job);
    } else {
        queue_start(&s->queue, job);
        queue_await(&s->queue, job);
    }
}

static const struct store_ops lmdb_ops = {
    .close = lmdb_close,
    .is_new = lmdb_is_new,
    .submit = lmdb_submit,
    .take_answers = lmdb_take_answers,
    .get_stats = lmdb_get_stats,
    .start = lmdb_start,
    .run = lmdb_run,
};

/* The lock's file stays: it is what two processes agree about. */
static enum err lmdb_set_aside(const char *place, const char *directory)
{
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    struct tables t = {.lock_fd = -1};
    struct buf why = {0}, from = {0}, to = {0};
    enum err e = tables_lock(&t, place, &why);
    for (size_t i = 0; e == ERR_NONE && i < COUNT_OF(files); i++) {
        buf_clear(&from);
        buf_clear(&to);
        buf_printf(&from, "%s/%s", place, files[i]);
        buf_printf(&to, "%s/%s", directory, files[i]);
        if (rename(buf_cstr(&from), buf_cstr(&to)) != 0 && errno != ENOENT)
            e = ERR_IO;
    }
    int saved = errno;
    tables_close(&t);
    buf_fini(&why);
    buf_fini(&from);
    buf_fini(&to);
    errno = saved;
    return e;
}

const struct store_kind store_lmdb = {
    .scheme = "/",
    .is_directory = true,
    .is_kept = true,
    .guard = guard_install,
    .open = lmdb_open,
    .open_reader = lmdb_open_reader,
    .set_aside = lmdb_set_aside,
};
