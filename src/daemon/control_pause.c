/*
 * control_pause.c - `pause` and `resume`: for a while nobody is held or deferred. The engine does it; here is what a restart must not
 * forget: one line in the file `pause` of the state directory, the second since 1970 at which it is over.
 */
#include "daemon/control.h"
#include "base/mem.h"
#include "file/replace.h"
#include "setup/files.h"
#include "setup/stores.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAUSE_MAX_SEC = 30 * 86400, FILE_MAX_BYTES = 64 };

static void put_path(const struct daemon *d, struct buf *out)
{
    buf_printf(out, "%s/pause", stores_state_directory(d->started->set));
}

/* The file's writing, on a worker. */
struct saving {
    struct daemon *d;
    owner_id owner;
    struct wall until;
    struct buf path;
    int error;
    bool done, abandoned; /* the worker has ended; the request has, and frees nothing of it */
};

static int write_file(struct saving *s)
{
    char line[32];
    int n = snprintf(line, sizeof(line), "%" PRId64 "\n", s->until.sec);
    return file_replace(buf_cstr(&s->path), slice_of(line, (size_t)n), 0600, FILE_OF_WRITER) == ERR_NONE ? 0 : errno;
}

static void save_work(void *ctx)
{
    struct saving *s = ctx;
    if (s->until.sec != 0)
        s->error = write_file(s);
    else if (unlink(s->path.ptr) != 0 && errno != ENOENT)
        s->error = errno;
}

static void saving_free(struct saving *s)
{
    buf_fini(&s->path);
    free(s);
}

static void save_done(void *ctx)
{
    struct saving *s = ctx;
    if (s->abandoned) {
        saving_free(s);
        return;
    }
    s->done = true;
    ctl_server_wake(s->d->control->server, s->owner);
}

static struct saving *save(struct ctl_request *r, struct wall until)
{
    struct saving *s = mem_zalloc(sizeof(*s));
    s->d = r->ctx;
    s->owner = r->owner;
    s->until = until;
    put_path(s->d, &s->path);
    (void)buf_cstr(&s->path);
    control_change_file(s->d, save_work, save_done, s);
    return s;
}

void control_pause_end(struct ctl_request *r)
{
    struct saving *s = r->state;
    if (!s)
        return;
    if (s->done)
        saving_free(s);
    else
        s->abandoned = true;
}

static void put_in_force(struct daemon *d, struct wall until)
{
    struct event e = {.kind = EVENT_PAUSE};
    e.u.paused_until = until;
    io_feed(d->io, &e);
}

static enum ctl_progress answer(struct ctl_request *r)
{
    struct saving *s = r->state;
    if (!s->done)
        return CTL_WAIT;
    if (s->error == 0)
        return CTL_DONE;
    return ctl_refuse(r, "done, but a restart will not know of it: %s: %s", s->path.ptr, strerror(s->error));
}

/* The word: seconds. It is in force at once, whatever the disk does. */
enum ctl_progress control_pause(struct ctl_request *r)
{
    uint64_t sec;
    if (r->state)
        return answer(r);
    if (slice_to_u64(r->words[0], &sec) != ERR_NONE || sec == 0 || sec > PAUSE_MAX_SEC)
        return ctl_refuse(r, "a pause is 1 second to 30 days long");
    struct wall until = {r->now.wall.sec + (int64_t)sec};
    put_in_force(r->ctx, until);
    r->state = save(r, until);
    ctl_put_pair(r->out, "until", "%" PRId64, until.sec);
    return CTL_WAIT;
}

enum ctl_progress control_resume(struct ctl_request *r)
{
    struct daemon *d = r->ctx;
    if (r->state)
        return answer(r);
    if (engine_paused_until(d->engine).sec == 0)
        return ctl_refuse(r, "there is no pause");
    put_in_force(d, (struct wall){0});
    r->state = save(r, (struct wall){0});
    return CTL_WAIT;
}

void control_restore_pause(struct daemon *d)
{
    struct buf path = {0}, text = {0};
    uint64_t until;
    put_path(d, &path);
    enum err e = file_read(buf_cstr(&path), FILE_MAX_BYTES, &text);
    if (e == ERR_NONE && slice_to_u64(slice_trim(buf_slice(&text), "\n"), &until) == ERR_NONE && until < INT64_MAX)
        put_in_force(d, (struct wall){(int64_t)until});
    else if (e != ERR_NOT_FOUND)
        log_printf(d->log, LOG_LEVEL_WARNING, "pause: %s cannot be read: nothing is paused", buf_cstr(&path));
    buf_fini(&path);
    buf_fini(&text);
}
