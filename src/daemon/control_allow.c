/*
 * control_allow.c - `allow list`, `allow add` and `allow remove`: who is let in by hand. The file is changed on a worker; what is then in
 * it comes into force on the loop.
 */
#include "base/mem.h"
#include "daemon/control.h"
#include "setup/allow_file.h"
#include "setup/stores.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- list ---- */

struct allow_listing {
    struct allows *allows; /* as it was when it was asked for */
    size_t next;
};

static void put_entry(const struct allow_entry *e, struct buf *out)
{
    struct arena arena = {0};
    struct slice fields[ALLOW_FIELDS];
    allow_fields(e, &arena, fields);
    ctl_put_row(out, fields, ALLOW_FIELDS);
    arena_fini(&arena);
}

enum ctl_progress control_allow_list(struct ctl_request *r)
{
    const struct daemon *d = r->ctx;
    struct allow_listing *l = r->state;
    if (!l) {
        l = r->state = mem_zalloc(sizeof(*l));
        l->allows = d->allows ? allows_ref(d->allows) : allows_new();
    }
    while (r->out->len < CTL_SLICE_BYTES && l->next < allows_count(l->allows)) {
        const struct allow_entry *e = allows_at(l->allows, l->next++);
        if (!e->until_sec || e->until_sec > r->now.wall.sec)
            put_entry(e, r->out);
    }
    return l->next == allows_count(l->allows) ? CTL_DONE : CTL_MORE;
}

void control_allow_list_end(struct ctl_request *r)
{
    struct allow_listing *l = r->state;
    if (l)
        allows_unref(l->allows);
    free(l);
}

/* ---- changes ---- */

/* The worker's until `done`; then the request's, or nobody's. */
struct allow_job {
    struct daemon *d;
    owner_id owner;
    struct arena arena; /* of all text */
    const char *directory;
    struct allow_entry entry;
    const char *remove; /* NULL: the entry is added */
    const char *by;
    struct wall now;
    struct allows *allows;
    enum err result;
    struct buf why;
    bool is_done, is_orphan; /* orphan: the client has hung up */
};

static void free_job(struct allow_job *j)
{
    arena_fini(&j->arena);
    allows_unref(j->allows);
    buf_fini(&j->why);
    free(j);
}

static void job_work(void *ctx)
{
    struct allow_job *j = ctx;
    struct allow_change change = {.add = j->remove ? NULL : &j->entry, .remove = j->remove};
    j->result = allow_file_change(j->directory, &change, j->now, &j->allows, &j->why);
}

static void job_done(void *ctx)
{
    struct allow_job *j = ctx;
    j->is_done = true;
    if (j->result == ERR_NONE) {
        daemon_take_allows(j->d, j->allows);
        j->allows = NULL;
    }
    if (j->is_orphan)
        free_job(j);
    else
        ctl_server_wake(j->d->control->server, j->owner);
}

static struct allow_job *new_job(struct ctl_request *r)
{
    struct daemon *d = r->ctx;
    struct allow_job *j = mem_zalloc(sizeof(*j));
    j->d = d;
    j->owner = r->owner;
    j->now = r->now.wall;
    j->directory = stores_state_directory(d->started->set);
    j->by = arena_printf(&j->arena, "uid %u, pid %d", (unsigned)r->peer.uid, (int)r->peer.pid);
    return j;
}

/* key=value words: criteria, `for` in seconds, `reason`. Returns what is wrong, or NULL. */
static const char *take_words(struct allow_job *j, const struct slice *words, size_t n)
{
    struct allow_entry *e = &j->entry;
    e->added_sec = j->now.sec;
    e->by = slice_cstr(j->by);
    for (size_t i = 0; i < n; i++) {
        struct slice value = arena_slice(&j->arena, words[i]), key = slice_cut(&value, '=');
        uint64_t sec;
        if (!value.ptr)
            return "a word is not of the form key=value";
        if (slice_eq_cstr(key, "reason")) {
            e->reason = value;
        } else if (slice_eq_cstr(key, "for")) {
            if (slice_to_u64(value, &sec) != ERR_NONE || sec == 0 || sec > INT32_MAX)
                return "`for` is a number of seconds";
            e->until_sec = j->now.sec + (int64_t)sec;
        } else {
            const char *wrong = allow_take(e, arena_cstr(&j->arena, key), value);
            if (wrong)
                return wrong;
        }
    }
    return NULL;
}

static enum ctl_progress finish(struct ctl_request *r, struct allow_job *j)
{
    if (j->result != ERR_NONE)
        return ctl_refuse(r, "%s", buf_cstr(&j->why));
    if (!j->remove)
        put_entry(&j->entry, r->out);
    return CTL_DONE;
}

static enum ctl_progress begin(struct ctl_request *r, struct allow_job *j)
{
    r->state = j;
    control_change_file(j->d, job_work, job_done, j);
    return CTL_WAIT;
}

enum ctl_progress control_allow_add(struct ctl_request *r)
{
    struct allow_job *j = r->state;
    if (j)
        return j->is_done ? finish(r, j) : CTL_WAIT;
    j = new_job(r);
    const char *wrong = take_words(j, r->words, r->n_words);
    if (!wrong)
        return begin(r, j);
    free_job(j);
    return ctl_refuse(r, "%s", wrong);
}

enum ctl_progress control_allow_remove(struct ctl_request *r)
{
    struct allow_job *j = r->state;
    if (j)
        return j->is_done ? finish(r, j) : CTL_WAIT;
    j = new_job(r);
    j->remove = arena_cstr(&j->arena, r->words[0]);
    return begin(r, j);
}

void control_allow_end(struct ctl_request *r)
{
    struct allow_job *j = r->state;
    if (!j)
        return;
    if (j->is_done)
        free_job(j);
    else
        j->is_orphan = true;
}
