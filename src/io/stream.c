/*
 * stream.c - the way out of a connection, an MTA's or a child's: written at the end of the loop's round, queued where the kernel
 * does not take it, and a close that lets all of it out first. Knows neither names nor events; its kind tells whose it is.
 *
 * Why not at once: whoever is written to wakes up. With all writes of a round behind each other a peer with many connections
 * wakes once for all of them and not for each (measured: a tenth more sessions a second with one child), and what several steps
 * say to one connection is one write.
 */
#include "io/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct queued_write {
    uv_write_t req;
    size_t length;
    char bytes[];
};

void stream_read_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    (void)wanted;
    struct io *io = handle->loop->data;
    *buf = uv_buf_init(io->read_buffer, sizeof(io->read_buffer));
}

static void stream_closed(uv_handle_t *handle)
{
    struct io *io = handle->loop->data;
    struct stream *s = CONTAINER_OF(handle, struct stream, uv.handle);
    list_remove(&s->node);
    s->kind->closed(io, s);
    loop_check_stopped(io);
}

void stream_shut(struct stream *s)
{
    if (!uv_is_closing(&s->uv.handle))
        uv_close(&s->uv.handle, stream_closed);
}

static void stream_break(struct io *io, struct stream *s, int error)
{
    s->broken = true;
    s->draining = false;
    if (s->closing)
        stream_shut(s);
    else
        s->kind->broken(io, s, error);
}

/* ---- sending ---- */

static void write_done(uv_write_t *req, int status)
{
    struct stream *s = CONTAINER_OF(req->handle, struct stream, uv.stream);
    struct io *io = req->handle->loop->data;
    struct queued_write *w = CONTAINER_OF(req, struct queued_write, req);
    io->queued_bytes -= w->length;
    free(w);
    if (status == UV_ECANCELED)
        return; /* it is being closed, or did not get its connection */
    if (status < 0) {
        stream_break(io, s, -status);
    } else if (s->uv.stream.write_queue_size == 0) {
        if (s->closing)
            stream_shut(s);
        else if (s->draining)
            stream_drain(io, s);
    }
}

/* One that reads little has only its own bound; all together have one for those that have much. */
static bool may_queue(const struct io *io, const struct stream *s, size_t length)
{
    size_t own = s->uv.stream.write_queue_size + length;
    uint64_t max = io->limits.queues_max_bytes ? io->limits.queues_max_bytes : IO_QUEUES_MAX_BYTES;
    return own <= IO_QUEUE_MAX_BYTES && (own <= IO_QUEUE_FREE_BYTES || io->queued_bytes + length <= max);
}

static void write_queue(struct io *io, struct stream *s, struct slice bytes)
{
    if (!may_queue(io, s, bytes.len)) {
        stream_break(io, s, ENOBUFS);
        return;
    }
    struct queued_write *w = mem_alloc(sizeof(*w) + bytes.len);
    w->length = bytes.len;
    memcpy(w->bytes, bytes.ptr, bytes.len);
    io->queued_bytes += bytes.len;
    uv_buf_t buf = uv_buf_init(w->bytes, (unsigned)bytes.len);
    int r = uv_write(&w->req, &s->uv.stream, &buf, 1, write_done);
    if (r < 0) {
        io->queued_bytes -= w->length;
        free(w);
        stream_break(io, s, -r);
    }
}

static void write_now(struct io *io, struct stream *s, struct slice bytes)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes.ptr, (unsigned)bytes.len);
    int r = uv_try_write(&s->uv.stream, &buf, 1);
    size_t sent = r > 0 ? (size_t)r : 0;
    if (r < 0 && r != UV_EAGAIN)
        stream_break(io, s, -r);
    else if (sent < bytes.len)
        write_queue(io, s, slice_from(bytes, sent));
}

/* ---- the write batch ---- */

/* Buffers stay for the next round, but for those of a round that was far larger than most, and large ones. */
enum { BATCH_KEPT = 64, PENDING_WRITE_KEPT_BYTES = 4096, PENDING_WRITE_MAX_BYTES = 64 * 1024 };

static struct pending_write *pending_write_of(struct io *io, struct stream *s)
{
    if (s->pending == 0) {
        io->batch = mem_grow(io->batch, &io->batch_cap, io->batch_count + 1, sizeof(*io->batch));
        if (io->batch_count == io->batch_used)
            io->batch[io->batch_used++] = (struct pending_write){0};
        io->batch[io->batch_count++].to = s;
        s->pending = (uint32_t)io->batch_count;
    }
    return &io->batch[s->pending - 1];
}

/* A write that fails runs a step, which may write more: the batch may move meanwhile. */
static void pending_write_send(struct io *io, struct stream *s)
{
    if (s->pending == 0)
        return;
    size_t at = s->pending - 1;
    struct buf bytes = io->batch[at].bytes;
    io->batch[at] = (struct pending_write){0};
    s->pending = 0;
    if (!s->broken)
        write_now(io, s, buf_slice(&bytes));
    if (at >= BATCH_KEPT || bytes.cap > PENDING_WRITE_KEPT_BYTES)
        buf_fini(&bytes);
    buf_clear(&bytes);
    io->batch[at].bytes = bytes;
}

void stream_send_all(struct io *io)
{
    for (size_t i = 0; i < io->batch_count; i++)
        if (io->batch[i].to)
            pending_write_send(io, io->batch[i].to);
    io->batch_count = 0;
}

void stream_free_batch(struct io *io)
{
    for (size_t i = 0; i < io->batch_used; i++)
        buf_fini(&io->batch[i].bytes);
    free(io->batch);
}

void stream_send(struct io *io, struct stream *s, const uv_buf_t *bufs, unsigned n)
{
    if (s->broken)
        return;
    struct pending_write *l = pending_write_of(io, s);
    for (unsigned i = 0; i < n; i++)
        buf_put(&l->bytes, bufs[i].base, bufs[i].len);
    if (l->bytes.len >= PENDING_WRITE_MAX_BYTES)
        pending_write_send(io, s);
}

void stream_drain(struct io *io, struct stream *s)
{
    pending_write_send(io, s);
    if (s->broken)
        return;
    s->draining = s->uv.stream.write_queue_size > 0;
    if (!s->draining)
        s->kind->drained(io, s);
}

/* ---- closing ---- */

void stream_close(struct stream *s, struct list *lingering)
{
    s->closing = true;
    s->draining = false;
    pending_write_send(s->uv.handle.loop->data, s);
    if (uv_is_closing(&s->uv.handle))
        return; /* that has broken it */
    uv_read_stop(&s->uv.stream);
    if (s->broken || s->uv.stream.write_queue_size == 0) {
        stream_shut(s);
        return;
    }
    s->linger_till_ms = io_now().mono.ms + s->kind->linger_ms;
    list_push_back(lingering, &s->node);
}

/* All of one kind: in the order of their ends. */
void stream_linger_check(struct list *lingering, int64_t now_ms)
{
    while (!list_is_empty(lingering)) {
        struct stream *s = CONTAINER_OF(lingering->next, struct stream, node);
        if (s->linger_till_ms > now_ms)
            break;
        list_remove(&s->node);
        stream_shut(s);
    }
}
