/* recover.c - the way back to a store that can be used. */
#include "store/recover.h"

#include "store/guard.h"
#include "store/tell.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

enum {
    BACKOFF_FIRST_MS = 100,
    BACKOFF_LAST_MS = 30000,
    POLL_MS = 20,           /* of the process that looks */
    LOOK_AGAIN_MS = 300000, /* after a look that came to nothing: it reads the whole file */
    TELL_AGAIN_MS = 600000, /* the same reason */
    /* A store that brings us down though a look finds nothing: it stays closed for a minute, two, four … */
    PAUSE_FIRST_MS = 60000,
    PAUSE_DOUBLINGS = 6,
    CALM_MS = 3600000, /* open for so long without a crash: the marks go */
};

static const char without[] = "mail flows without the store: nobody is greylisted, and it is tried again";

void recover_init(struct recover *r, const struct store_config *config, struct tables *tables, pthread_mutex_t *env_lock)
{
    *r = (struct recover){
        .config = config, .tables = tables, .env_lock = env_lock, .state = RECOVER_CLOSED, .look = {.fd = -1}};
}

void recover_stop(struct recover *r)
{
    examine_stop(&r->look);
}

void recover_fini(struct recover *r)
{
    recover_stop(r);
    if (!r->adopted)
        guard_forget();
    buf_fini(&r->told);
}

/* ---- what is said ---- */

/* At once when it is something new, and every ten minutes when it is not. */
static void complain(struct recover *r, struct buf *why, int64_t now)
{
    bool same = r->told.len > 0 && strcmp(buf_cstr(&r->told), buf_cstr(why)) == 0;
    r->refusals++;
    if (same && now - r->told_ms < TELL_AGAIN_MS)
        return;
    store_tell(r->config, LOG_LEVEL_ERROR, "store: %s (%s)", buf_cstr(why), without);
    buf_clear(&r->told);
    buf_put_slice(&r->told, buf_slice(why));
    r->told_ms = now;
}

static void complain_text(struct recover *r, int64_t now, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void complain_text(struct recover *r, int64_t now, const char *fmt, ...)
{
    struct buf why = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&why, fmt, ap);
    va_end(ap);
    complain(r, &why, now);
    buf_fini(&why);
}

/* ---- closed ---- */

static void wait_longer(struct recover *r, int64_t now)
{
    r->backoff_ms = r->backoff_ms == 0 ? BACKOFF_FIRST_MS : r->backoff_ms * 2;
    if (r->backoff_ms > BACKOFF_LAST_MS)
        r->backoff_ms = BACKOFF_LAST_MS;
    r->retry_ms = now + r->backoff_ms;
}

static void close_env(struct recover *r, bool lock_too, int64_t now)
{
    guard_forget();
    pthread_mutex_lock(r->env_lock);
    if (lock_too)
        tables_close(r->tables);
    else
        tables_close_env(r->tables);
    pthread_mutex_unlock(r->env_lock);
    r->state = RECOVER_CLOSED;
    r->closed_ms = now;
    r->backoff_ms = 0;
    wait_longer(r, now);
}

/* How long a store is left alone that has brought us down before, although nothing was found. */
static int64_t pause_ms(unsigned crashes)
{
    unsigned doublings = crashes > 2 ? crashes - 2 : 0;
    return crashes < 2 ? 0 : (int64_t)PAUSE_FIRST_MS << (doublings < PAUSE_DOUBLINGS ? doublings : PAUSE_DOUBLINGS);
}

static void begin_look(struct recover *r, enum examine_job job, int64_t now)
{
    int rc = examine_start(&r->look, job, r->config->place, now);
    if (rc == 0) {
        r->state = job == EXAMINE_ONLY ? RECOVER_LOOKED_AT : RECOVER_LOOKED_AT_AGAIN;
        r->retry_ms = now + POLL_MS;
        return;
    }
    r->state = RECOVER_CLOSED;
    complain_text(r, now, "%s cannot be looked at: no process: %s", r->config->place, strerror(rc));
    wait_longer(r, now);
}

