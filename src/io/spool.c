/*
 * spool.c - the files of sessions for what memory should not hold. Each has a queue of requests; one at a time is with a
 * worker, so they are carried out in order. The loop's thread opens, writes, reads and closes nothing: a disk can be slow.
 *
 * While a worker has a file (busy) it alone touches fd, bytes and error.
 */
#include "io/internal.h"
#include "io/spool_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct request {
    struct list node;
    owner_id owner;
    uint32_t number; /* 0: nobody waits */
    bool write;
    uint64_t offset; /* READ */
    int error;
    size_t length;
    char bytes[]; /* to be written; read */
};

struct spool {
    struct list node; /* in its bucket, until it is closed */
    struct io *io;
    uint64_t id;
    uv_work_t work;
    struct list queue; /* the first is with the worker when busy */
    bool busy;
    bool closed;    /* nobody is answered any more */
    bool counted;   /* among io->files */
    int fd;         /* -1: not made yet */
    int error;      /* of a write: what is behind it cannot be written where it belongs */
    uint64_t bytes; /* written */
};

static struct list *spool_bucket(struct io *io, uint64_t id)
{
    return &io->spools[id % SPOOL_BUCKETS];
}

static struct spool *spool_find(struct io *io, uint64_t id)
{
    struct list *bucket = spool_bucket(io, id);
    for (struct list *at = bucket->next; at != bucket; at = at->next) {
        struct spool *s = CONTAINER_OF(at, struct spool, node);
        if (s->id == id)
            return s;
    }
    return NULL;
}

static struct spool *spool_new(struct io *io, uint64_t id)
{
    struct spool *s = mem_zalloc(sizeof(*s));
    s->io = io;
    s->id = id;
    s->fd = -1;
    s->counted = loop_has_file(io);
    s->error = !s->counted ? EMFILE : !io->limits.spool_directory ? ENOENT : 0;
    io->files += s->counted;
    list_init(&s->queue);
    list_push_back(spool_bucket(io, id), &s->node);
    return s;
}

static struct request *queue_first(const struct spool *s)
{
    return list_is_empty(&s->queue) ? NULL : CONTAINER_OF(s->queue.next, struct request, node);
}

static void queue_drop(struct spool *s)
{
    while (!list_is_empty(&s->queue)) {
        struct request *r = queue_first(s);
        list_remove(&r->node);
        free(r);
    }
}

/* ---- on a worker ---- */

static int work_write(struct spool *s, const struct request *r)
{
    if (!s->error && s->fd < 0)
        s->error = spool_file_make(s->io->limits.spool_directory, &s->fd);
    if (!s->error)
        s->error = spool_file_write(s->fd, s->bytes, slice_of(r->bytes, r->length));
    if (!s->error)
        s->bytes += r->length;
    return s->error;
}

/* What a write has failed to put there cannot be read, for the same reason. */
static int work_read(const struct spool *s, struct request *r)
{
    int error = s->fd < 0 ? EIO : spool_file_read(s->fd, r->offset, r->bytes, r->length);
    return error && s->error ? s->error : error;
}

static void work(uv_work_t *uv)
{
    struct spool *s = CONTAINER_OF(uv, struct spool, work);
    struct request *r = queue_first(s);
    if (!r) { /* closed */
        if (s->fd >= 0)
            close(s->fd);
    } else if (r->write) {
        r->error = work_write(s, r);
    } else {
        r->error = work_read(s, r);
    }
}

/* ---- on the loop ---- */

static void spool_go_on(struct spool *s);

static void answer(struct spool *s, const struct request *r)
{
    if (s->closed || !r->number)
        return;
    struct event e = {.kind = EVENT_SPOOL, .owner = r->owner, .request = r->number};
    e.u.spool.ok = !r->error;
    e.u.spool.error = r->error;
    if (!r->write && !r->error)
        e.u.spool.bytes = slice_of(r->bytes, r->length);
    io_feed(s->io, &e);
}

static void work_done(uv_work_t *uv, int status)
{
    (void)status; /* never cancelled */
    struct spool *s = CONTAINER_OF(uv, struct spool, work);
    struct request *r = queue_first(s);
    if (!r) {
        s->io->files -= s->counted;
        free(s);
        return;
    }
    list_remove(&r->node);
    answer(s, r); /* busy still: the step may ask for more, or close it */
    free(r);
    s->busy = false;
    spool_go_on(s);
}

static void spool_go_on(struct spool *s)
{
    if (s->busy)
        return;
    if (s->closed)
        queue_drop(s);
    else if (list_is_empty(&s->queue))
        return;
    s->busy = true;
    if (uv_queue_work(&s->io->loop, &s->work, work, work_done) < 0)
        PANIC("uv_queue_work");
}

static void spool_ask(struct spool *s, const struct effect *e, struct request *r)
{
    r->owner = e->owner;
    r->number = e->request;
    list_push_back(&s->queue, &r->node);
    spool_go_on(s);
}

void spool_write(struct io *io, const struct effect *e)
{
    struct spool *s = spool_find(io, e->u.spool.id);
    if (!s)
        s = spool_new(io, e->u.spool.id);
    struct slice bytes = e->u.spool.bytes;
    struct request *r = mem_alloc(sizeof(*r) + bytes.len);
    *r = (struct request){.write = true, .length = bytes.len};
    if (bytes.len > 0)
        memcpy(r->bytes, bytes.ptr, bytes.len);
    spool_ask(s, e, r);
}

void spool_read(struct io *io, const struct effect *e)
{
    struct spool *s = spool_find(io, e->u.spool.id);
    if (!s || e->u.spool.length > SPOOL_READ_MAX_BYTES)
        PANIC("a read of what was never written");
    struct request *r = mem_alloc(sizeof(*r) + e->u.spool.length);
    *r = (struct request){.offset = e->u.spool.offset, .length = e->u.spool.length};
    spool_ask(s, e, r);
}

static void spool_end(struct spool *s)
{
    list_remove(&s->node);
    s->closed = true;
    spool_go_on(s);
}

void spool_close(struct io *io, uint64_t id)
{
    struct spool *s = spool_find(io, id);
    if (s) /* nothing was written: there is none */
        spool_end(s);
}

void spool_close_all(struct io *io)
{
    for (size_t i = 0; i < SPOOL_BUCKETS; i++) {
        while (!list_is_empty(&io->spools[i]))
            spool_end(CONTAINER_OF(io->spools[i].next, struct spool, node));
    }
}
