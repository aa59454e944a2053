/*
 * conn.c - connections that were accepted: names, accepting, reading, and their end. Knows no protocol: who hears of a connection is
 * its listener's kind.
 *
 * An object's memory is given out again only in uv_close's callback; its name dies earlier, with EFFECT_CLOSE.
 */
#include "io/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static owner_id conn_id(const struct io *io, const struct conn *c)
{
    return owner_make(io->hooks.kinds[c->kind].owner, c->slot, c->serial);
}

struct conn *conn_find(struct io *io, owner_id session)
{
    uint32_t slot = owner_slot(session);
    if (slot / CONN_CHUNK >= io->n_chunks)
        return NULL;
    struct conn *c = &io->chunks[slot / CONN_CHUNK][slot % CONN_CHUNK];
    return c->open && conn_id(io, c) == session ? c : NULL;
}

/* The engine hears of it once, in its turn; it answers with EFFECT_CLOSE. */
static void conn_eof(struct io *io, struct conn *c)
{
    uv_read_stop(&c->out.uv.stream);
    if (c->eof || !c->open)
        return;
    c->eof = true;
    io_feed(io, &(struct event){.kind = EVENT_EOF, .owner = conn_id(io, c)});
}

/* ---- as a stream's owner ---- */

static void conn_broken(struct io *io, struct stream *s, int error)
{
    (void)error;
    conn_eof(io, CONTAINER_OF(s, struct conn, out));
}

static void conn_drained(struct io *io, struct stream *s)
{
    struct conn *c = CONTAINER_OF(s, struct conn, out);
    io_feed(io, &(struct event){.kind = EVENT_DRAINED, .owner = conn_id(io, c), .request = c->drain_request});
}

static void conn_closed(struct io *io, struct stream *s)
{
    struct conn *c = CONTAINER_OF(s, struct conn, out);
    if (c->overload)
        io->sets[c->kind].overload--;
    else
        io->sets[c->kind].open--;
    list_push_front(&io->free, &s->node);
    for (struct list *at = io->listeners.next; at != &io->listeners && !io->stopping; at = at->next) {
        struct listener *l = CONTAINER_OF(at, struct listener, node);
        if (l->waiting)
            conn_accept(l);
    }
}

static const struct stream_kind conn_kind = {
    .linger_ms = IO_LINGER_MS, .broken = conn_broken, .drained = conn_drained, .closed = conn_closed};

/* ---- objects ---- */

static void chunk_add(struct io *io)
{
    io->chunks = mem_grow(io->chunks, &io->cap_chunks, io->n_chunks + 1, sizeof(*io->chunks));
    struct conn *chunk = mem_zalloc(CONN_CHUNK * sizeof(*chunk));
    for (uint32_t i = 0; i < CONN_CHUNK; i++) {
        chunk[i].slot = (uint32_t)io->n_chunks * CONN_CHUNK + i;
        list_push_back(&io->free, &chunk[i].out.node);
    }
    io->chunks[io->n_chunks++] = chunk;
}

static struct conn *conn_new(struct io *io, enum io_kind kind)
{
    if (list_is_empty(&io->free))
        chunk_add(io);
    struct conn *c = CONTAINER_OF(io->free.next, struct conn, out.node);
    list_remove(&c->out.node);
    uint32_t slot = c->slot, serial = c->serial + 1;
    memset(c, 0, sizeof(*c));
    list_init(&c->out.node);
    c->out.kind = &conn_kind;
    c->kind = (uint8_t)kind;
    c->slot = slot;
    c->serial = serial ? serial : 1; /* so that no name is 0 */
    return c;
}

/* Behind the loop's end: no handle lives any more. */
void conn_free_all(struct io *io)
{
    for (size_t i = 0; i < io->n_chunks; i++)
        free(io->chunks[i]);
    free(io->chunks);
}

/* ---- too many ---- */

static void overload_heard(struct io *io, struct conn *c)
{
    list_remove(&c->out.node);
    list_push_back(&io->sets[c->kind].overload_open, &c->out.node);
    c->out.linger_till_ms = io_now().mono.ms + io->limits.overload_quiet_ms;
}

/*
 * Somebody waits to be answered, and all room is taken: the one that has been quiet for longest goes. It has its answer, or says
 * nothing. Postfix hangs up by itself once it is answered; other MTAs stay until the client's end, and health checks for ever.
 */
void conn_make_room(struct io *io)
{
    int64_t now_ms = io_now().mono.ms;
    for (size_t i = 0; i < IO_KINDS; i++) {
        const struct conn_set *set = &io->sets[i];
        if (set->overload < set->overload_max || list_is_empty(&set->overload_open))
            continue;
        struct stream *s = CONTAINER_OF(set->overload_open.next, struct stream, node);
        if (now_ms >= s->linger_till_ms)
            conn_eof(io, CONTAINER_OF(s, struct conn, out));
    }
}

