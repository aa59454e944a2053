/*
 * conn.c - connections of MTAs: names, reading, writing, closing. Knows no protocol.
 *
 * An object's memory is given out again only in uv_close's callback; its name dies earlier, with EFFECT_CLOSE.
 */
#include "io/internal.h"

#include <stdlib.h>
#include <string.h>

struct queued_write {
    uv_write_t req;
    char bytes[];
};

static session_id conn_id(const struct conn *c)
{
    return session_id_make(c->slot, c->serial);
}

struct conn *conn_find(struct io *io, session_id session)
{
    uint32_t slot = session_id_slot(session);
    if (slot / CONN_CHUNK >= io->n_chunks)
        return NULL;
    struct conn *c = &io->chunks[slot / CONN_CHUNK][slot % CONN_CHUNK];
    return c->open && c->serial == session_id_serial(session) ? c : NULL;
}

static void chunk_add(struct io *io)
{
    io->chunks = mem_grow(io->chunks, &io->cap_chunks, io->n_chunks + 1, sizeof(*io->chunks));
    struct conn *chunk = mem_zalloc(CONN_CHUNK * sizeof(*chunk));
    for (uint32_t i = 0; i < CONN_CHUNK; i++) {
        chunk[i].slot = (uint32_t)io->n_chunks * CONN_CHUNK + i;
        list_push_back(&io->free, &chunk[i].node);
    }
    io->chunks[io->n_chunks++] = chunk;
}

static struct conn *conn_new(struct io *io)
{
    if (list_is_empty(&io->free))
        chunk_add(io);
    struct conn *c = CONTAINER_OF(io->free.next, struct conn, node);
    list_remove(&c->node);
    uint32_t slot = c->slot, serial = c->serial + 1;
    memset(c, 0, sizeof(*c));
    list_init(&c->node);
    c->slot = slot;
    c->serial = serial ? serial : 1; /* so that no name is 0 */
    return c;
}

static void conn_closed(uv_handle_t *handle)
{
    struct io *io = handle->loop->data;
    struct conn *c = CONTAINER_OF(handle, struct conn, uv.handle);
    if (c->surplus)
        io->surplus--;
    else
        io->sessions--;
    list_remove(&c->node);
    list_push_front(&io->free, &c->node);
    for (struct list *at = io->listeners.next; at != &io->listeners; at = at->next) {
        struct listener *l = CONTAINER_OF(at, struct listener, node);
        if (l->waiting && !io->stopping) {
            l->waiting = false;
            conn_accept(l);
        }
    }
    loop_check_stopped(io);
}

static void conn_shut(struct conn *c)
{
    if (!uv_is_closing(&c->uv.handle))
        uv_close(&c->uv.handle, conn_closed);
}

/* The engine hears of it once, in its turn; it answers with EFFECT_CLOSE. */
static void conn_eof(struct io *io, struct conn *c)
{
    uv_read_stop(&c->uv.stream);
    if (c->eof || !c->open)
        return;
    c->eof = true;
    io_feed(io, &(struct event){.kind = EVENT_EOF, .session = conn_id(c)});
}

static void conn_break(struct io *io, struct conn *c)
{
    c->broken = true;
    if (c->closing)
        conn_shut(c);
    else
        conn_eof(io, c);
}

/* ---- reading ---- */

static void read_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    (void)wanted;
    struct io *io = handle->loop->data;
    *buf = uv_buf_init(io->read_buffer, sizeof(io->read_buffer));
}

static void read_done(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct io *io = stream->loop->data;
    struct conn *c = CONTAINER_OF(stream, struct conn, uv.stream);
    if (n < 0) {
        if (n != UV_EOF)
            c->broken = true;
        conn_eof(io, c);
    } else if (n > 0) {
        struct event e = {.kind = EVENT_BYTES, .session = conn_id(c)};
        e.u.bytes = slice_of(buf->base, (size_t)n);
        io_feed(io, &e);
    }
}

/* ---- accepting ---- */

/* From libuv's callback, or when there is room again for the one that waits. */
void conn_accept(struct listener *l)
{
    struct io *io = l->io;
    bool surplus = io->sessions >= io->sessions_max;
    if (surplus && io->surplus >= IO_SURPLUS_MAX) {
        l->waiting = true; /* libuv polls the listener again after the next uv_accept */
        return;
    }
    struct conn *c = conn_new(io);
    c->surplus = surplus;
    if (surplus)
        io->surplus++;
    else
        io->sessions++;
    if (l->is_unix)
        uv_pipe_init(&io->loop, &c->uv.pipe, 0);
    else
        uv_tcp_init(&io->loop, &c->uv.tcp);
    if (uv_accept(&l->uv.stream, &c->uv.stream) < 0) {
        conn_shut(c);
        return;
    }
    c->open = true;
    session_id id = conn_id(c);
    io_feed(io, &(struct event){.kind = EVENT_OPEN, .session = id});
    if (conn_find(io, id) && !c->eof)
        uv_read_start(&c->uv.stream, read_room, read_done);
}

/* ---- writing ---- */

static void write_done(uv_write_t *req, int status)
{
    struct conn *c = CONTAINER_OF(req->handle, struct conn, uv.stream);
    struct io *io = req->handle->loop->data;
    free(CONTAINER_OF(req, struct queued_write, req));
    if (status == UV_ECANCELED)
        return; /* it is being closed */
    if (status < 0)
        conn_break(io, c);
    else if (c->closing && c->uv.stream.write_queue_size == 0)
        conn_shut(c);
}

static void write_queue(struct io *io, struct conn *c, const uv_buf_t *bufs, unsigned n, size_t skip)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < n; i++)
        bytes += bufs[i].len;
    bytes -= skip;
    if (c->uv.stream.write_queue_size + bytes > IO_QUEUE_MAX_BYTES) {
        conn_break(io, c);
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
    if (uv_write(&w->req, &c->uv.stream, &buf, 1, write_done) < 0) {
        free(w);
        conn_break(io, c);
    }
}

void conn_send(struct io *io, session_id session, const uv_buf_t *bufs, unsigned n)
{
    struct conn *c = conn_find(io, session);
    if (!c || c->broken)
        return;
    size_t bytes = 0, sent = 0;
    for (unsigned i = 0; i < n; i++)
        bytes += bufs[i].len;
    int r = uv_try_write(&c->uv.stream, bufs, n);
    if (r >= 0)
        sent = (size_t)r;
    else if (r != UV_EAGAIN) {
        conn_break(io, c);
        return;
    }
    if (sent < bytes)
        write_queue(io, c, bufs, n, sent);
}

void conn_close(struct io *io, session_id session)
{
    struct conn *c = conn_find(io, session);
    if (!c)
        return;
    c->open = false;
    c->closing = true;
    uv_read_stop(&c->uv.stream);
    if (c->broken || c->uv.stream.write_queue_size == 0) {
        conn_shut(c);
        return;
    }
    c->linger_till_ms = io_now().mono.ms + IO_LINGER_MS;
    list_push_back(&io->lingering, &c->node);
}

void conn_linger_check(struct io *io, int64_t now_ms)
{
    while (!list_is_empty(&io->lingering)) {
        struct conn *c = CONTAINER_OF(io->lingering.next, struct conn, node);
        if (c->linger_till_ms > now_ms)
            break; /* in the order of their ends */
        list_remove(&c->node);
        conn_shut(c);
    }
}

/* Behind the loop's end: no handle lives any more. */
void conn_free_all(struct io *io)
{
    for (size_t i = 0; i < io->n_chunks; i++)
        free(io->chunks[i]);
    free(io->chunks);
}
