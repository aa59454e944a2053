/*
 * log.c - two buffers and a thread.
 *
 * Writers append to one buffer while the thread writes out the other; then the two are swapped, so the lock is never held
 * over a system call. A record is a header and its bytes, padded to the header's alignment.
 */
#include "log/log.h"
#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum {
    /* The first line of a burst waits this long for company: one wake and one write for many lines. */
    LOG_GATHER_MS = 10,
    LOG_WRITE_BYTES = 32 << 10, /* one write to stderr; it bounds the memory of formatted lines */
};

struct record {
    uint32_t bytes; /* of text behind the header */
    int32_t level;
    struct timespec at;
};

struct log {
    pthread_mutex_t lock;
    pthread_cond_t more; /* to the thread: lines, or the end */
    pthread_cond_t idle; /* to log_close: the thread has ended */
    pthread_t thread;
    enum log_target target;
    const char *name;
    bool debug;

    /* under lock */
    char *filling;
    size_t filled, half_bytes; /* half_bytes: the size of each buffer */
    uint64_t dropped;          /* not told yet */
    bool asleep, hurry, ending, ended;

    /* the thread's */
    char *writing;   /* the other buffer */
    struct buf text; /* lines of one write */
    time_t stamp_sec;
    char stamp[32]; /* of stamp_sec, without fraction and zone */
    char zone[8];
};

static size_t record_room(size_t bytes)
{
    size_t align = _Alignof(struct record);
    return sizeof(struct record) + (bytes + align - 1) / align * align;
}

/* ---- writers' side ---- */

