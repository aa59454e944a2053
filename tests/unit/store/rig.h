/* rig.h - a store in a temporary directory, a clock that is turned by hand, and asking as if it were a function. */
#ifndef TARSIER_TESTS_STORE_RIG_H
#define TARSIER_TESTS_STORE_RIG_H

#include "base/buf.h"
#include "base/mem.h"
#include "store/store.h"
#include "../test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MINUTE = 60, HOUR = 3600, DAY = 86400, T0 = 1795485418 };

enum {
    RIG_PATIENCE_MS = 170000
}; /* the system's time, in which the disk answers on any machine; the test's own time-out is beyond */

struct rig {
    char dir[256]; /* of the store, below a directory of mkdtemp */
    char top[200];
    struct store_config config;
    struct store *store;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool woken;
    struct instant now;
    struct buf log;
    struct grey_answer got;
    uint32_t got_number;
    size_t answers, failed;
    uint32_t number;
    void (*each_answer)(struct rig *rig, uint32_t number, const struct grey_answer *answer);
    void *mine;
};

static inline void rig_wake(void *ctx)
{
    struct rig *r = ctx;
    pthread_mutex_lock(&r->lock);
    r->woken = true;
    pthread_cond_signal(&r->cond);
    pthread_mutex_unlock(&r->lock);
}

static inline void rig_log(void *ctx, enum log_level level, const char *line)
{
    struct rig *r = ctx;
    pthread_mutex_lock(&r->lock);
    buf_printf(&r->log, "%d %s\n", (int)level, line);
    pthread_mutex_unlock(&r->lock);
}

static inline struct instant rig_now(void *ctx)
{
    struct rig *r = ctx;
    pthread_mutex_lock(&r->lock);
    struct instant now = r->now;
    pthread_mutex_unlock(&r->lock);
    return now;
}

/* Both clocks go on; only the wall clock does with jump. */
static inline void rig_pass(struct rig *r, int64_t sec, bool jump)
{
    pthread_mutex_lock(&r->lock);
    r->now.wall.sec += sec;
    r->now.mono.ms += jump ? 5000 : sec * 1000;
    pthread_mutex_unlock(&r->lock);
}

/* Both clocks go on by less than a second. */
static inline void rig_pass_ms(struct rig *r, int64_t ms)
{
    pthread_mutex_lock(&r->lock);
    r->now.mono.ms += ms;
    pthread_mutex_unlock(&r->lock);
}

static inline struct rig *rig_new(void)
{
    struct rig *r = mem_zalloc(sizeof(*r));
    const char *tmp = getenv("TMPDIR");
    snprintf(r->top, sizeof(r->top), "%.150s/tarsier-store-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(r->top)) {
        perror(r->top);
        exit(1);
    }
    snprintf(r->dir, sizeof(r->dir), "%s/var/store", r->top);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->cond, NULL);
    r->now = (struct instant){{1000000}, {T0}};
    r->config = (struct store_config){
        .place = r->dir, .bytes_max = (size_t)64 << 20, .wake = rig_wake, .log = rig_log, .now = rig_now, .ctx = r};
    r->config.open_ms = r->config.close_ms = RIG_PATIENCE_MS;
    return r;
}

static inline bool rig_open(struct rig *r)
{
    return CHECK_INT(store_lmdb.open(&r->config, &r->store), ERR_NONE);
}

static inline void rig_close(struct rig *r)
{
    store_close(r->store);
    r->store = NULL;
}

/* The store's own folder goes first, then those above it up to top. */
static inline void rig_remove(const struct rig *r)
{
    static const char *names[] = {"var/store/data.mdb",
                                  "var/store/lock.mdb",
                                  "var/store/writer.lock",
                                  "var/store/damaged.1.mdb",
                                  "var/store/damaged.2.mdb",
                                  "var/store",
                                  "var",
                                  "file",
                                  ""};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct buf path = {0};
        buf_printf(&path, "%s/%s", r->top, names[i]);
        (void)remove(buf_cstr(&path));
        buf_fini(&path);
    }
}

static inline void rig_free(struct rig *r)
{
    rig_close(r);
    rig_remove(r);
    buf_fini(&r->log);
    pthread_cond_destroy(&r->cond);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static inline bool rig_logged(struct rig *r, const char *text)
{
    pthread_mutex_lock(&r->lock);
    bool found = strstr(buf_cstr(&r->log), text) != NULL;
    pthread_mutex_unlock(&r->lock);
    return found;
}

static inline void rig_answer(void *ctx, owner_id session, uint32_t number, const struct grey_answer *answer)
{
    struct rig *r = ctx;
    r->got = *answer;
    r->got_number = number;
    r->answers++;
    r->failed += answer->failed;
    CHECK_INT(session, (owner_id)number << 32 | 7);
    if (r->each_answer)
        r->each_answer(r, number, answer);
}

/* Take answers until there are this many in all. A store that keeps one back lets the test time out. */
static inline void rig_await(struct rig *r, size_t answers)
{
    while (r->answers < answers) {
        pthread_mutex_lock(&r->lock);
        while (!r->woken)
            pthread_cond_wait(&r->cond, &r->lock);
        r->woken = false;
        pthread_mutex_unlock(&r->lock);
        (void)store_take_answers(r->store, rig_answer, r);
    }
}

/* A request for tuple i of client 192.0.2.7, or of the address given. */
static inline struct grey_request rig_request(struct rig *r, enum grey_request_kind kind, const char *addr, unsigned i,
                                              char text[40])
{
    struct grey_request req = {.kind = kind,
                               .tuple = {.addr_bits = 32, .sender = SLICE_LIT("<a@example.org>")},
                               .delay_sec = 30 * MINUTE,
                               .timeout_sec = 5 * DAY,
                               .autowhite_sec = DAY};
    if (ip_parse(slice_cstr(addr ? addr : "192.0.2.7"), &req.tuple.addr) != ERR_NONE)
        abort();
    snprintf(text, 40, "<%u@example.net>", i);
    req.tuple.recipient = slice_cstr(text);
    req.now = req.first_seen = rig_now(r).wall;
    return req;
}

static inline void rig_submit(struct rig *r, const struct grey_request *req)
{
    r->number++;
    store_submit(r->store, (owner_id)r->number << 32 | 7, r->number, req);
}

static inline const struct grey_answer *rig_ask_at(struct rig *r, enum grey_request_kind kind, const char *addr, unsigned i)
{
    char text[40];
    struct grey_request req = rig_request(r, kind, addr, i, text);
    rig_submit(r, &req);
    rig_await(r, r->answers + 1);
    return &r->got;
}

static inline const struct grey_answer *rig_ask(struct rig *r, enum grey_request_kind kind, unsigned i)
{
    return rig_ask_at(r, kind, NULL, i);
}

/* Let in for a served hold, and confirmed by DATA. Returns whether the store could. */
static inline bool rig_serve(struct rig *r, const char *addr, unsigned i)
{
    return !rig_ask_at(r, GREY_PASS, addr, i)->failed && !rig_ask_at(r, GREY_CONFIRM, addr, i)->failed;
}

#endif
