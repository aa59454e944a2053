/*
 * journal.c - the buffer, the thread, and the statistics.
 *
 * One lock guards buffer and statistics; the thread takes what is there and writes without the lock.
 */
#include "base/mem.h"
#include "journal/internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    BUFFER_MAX_BYTES = 1024 * 1024,
    HURRY_BYTES = 256 * 1024, /* no more waiting for company */
    GATHER_MS = 1000,
    SAVE_EVERY_MS = 60 * 1000, /* the statistics */
    COMPLAIN_EVERY_MS = 60 * 1000,
};

struct journal {
    char *directory;
    int64_t gather_ms;
    void (*log)(void *ctx, enum log_level level, const char *line);
    void *ctx;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;  /* to the thread */
    pthread_cond_t ended; /* to journal_close */

    /* under lock */
    struct buf rows;
    struct tally *tally;
    bool is_counted; /* the statistics have changed since they were saved */
    int64_t keep_sec;
    uint64_t max_bytes;
    struct journal_stats stats;
    bool asleep, ending, has_ended;

    /* the thread's */
    struct segments segments;
    int fd; /* of the newest segment; -1: none */
    int64_t saved_ms, complained_ms;
    bool told; /* that rows cannot be written */
};

/* ---- any thread ---- */

/* False: there is no room for it, or none is kept. Under lock. */
static bool keep_row(struct journal *j, const struct journal_entry *e)
{
    size_t before = j->rows.len;
    if (j->keep_sec <= 0)
        return false;
    journal_put_row(&j->rows, e);
    if (j->rows.len <= BUFFER_MAX_BYTES) {
        j->stats.rows++;
        return true;
    }
    j->rows.len = before;
    j->stats.lost++;
    return false;
}

void journal_add(struct journal *j, const struct journal_entry *e)
{
    pthread_mutex_lock(&j->lock);
    tally_count(j->tally, e);
    bool kept = keep_row(j, e);
    /* what is only counted wakes the thread once a minute, to save it */
    bool wake = (j->asleep && (kept || !j->is_counted)) || j->rows.len > HURRY_BYTES;
    j->is_counted = true;
    if (wake)
        j->asleep = false;
    pthread_mutex_unlock(&j->lock);
    if (wake)
        pthread_cond_signal(&j->more);
}

void journal_keep(struct journal *j, int64_t keep_sec, uint64_t max_bytes)
{
    pthread_mutex_lock(&j->lock);
    j->keep_sec = keep_sec;
    j->max_bytes = max_bytes;
    pthread_mutex_unlock(&j->lock);
}

void journal_get_stats(struct journal *j, struct journal_stats *out)
{
    pthread_mutex_lock(&j->lock);
    *out = j->stats;
    pthread_mutex_unlock(&j->lock);
}

void journal_sum(struct journal *j, struct wall from, struct wall until, struct tally_row *out)
{
    pthread_mutex_lock(&j->lock);
    tally_sum(j->tally, from, until, out);
    pthread_mutex_unlock(&j->lock);
}

/* ---- the thread ---- */

static int64_t mono_ms(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

static struct timespec mono_at(int64_t ms)
{
    return (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * 1000000)};
}

/* errno tells. */
static bool complain(struct journal *j, const char *what, const char *name)
{
    int error = errno;
    int64_t now = mono_ms();
    if (j->complained_ms && now - j->complained_ms < COMPLAIN_EVERY_MS)
        return false;
    j->complained_ms = now;
    struct buf line = {0};
    buf_printf(&line, "journal: cannot %s %s%s%s: %s; mail flows, and what was decided is in the log only", what,
               j->directory, *name ? "/" : "", name, strerror(error));
    j->log(j->ctx, LOG_LEVEL_ERROR, buf_cstr(&line));
    buf_fini(&line);
    return true;
}

static void close_segment(struct journal *j)
{
    if (j->fd >= 0)
        close(j->fd);
    j->fd = -1;
}

/*
 * Rows that were cut by an error or a crash end with the newline that the next write begins with; the reader passes over what is
 * no row. What could not be written is left in rows; errno tells.
 */
static bool write_rows(struct journal *j, struct slice *rows, uint64_t segment_bytes)
{
    if (j->fd < 0) {
        j->fd = segments_append(j->directory, &j->segments, (int64_t)time(NULL), segment_bytes);
        if (j->fd < 0 || write(j->fd, "\n", 1) != 1)
            return false;
    }
    struct segment *s = &j->segments.items[j->segments.count - 1];
    while (rows->len > 0) {
        ssize_t n = write(j->fd, rows->ptr, rows->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        s->bytes += (uint64_t)n;
        *rows = slice_from(*rows, (size_t)n);
    }
    if (s->bytes >= segment_bytes)
        close_segment(j); /* the next row begins a new one */
    return true;
}

/* The end of the trouble is told where its beginning was, so that neither floods the log. */
static void note_written(struct journal *j, bool good, uint64_t lost)
{
    pthread_mutex_lock(&j->lock);
    j->stats.lost += lost;
    j->stats.is_failing = !good;
    lost = j->stats.lost;
    pthread_mutex_unlock(&j->lock);
    if (!good || !j->told)
        return;
    j->told = false;
    struct buf line = {0};
    buf_printf(&line, "journal: written again; %llu rows are lost since the start", (unsigned long long)lost);
    j->log(j->ctx, LOG_LEVEL_NOTICE, buf_cstr(&line));
    buf_fini(&line);
}

static uint64_t count_lines(struct slice text)
{
    uint64_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] == '\n';
    return n;
}