void conn_step(struct io *io, struct conn *c, const struct event *event)
{
    const struct io_kind_hooks *kind = &io->hooks.kinds[c->kind];
    void (*step)(void *, const struct event *, struct effects *) = c->overload ? kind->overload : kind->step;
    (step ? step : io->hooks.step)(io->hooks.ctx, event, &io->effects);
}

/* ---- reading ---- */

static void read_done(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct io *io = stream->loop->data;
    struct conn *c = CONTAINER_OF(stream, struct conn, out.uv.stream);
    if (n < 0) {
        if (n != UV_EOF)
            c->out.broken = true;
        conn_eof(io, c);
    } else if (n > 0) {
        if (c->overload && c->open)
            overload_heard(io, c);
        struct event e = {.kind = EVENT_BYTES, .owner = conn_id(io, c)};
        e.u.bytes = slice_of(buf->base, (size_t)n);
        io_feed(io, &e);
    }
}

/* ---- accepting ---- */

/* From libuv's callback, or when there is room again for the one that waits. */
void conn_accept(struct listener *l)
{
    struct io *io = l->io;
    struct conn_set *set = &io->sets[l->kind];
    bool overload = set->open >= set->max;
    bool waits = overload && set->overload >= set->overload_max;
    io->listeners_waiting += (uint32_t)waits - (uint32_t)l->waiting;
    l->waiting = waits;
    if (waits) { /* libuv polls the listener again after the next uv_accept */
        conn_make_room(io);
        loop_adjust_ticks(io);
        return;
    }
    struct conn *c = conn_new(io, l->kind);
    c->overload = overload;
    if (overload)
        set->overload++;
    else
        set->open++;
    if (l->path)
        uv_pipe_init(&io->loop, &c->out.uv.pipe, 0);
    else
        uv_tcp_init(&io->loop, &c->out.uv.tcp);
    if (uv_accept(&l->uv.stream, &c->out.uv.stream) < 0) {
        stream_shut(&c->out);
        return;
    }
    c->open = true;
    if (overload)
        overload_heard(io, c);
    owner_id id = conn_id(io, c);
    io_feed(io, &(struct event){.kind = EVENT_OPEN, .owner = id});
    if (conn_find(io, id) && !c->eof)
        uv_read_start(&c->out.uv.stream, stream_read_room, read_done);
}

/* ---- effects ---- */

void conn_send(struct io *io, owner_id session, const uv_buf_t *bufs, unsigned n)
{
    struct conn *c = conn_find(io, session);
    if (c)
        stream_send(io, &c->out, bufs, n);
}

void conn_drain(struct io *io, owner_id session, uint32_t request)
{
    struct conn *c = conn_find(io, session);
    if (!c)
        return;
    c->drain_request = request;
    stream_drain(io, &c->out);
}

void conn_close(struct io *io, owner_id session)
{
    struct conn *c = conn_find(io, session);
    if (!c)
        return;
    c->open = false;
    list_remove(&c->out.node); /* off the overload ones */
    stream_close(&c->out, &io->lingering);
}

/* ---- peers ---- */

/* Linux 4.13: what getgrouplist(3) would tell, but of the process itself, and without asking anybody. */
static void read_groups(int fd, struct io_peer *out)
{
    socklen_t bytes = 64 * sizeof(gid_t);
    for (;;) {
        socklen_t room = bytes;
        gid_t *groups = mem_zalloc(room);
        int r = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes);
        if (r == 0) {
            out->groups = groups;
            out->n_groups = bytes / sizeof(gid_t);
            return;
        }
        free(groups);
        if (errno != ERANGE || bytes <= room)
            return; /* none are known: none count */
    }
}

enum err io_peer(struct io *io, owner_id connection, struct io_peer *out)
{
    *out = (struct io_peer){0};
    struct conn *c = conn_find(io, connection);
    uv_os_fd_t fd;
    struct ucred cred;
    socklen_t len = sizeof(cred);
    if (!c || uv_fileno(&c->out.uv.handle, &fd) < 0)
        return ERR_NOT_FOUND;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.pid == 0)
        return ERR_IO;
    out->uid = cred.uid;
    out->gid = cred.gid;
    out->pid = cred.pid;
    read_groups(fd, out);
    return ERR_NONE;
}

void io_peer_fini(struct io_peer *peer)
{
    free(peer->groups);
    *peer = (struct io_peer){0};
}
