/*
 * stream.c - the way out of a connection, an MTA's or a child's: written at once where the kernel takes it, queued where not,
 * and a close that lets the queue out first. Knows neither names nor events; its kind tells whose it is.
 */
#include "io/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct queued_write {
    uv_write_t req;
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
    free(CONTAINER_OF(req, struct queued_write, req));
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

static void write_queue(struct io *io, struct stream *s, const uv_buf_t *bufs, unsigned n, size_t skip)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < n; i++)
        bytes += bufs[i].len;
    bytes -= skip;
    if (s->uv.stream.write_queue_size + bytes > IO_QUEUE_MAX_BYTES) {
        stream_break(io, s, ENOBUFS);
        return;
    }
    struct queued_write *w = mem_alloc(sizeof(*w) + bytes);
    char *at = w->bytes;
    for (unsigned i = 0; i < n; i++) {
        size_t off = skip < bufs[i].len ? skip : bufs[i].len;
        memcpy(at, bufs[i].base + off, bufs[i].len - off);
        at += bufs[i].len - off;
        skip -= off;
    }
    uv_buf_t buf = uv_buf_init(w->bytes, (unsigned)bytes);
    int r = uv_write(&w->req, &s->uv.stream, &buf, 1, write_done);
    if (r < 0) {
        free(w);
        stream_break(io, s, -r);
    }
}

void stream_send(struct io *io, struct stream *s, const uv_buf_t *bufs, unsigned n)
{
    if (s->broken)
        return;
    size_t bytes = 0, sent = 0;
    for (unsigned i = 0; i < n; i++)
        bytes += bufs[i].len;
    int r = uv_try_write(&s->uv.stream, bufs, n);
    if (r >= 0)
        sent = (size_t)r;
    else if (r != UV_EAGAIN) {
        stream_break(io, s, -r);
        return;
    }
    if (sent < bytes)
        write_queue(io, s, bufs, n, sent);
}

void stream_drain(struct io *io, struct stream *s)
{
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
