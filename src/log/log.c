/*
 * log.c - two buffers and a thread.
 *
 * Writers append to one buffer while the thread writes out the other; then the two are swapped, so the lock is never held
 * over a system call. A record is a header and its bytes, padded to the header's alignment.
 */
#include "log/log.h"
#include "base/buf.h"
#include "base/mem.h"
#include "log/repeat.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
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
    uint32_t bytes, member_bytes; /* of text behind the header, and of members behind that */
    int16_t level;
    bool is_event;
    struct timespec at;
};

/* What a record holds, or what is made of it. */
struct line {
    int level;
    bool is_event; /* equal ones may be left out */
    struct timespec at;
    struct slice text, members;
    uint64_t repeated; /* 0: it stands for itself */
};

struct log {
    pthread_mutex_t lock;
    pthread_cond_t more; /* to the thread: lines, or the end */
    pthread_cond_t idle; /* to log_close: the thread has ended */
    pthread_t thread;
    enum log_target target;
    const char *name;
    bool debug;
    atomic_bool json;

    /* under lock */
    char *filling;
    size_t filled, half_bytes; /* half_bytes: the size of each buffer */
    uint64_t dropped;          /* not told yet */
    bool asleep, hurry, ending, ended;

    /* the thread's */
    char *writing;   /* the other buffer */
    struct buf text; /* lines of one write */
    struct repeats repeats;
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

/* Under lock. False: there is no room. */
static bool record_put(struct log *l, const struct line *from, bool cut)
{
    size_t room = record_room(from->text.len + from->members.len);
    if (l->filled + room > l->half_bytes)
        return false;
    struct record *r = (struct record *)(void *)(l->filling + l->filled);
    char *text = (char *)(r + 1);
    *r = (struct record){.bytes = (uint32_t)from->text.len,
                         .member_bytes = (uint32_t)from->members.len,
                         .level = (int16_t)from->level,
                         .is_event = from->is_event,
                         .at = from->at};
    text_clean(text, from->text);
    if (cut)
        memcpy(text + from->text.len - 3, "...", 3);
    if (from->members.len > 0)
        memcpy(text + from->text.len, from->members.ptr, from->members.len);
    l->filled += room;
    return true;
}

static void put(struct log *l, struct line line)
{
    if (line.level >= LOG_LEVEL_DEBUG && !l->debug)
        return;
    bool cut = line.text.len > LOG_LINE_MAX_BYTES;
    if (cut)
        line.text.len = LOG_LINE_MAX_BYTES;
    clock_gettime(CLOCK_REALTIME, &line.at);

    pthread_mutex_lock(&l->lock);
    if (!record_put(l, &line, cut))
        l->dropped++;
    /* Half full: do not wait for more company. */
    bool full = l->filled > l->half_bytes / 2;
    bool wake = l->asleep || (full && !l->hurry);
    l->asleep = false;
    l->hurry = full;
    pthread_mutex_unlock(&l->lock);
    if (wake)
        pthread_cond_signal(&l->more);
}

void log_write(struct log *l, enum log_level level, struct slice line)
{
    put(l, (struct line){.level = (int)level, .text = line});
}

void log_event(struct log *l, enum log_level level, struct slice line, struct slice members)
{
    put(l, (struct line){.level = (int)level, .text = line, .members = members, .is_event = true});
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

/* "2026-01-31T23:59:59.123+01:00"; the part that changes once a second is kept. */
static void stamp_put(struct log *l, const struct timespec *at, struct buf *out)
{
    if (at->tv_sec != l->stamp_sec) {
        struct tm tm;
        localtime_r(&at->tv_sec, &tm);
        strftime(l->stamp, sizeof(l->stamp), "%Y-%m-%dT%H:%M:%S", &tm);
        strftime(l->zone, sizeof(l->zone), "%z", &tm);
        l->stamp_sec = at->tv_sec;
    }
    buf_printf(out, "%s.%03d%.3s:%.2s", l->stamp, (int)(at->tv_nsec / 1000000), l->zone, l->zone + 3);
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

static void put_object(struct log *l, const struct line *line, struct buf *out)
{
    static const char *const levels[] = {[LOG_LEVEL_ERROR] = "error",
                                         [LOG_LEVEL_WARNING] = "warning",
                                         [LOG_LEVEL_NOTICE] = "notice",
                                         [LOG_LEVEL_INFO] = "info",
                                         [LOG_LEVEL_DEBUG] = "debug"};
    buf_put_cstr(out, "{\"time\":\"");
    stamp_put(l, &line->at, out);
    buf_printf(out, "\",\"level\":\"%s\",\"message\":", levels[line->level]);
    buf_put_json(out, line->text);
    if (line->repeated)
        buf_printf(out, ",\"repeated\":%llu", (unsigned long long)line->repeated);
    if (line->members.len > 0)
        buf_printf(out, ",%.*s", SLICE_ARG(line->members));
    buf_put_byte(out, '}');
}

static void put_text(const struct line *line, struct buf *out)
{
    buf_put_slice(out, line->text);
    if (line->repeated)
        buf_printf(out, " (%llu %s more)", (unsigned long long)line->repeated, line->repeated == 1 ? "time" : "times");
}

static void line_out(struct log *l, const struct line *line)
{
    if (l->target == LOG_TARGET_SYSLOG) {
        struct buf text = {0};
        if (l->json)
            put_object(l, line, &text);
        else
            put_text(line, &text);
        syslog(line->level, "%.*s", SLICE_ARG(buf_slice(&text)));
        buf_fini(&text);
        return;
    }
    if (l->json) {
        put_object(l, line, &l->text);
    } else {
        stamp_put(l, &line->at, &l->text);
        buf_put_cstr(&l->text, line->level <= LOG_LEVEL_ERROR     ? " error: "
                               : line->level == LOG_LEVEL_WARNING ? " warning: "
                                                                  : " ");
        put_text(line, &l->text);
    }
    buf_put_byte(&l->text, '\n');
}

static void text_flush(struct log *l)
{
    write_all(buf_slice(&l->text));
    buf_clear(&l->text);
}

static int64_t mono_ms(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

/* Lines whose quiet time is over by now_ms, with how often they have come since. */
static void repeats_out(struct log *l, int64_t now_ms)
{
    struct repeat_due due;
    while (repeats_due(&l->repeats, now_ms, &due)) {
        struct line line = {.level = due.level, .text = due.text, .repeated = due.times};
        clock_gettime(CLOCK_REALTIME, &line.at);
        line_out(l, &line);
    }
}

static void lines_out(struct log *l, const char *from, size_t bytes)
{
    int64_t now_ms = mono_ms();
    repeats_out(l, now_ms);
    for (size_t at = 0; at < bytes;) {
        const struct record *r = (const void *)(from + at);
        const char *text = (const char *)(r + 1);
        struct line line = {.level = r->level,
                            .at = r->at,
                            .text = slice_of(text, r->bytes),
                            .members = slice_of(text + r->bytes, r->member_bytes)};
        /* Notices answer an administrator, and decisions are counted by whoever reads the log: they are never left out. */
        bool may_repeat = r->is_event && r->level <= LOG_LEVEL_WARNING;
        if (!may_repeat || repeats_take(&l->repeats, r->level, line.text, now_ms))
            line_out(l, &line);
        at += record_room((size_t)r->bytes + r->member_bytes);
        if (l->text.len >= LOG_WRITE_BYTES)
            text_flush(l);
    }
}

static void dropped_out(struct log *l, uint64_t dropped)
{
    if (!dropped)
        return;
    struct buf b = {0};
    buf_printf(&b, "log: %llu lines dropped, their reader is too slow", (unsigned long long)dropped);
    struct line line = {.level = LOG_LEVEL_WARNING, .text = buf_slice(&b)};
    clock_gettime(CLOCK_REALTIME, &line.at);
    line_out(l, &line);
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

/* Sleep until somebody wakes us, or a quiet time ends. False: it has ended. */
static bool sleep_for_lines(struct log *l)
{
    int64_t end_ms = repeats_next_ms(&l->repeats);
    l->asleep = true;
    if (end_ms < 0)
        return pthread_cond_wait(&l->more, &l->lock) == 0;
    struct timespec until = {.tv_sec = (time_t)(end_ms / 1000), .tv_nsec = (long)(end_ms % 1000 * 1000000)};
    return pthread_cond_timedwait(&l->more, &l->lock, &until) != ETIMEDOUT;
}

/* Wait for lines, then a moment for more of them; or for a quiet time's end. Under lock. */
static void wait_lines(struct log *l)
{
    bool woken = true;
    while (l->filled == 0 && l->dropped == 0 && !l->ending && woken)
        woken = sleep_for_lines(l);
    l->asleep = false;
    if (!woken)
        return;
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
        bool last = l->ending && l->filled == 0 && l->dropped == 0;
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
        repeats_out(l, last ? INT64_MAX : mono_ms());
        text_flush(l);

        pthread_mutex_lock(&l->lock);
        if (last && l->filled == 0)
            break;
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
    repeats_fini(&l->repeats);
    free(l);
}

void log_set_json(struct log *l, bool json)
{
    l->json = json;
}

bool log_is_json(const struct log *l)
{
    return l->json;
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