static void opened(struct recover *r, int64_t now)
{
    struct tables *t = r->tables;
    MDB_envinfo info;
    mdb_env_info(t->env, &info);
    guard_watch(t->lock_fd, info.me_mapaddr, info.me_mapsize);
    t->examined = false; /* it counts for this time only */
    r->state = RECOVER_OPEN;
    r->opened_ms = now;
    r->backoff_ms = 0;
    if (t->is_new && r->closed_ms != 0)
        store_tell(r->config, LOG_LEVEL_WARNING, "store %s: made anew, and empty", r->config->place);
    if (r->refusals > 0 || r->closed_ms != 0)
        store_tell(r->config, LOG_LEVEL_NOTICE, "store %s: open again", r->config->place);
    r->refusals = 0;
    buf_clear(&r->told);
}

/* The lock of the directory, the marks, the file. Into a copy: the other thread must not wait for a slow disk. */
static enum err open_now(struct recover *r, struct tables *t, struct buf *why)
{
    if (t->lock_fd < 0) {
        enum err e = tables_lock(t, r->config->place, why);
        if (e != ERR_NONE)
            return e;
    }
    guard_prepare(t->lock_fd);
    guard_watch(t->lock_fd, NULL, 0);
    struct guard_marks marks = guard_read(t->lock_fd);
    r->marked = marks.crashes > 0;
    if (r->suspected || marks.unexamined > 0) {
        buf_printf(why, "%s has brought tarsierd down, or looked damaged: its pages are looked at", r->config->place);
        return ERR_CORRUPT;
    }
    enum err e = tables_open_env(t, r->config->place, t->map_bytes ? t->map_bytes : r->config->bytes_max, why);
    if (e == ERR_CORRUPT) {
        guard_mark(t->lock_fd);
        r->marked = true;
    }
    return e;
}

static void try_open(struct recover *r, int64_t now)
{
    struct buf why = {0};
    struct tables fresh = *r->tables;
    errno = 0;
    enum err e = open_now(r, &fresh, &why);
    pthread_mutex_lock(r->env_lock);
    *r->tables = fresh;
    pthread_mutex_unlock(r->env_lock);
    if (e == ERR_NONE) {
        opened(r, now);
    } else {
        r->state = RECOVER_CLOSED;
        complain(r, &why, now);
        if (e == ERR_CORRUPT) {
            r->suspected = true;
            begin_look(r, EXAMINE_ONLY, now);
        } else {
            wait_longer(r, now);
        }
    }
    buf_fini(&why);
}

void recover_adopt(struct recover *r)
{
    r->adopted = true;
    r->state = RECOVER_OPEN;
}

/* ---- looked at ---- */

static void exchange(struct recover *r, const struct salvage_report *report, int64_t now)
{
    struct buf why = {0};
    int rc = report->failed;
    const char *step = "the new store could not be made";
    if (rc == 0) {
        rc = salvage_put_in_place(r->config->place, &why);
        step = buf_cstr(&why);
    }
    if (rc != 0) {
        complain_text(r, now, "%s/data.mdb is damaged (%s), and what is whole could not be saved: %s: %s", r->config->place,
                      report->pages.why, step, mdb_strerror(rc));
        r->retry_ms = now + LOOK_AGAIN_MS;
    } else {
        guard_clear(r->tables->lock_fd);
        r->suspected = false;
        r->retry_ms = now;
        store_tell(r->config, LOG_LEVEL_ERROR,
                   "store %s: it was damaged (%s; %" PRIu64
                   " of the pages reached); it is kept as damaged.1.mdb, and the %" PRIu64
                   " records that could be read are in a new one: look at the disk and the memory of this machine",
                   r->config->place, report->pages.why, report->pages.bad, report->records);
    }
    buf_fini(&why);
}