static void rows_out(struct journal *j, struct slice rows, int64_t keep_sec, uint64_t max_bytes)
{
    if (rows.len > 0) {
        bool good = write_rows(j, &rows, max_bytes / SEGMENTS_OF_MAX);
        if (!good) {
            j->told |= complain(j, "write to", "");
            close_segment(j);
        }
        note_written(j, good, count_lines(rows));
    }
    if (!segments_trim(j->directory, &j->segments, (int64_t)time(NULL), keep_sec, max_bytes))
        (void)complain(j, "delete in", "");
}

static void save_tally(struct journal *j, bool now)
{
    struct buf text = {0};
    if (!now && mono_ms() - j->saved_ms < SAVE_EVERY_MS)
        return;
    pthread_mutex_lock(&j->lock);
    bool wanted = j->is_counted;
    j->is_counted = false;
    if (wanted)
        tally_put(j->tally, &text);
    pthread_mutex_unlock(&j->lock);
    if (wanted && segments_put_beside(j->directory, "statistics", buf_slice(&text)) != ERR_NONE) {
        (void)complain(j, "write", "statistics");
        pthread_mutex_lock(&j->lock);
        j->is_counted = true; /* in a minute again */
        pthread_mutex_unlock(&j->lock);
    }
    j->saved_ms = mono_ms();
    buf_fini(&text);
}

/* Rows of one second together; statistics once a minute. Under lock. */
static void wait_rows(struct journal *j)
{
    while (j->rows.len == 0 && !j->ending) {
        j->asleep = true;
        if (!j->is_counted) {
            pthread_cond_wait(&j->more, &j->lock);
            continue;
        }
        struct timespec save = mono_at(j->saved_ms + SAVE_EVERY_MS);
        if (pthread_cond_timedwait(&j->more, &j->lock, &save) == ETIMEDOUT)
            break;
    }
    j->asleep = false;
    struct timespec until = mono_at(mono_ms() + j->gather_ms);
    while (j->rows.len > 0 && j->rows.len <= HURRY_BYTES && !j->ending)
        if (pthread_cond_timedwait(&j->more, &j->lock, &until) == ETIMEDOUT)
            break;
}

static void load(struct journal *j)
{
    struct tally *t = tally_new();
    if (segments_list(j->directory, &j->segments) != ERR_NONE)
        (void)complain(j, "read", "");
    enum err e = journal_read_tally(j->directory, t);
    if (e != ERR_NONE && e != ERR_NOT_FOUND) {
        errno = e == ERR_IO ? errno : EINVAL;
        (void)complain(j, "read", "statistics");
    }
    /* what was counted meanwhile is added to what was read */
    struct buf text = {0};
    unsigned line;
    tally_put(t, &text);
    pthread_mutex_lock(&j->lock);
    if (tally_parse(j->tally, buf_slice(&text), &line) != ERR_NONE)
        PANIC("our own text of numbers");
    pthread_mutex_unlock(&j->lock);
    buf_fini(&text);
    tally_free(t);
}

static void *thread_main(void *arg)
{
    struct journal *j = arg;
    struct buf rows = {0};
    load(j);
    j->saved_ms = mono_ms();
    pthread_mutex_lock(&j->lock);
    for (bool ending = false; !ending;) {
        wait_rows(j);
        struct buf full = j->rows;
        j->rows = rows;
        rows = full;
        ending = j->ending;
        int64_t keep_sec = j->keep_sec;
        uint64_t max_bytes = j->max_bytes;
        pthread_mutex_unlock(&j->lock);

        rows_out(j, buf_slice(&rows), keep_sec, max_bytes);
        buf_clear(&rows);
        save_tally(j, ending);

        pthread_mutex_lock(&j->lock);
    }
    close_segment(j);
    j->has_ended = true;
    pthread_cond_signal(&j->ended);
    pthread_mutex_unlock(&j->lock);
    buf_fini(&rows);
    return NULL;
}

/* ---- life ---- */

static void journal_free(struct journal *j)
{
    pthread_cond_destroy(&j->more);
    pthread_cond_destroy(&j->ended);
    pthread_mutex_destroy(&j->lock);
    buf_fini(&j->rows);
    tally_free(j->tally);
    free(j->segments.items);
    free(j->directory);
    free(j);
}

enum err journal_open(struct journal **out, const struct journal_config *config)
{
    struct journal *j = mem_zalloc(sizeof(*j));
    *out = NULL;
    j->directory = mem_strdup(config->directory);
    j->gather_ms = config->gather_ms ? config->gather_ms : GATHER_MS;
    j->keep_sec = config->keep_sec;
    j->max_bytes = config->max_bytes;
    j->log = config->log;
    j->ctx = config->ctx;
    j->fd = -1;
    j->tally = tally_new();
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->more, &monotonic);
    pthread_cond_init(&j->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int failed = pthread_create(&j->thread, NULL, thread_main, j);
    if (failed) {
        journal_free(j);
        errno = failed;
        return ERR_IO;
    }
    *out = j;
    return ERR_NONE;
}

bool journal_close(struct journal *j, int64_t timeout_ms)
{
    if (!j)
        return true;
    struct timespec until = mono_at(mono_ms() + timeout_ms);
    pthread_mutex_lock(&j->lock);
    j->ending = true;
    pthread_cond_signal(&j->more);
    while (!j->has_ended)
        if (pthread_cond_timedwait(&j->ended, &j->lock, &until) == ETIMEDOUT)
            break;
    bool ended = j->has_ended;
    pthread_mutex_unlock(&j->lock);
    if (!ended) {
        pthread_detach(j->thread);
        return false;
    }
    pthread_join(j->thread, NULL);
    journal_free(j);
    return true;
}