static void text_clean(char *to, struct slice line)
{
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.ptr[i];
        to[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
}

void log_write(struct log *l, enum log_level level, struct slice line)
{
    if (level >= LOG_LEVEL_DEBUG && !l->debug)
        return;
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    bool cut = line.len > LOG_LINE_MAX_BYTES;
    if (cut)
        line.len = LOG_LINE_MAX_BYTES;

    pthread_mutex_lock(&l->lock);
    size_t room = record_room(line.len);
    if (l->filled + room <= l->half_bytes) {
        struct record *r = (struct record *)(void *)(l->filling + l->filled);
        *r = (struct record){.bytes = (uint32_t)line.len, .level = (int32_t)level, .at = at};
        text_clean((char *)(r + 1), line);
        if (cut)
            memcpy((char *)(r + 1) + line.len - 3, "...", 3);
        l->filled += room;
    } else {
        l->dropped++;
    }
    /* Half full: do not wait for more company. */
    bool full = l->filled > l->half_bytes / 2;
    bool wake = l->asleep || (full && !l->hurry);
    l->asleep = false;
    l->hurry = full;
    pthread_mutex_unlock(&l->lock);
    if (wake)
        pthread_cond_signal(&l->more);
}

void log_printf(struct log *l, enum log_level level, const char *fmt, ...)
{
    struct buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    log_write(l, level, buf_slice(&b));
    buf_fini(&b);
}

/* ---- the thread ---- */

/* "2026-01-31T23:59:59.123+01:00 "; the part that changes once a second is kept. */
static void stamp_put(struct log *l, const struct timespec *at)
{
    if (at->tv_sec != l->stamp_sec) {
        struct tm tm;
        localtime_r(&at->tv_sec, &tm);
        strftime(l->stamp, sizeof(l->stamp), "%Y-%m-%dT%H:%M:%S", &tm);
        strftime(l->zone, sizeof(l->zone), "%z", &tm);
        l->stamp_sec = at->tv_sec;
    }
    buf_printf(&l->text, "%s.%03d%.3s:%.2s ", l->stamp, (int)(at->tv_nsec / 1000000), l->zone, l->zone + 3);
}

static void write_all(struct slice s)
{
    while (s.len > 0) {
        ssize_t n = write(STDERR_FILENO, s.ptr, s.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* the reader is gone; there is nowhere to say so */
        s = slice_from(s, (size_t)n);
    }
}

static void line_out(struct log *l, int level, const struct timespec *at, struct slice line)
{
    if (l->target == LOG_TARGET_SYSLOG) {
        syslog(level, "%.*s", SLICE_ARG(line));
        return;
    }
    stamp_put(l, at);
    if (level <= LOG_LEVEL_ERROR)
        buf_put_cstr(&l->text, "error: ");
    else if (level == LOG_LEVEL_WARNING)
        buf_put_cstr(&l->text, "warning: ");
    buf_put_slice(&l->text, line);
    buf_put_byte(&l->text, '\n');
}

static void text_flush(struct log *l)
{
    write_all(buf_slice(&l->text));
    buf_clear(&l->text);
}

static void lines_out(struct log *l, const char *from, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        const struct record *r = (const void *)(from + at);
        line_out(l, r->level, &r->at, slice_of(r + 1, r->bytes));
        at += record_room(r->bytes);
        if (l->text.len >= LOG_WRITE_BYTES)
            text_flush(l);
    }
}

static void dropped_out(struct log *l, uint64_t dropped)
{
    if (!dropped)
        return;
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    struct buf b = {0};
    buf_printf(&b, "log: %llu lines dropped, their reader is too slow", (unsigned long long)dropped);
    line_out(l, LOG_LEVEL_WARNING, &at, buf_slice(&b));
    buf_fini(&b);
}

static struct timespec mono_in(int64_t ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t nsec = at.tv_nsec + ms % 1000 * 1000000;
    at.tv_sec += (time_t)(ms / 1000 + nsec / 1000000000);
    at.tv_nsec = (long)(nsec % 1000000000);
    return at;
}

/* Wait for lines, then a moment for more of them. Under lock. */
static void wait_lines(struct log *l)
{
    while (l->filled == 0 && l->dropped == 0 && !l->ending) {
        l->asleep = true;
        pthread_cond_wait(&l->more, &l->lock);
    }
    l->asleep = false;
    struct timespec until = mono_in(LOG_GATHER_MS);
    while (!l->ending && !l->hurry) {
        if (pthread_cond_timedwait(&l->more, &l->lock, &until) == ETIMEDOUT)
            break;
    }
}

static void *thread_main(void *arg)
{
    struct log *l = arg;
    if (l->target == LOG_TARGET_SYSLOG)
        openlog(l->name, LOG_PID | LOG_NDELAY, LOG_MAIL);
    pthread_mutex_lock(&l->lock);
    for (;;) {
        wait_lines(l);
        if (l->filled == 0 && l->dropped == 0)
            break; /* ending */
        char *full = l->filling;
        size_t n = l->filled;
        l->filling = l->writing;
        l->writing = full;
        l->filled = 0;
        uint64_t dropped = l->dropped;
        l->dropped = 0;
        l->hurry = false;
        pthread_mutex_unlock(&l->lock);

        lines_out(l, l->writing, n);
        dropped_out(l, dropped);
        text_flush(l);

        pthread_mutex_lock(&l->lock);
    }
    if (l->target == LOG_TARGET_SYSLOG)
        closelog();
    l->ended = true;
    pthread_cond_signal(&l->idle);
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* ---- life ---- */

static void log_free(struct log *l)
{
    pthread_cond_destroy(&l->more);
    pthread_cond_destroy(&l->idle);
    pthread_mutex_destroy(&l->lock);
    free(l->filling);
    free(l->writing);
    buf_fini(&l->text);
    free(l);
}

enum err log_open(struct log **out, enum log_target target, const char *name, size_t buffer_bytes, bool debug)
{
    struct log *l = mem_zalloc(sizeof(*l));
    l->target = target;
    l->name = name;
    l->debug = debug;
    size_t least = record_room(LOG_LINE_MAX_BYTES);
    l->half_bytes = buffer_bytes / 2 < least ? least : buffer_bytes / 2;
    l->filling = mem_alloc(l->half_bytes);
    l->writing = mem_alloc(l->half_bytes);
    l->stamp_sec = -1;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->more, &monotonic);
    pthread_cond_init(&l->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int failed = pthread_create(&l->thread, NULL, thread_main, l);
    if (failed) {
        log_free(l);
        errno = failed;
        *out = NULL;
        return ERR_IO;
    }
    *out = l;
    return ERR_NONE;
}

bool log_close(struct log *l, int64_t timeout_ms)
{
    if (!l)
        return true;
    struct timespec until = mono_in(timeout_ms);
    pthread_mutex_lock(&l->lock);
    l->ending = true;
    pthread_cond_signal(&l->more);
    while (!l->ended) {
        if (pthread_cond_timedwait(&l->idle, &l->lock, &until) == ETIMEDOUT)
            break;
    }
    bool ended = l->ended;
    pthread_mutex_unlock(&l->lock);
    if (!ended) {
        pthread_detach(l->thread);
        return false;
    }
    pthread_join(l->thread, NULL);
    log_free(l);
    return true;
}