static void found_whole(struct recover *r, int64_t now)
{
    unsigned crashes = guard_read(r->tables->lock_fd).crashes;
    guard_set_examined(r->tables->lock_fd);
    r->suspected = false;
    r->tables->examined = true;
    r->retry_ms = now + pause_ms(crashes);
    if (pause_ms(crashes) > 0)
        complain_text(r, now, "%s: its pages are whole, and yet it has failed %u times: it is opened again in %" PRId64 " s",
                      r->config->place, crashes, pause_ms(crashes) / 1000);
    else
        store_tell(r->config, LOG_LEVEL_NOTICE, "store %s: its pages are whole", r->config->place);
}

static void take_report(struct recover *r, const struct salvage_report *report, int64_t now)
{
    bool again = r->state == RECOVER_LOOKED_AT_AGAIN;
    const struct pages_report *p = &report->pages;
    r->state = RECOVER_CLOSED;
    switch (p->verdict) {
    case PAGES_DAMAGED:
        if (again) {
            exchange(r, report, now);
            return;
        }
        complain_text(r, now, "%s/data.mdb is damaged: %s; it is looked at once more", r->config->place, p->why);
        begin_look(r, EXAMINE_AND_MAKE, now);
        return;
    case PAGES_UNREADABLE:
        complain_text(r, now, "%s/data.mdb cannot be read: %s; look at the disk", r->config->place, strerror(p->error));
        r->retry_ms = now + LOOK_AGAIN_MS;
        return;
    case PAGES_FINE:
    case PAGES_EMPTY:
    case PAGES_SHORT:
    case PAGES_FOREIGN: /* opening it says so */
        found_whole(r, now);
    }
}

static void poll_look(struct recover *r, int64_t now)
{
    struct salvage_report report;
    enum examine_result result = examine_poll(&r->look, now, &report);
    if (result == EXAMINE_RUNS) {
        r->retry_ms = now + POLL_MS;
        return;
    }
    if (result == EXAMINE_DONE) {
        take_report(r, &report, now);
        return;
    }
    r->state = RECOVER_CLOSED;
    complain_text(r, now, "%s: the process that looked at it %s; move the directory away to begin with a new one",
                  r->config->place, result == EXAMINE_LATE ? "took too long" : "died");
    r->retry_ms = now + LOOK_AGAIN_MS;
}

/* ---- the steps ---- */

bool recover_step(struct recover *r, int64_t now_ms)
{
    if (r->state == RECOVER_LOOKED_AT || r->state == RECOVER_LOOKED_AT_AGAIN)
        poll_look(r, now_ms);
    if (r->state == RECOVER_CLOSED && now_ms >= r->retry_ms)
        try_open(r, now_ms);
    return r->state == RECOVER_OPEN;
}

int64_t recover_next_ms(const struct recover *r)
{
    return r->state == RECOVER_OPEN ? INT64_MAX : r->retry_ms;
}

void recover_failed(struct recover *r, int rc, int64_t now_ms)
{
    bool damaged = tables_err(rc) == ERR_CORRUPT;
    if (r->state != RECOVER_OPEN || (rc != MDB_PANIC && (!damaged || r->adopted)))
        return;
    if (damaged) {
        guard_mark(r->tables->lock_fd);
        r->suspected = true;
    }
    close_env(r, false, now_ms);
}

void recover_look(struct recover *r, int64_t now_ms)
{
    const char *missing;
    if (r->state != RECOVER_OPEN || r->adopted)
        return;
    if (r->marked && now_ms - r->opened_ms > CALM_MS) {
        guard_clear(r->tables->lock_fd);
        r->marked = false;
    }
    if (tables_are_there(r->tables, r->config->place, &missing))
        return;
    store_tell(r->config, LOG_LEVEL_ERROR, "store %s: somebody has removed or replaced its %s: it is opened anew",
               r->config->place, missing);
    close_env(r, true, now_ms);
}
