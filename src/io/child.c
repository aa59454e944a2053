/*
 * child.c - connections to child milters: the engine's names for them, connecting, reading, and their end. Knows no protocol.
 *
 * A name dies with EFFECT_CHILD_CLOSE and may be given to the next one then, while what was sent to the first one is still on its
 * way out: so the names are a table of their own and an object's memory is given out again only in uv_close's callback.
 *
 * uv_pipe_connect (1.44) is not used: it cuts a long path without a word, and a socket whose queue is full (EAGAIN at once,
 * where a blocking connect would wait) could not be tried again. Here it is tried every IO_TICK_MS until the engine closes it.
 */
#include "io/internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct child *child_find(struct io *io, child_id id)
{
    uint32_t slot = owner_slot(id);
    struct child *c = slot < io->n_child_slots ? io->child_slots[slot] : NULL;
    return c && c->id == id ? c : NULL;
}

static void child_tell(struct io *io, const struct child *c, enum child_news news, int error)
{
    struct event e = {.kind = EVENT_CHILD};
    e.u.child.id = c->id;
    e.u.child.news = news;
    e.u.child.error = error;
    io_feed(io, &e);
}

/* Once; in its turn, so never within the step that asked for something. */
static void child_lost(struct io *io, struct child *c, int error)
{
    uv_read_stop(&c->out.uv.stream);
    c->reading = false;
    if (c->lost || !c->id)
        return;
    c->lost = true;
    c->out.broken = true;
    child_tell(io, c, CHILD_LOST, error);
}

/* ---- as a stream's owner ---- */

/*
 * A child may answer, close, and be written to before its answer is read: what it has said is read first, its end follows. Where
 * the fault is ours (it does not read what we send) there may be no end.
 */
static void child_broken(struct io *io, struct stream *s, int error)
{
    struct child *c = CONTAINER_OF(s, struct child, out);
    c->error = error;
    if (!c->reading || error == ENOBUFS)
        child_lost(io, c, error);
}

static void child_drained(struct io *io, struct stream *s)
{
    child_tell(io, CONTAINER_OF(s, struct child, out), CHILD_DRAINED, 0);
}

static void child_closed(struct io *io, struct stream *s)
{
    struct child *c = CONTAINER_OF(s, struct child, out);
    io->children--;
    io->files -= c->counted;
    list_push_front(&io->child_free, &s->node);
}

static const struct stream_kind child_kind = {
    .linger_ms = IO_CHILD_LINGER_MS, .broken = child_broken, .drained = child_drained, .closed = child_closed};

/* ---- objects and names ---- */

static void chunk_add(struct io *io)
{
    io->child_chunks = mem_grow(io->child_chunks, &io->cap_child_chunks, io->n_child_chunks + 1, sizeof(*io->child_chunks));
    struct child *chunk = mem_zalloc(CHILD_CHUNK * sizeof(*chunk));
    for (size_t i = 0; i < CHILD_CHUNK; i++)
        list_push_back(&io->child_free, &chunk[i].out.node);
    io->child_chunks[io->n_child_chunks++] = chunk;
}

static struct child *child_new(struct io *io, child_id id)
{
    uint32_t slot = owner_slot(id);
    if (slot >= io->n_child_slots) {
        io->child_slots = mem_grow(io->child_slots, &io->cap_child_slots, (size_t)slot + 1, sizeof(*io->child_slots));
        memset(io->child_slots + io->n_child_slots, 0, (io->cap_child_slots - io->n_child_slots) * sizeof(*io->child_slots));
        io->n_child_slots = io->cap_child_slots;
    }
    if (!id || io->child_slots[slot])
        PANIC("a child's name is in use");
    if (list_is_empty(&io->child_free))
        chunk_add(io);
    struct child *c = CONTAINER_OF(io->child_free.next, struct child, out.node);
    list_remove(&c->out.node);
    memset(c, 0, sizeof(*c));
    list_init(&c->out.node);
    c->out.kind = &child_kind;
    c->id = id;
    io->child_slots[slot] = c;
    io->children++;
    return c;
}

/* Behind the loop's end: no handle lives any more. */
void child_free_all(struct io *io)
{
    for (size_t i = 0; i < io->n_child_chunks; i++)
        free(io->child_chunks[i]);
    free(io->child_chunks);
    free(io->child_slots);
}

/* ---- reading ---- */

static void read_done(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct io *io = stream->loop->data;
    struct child *c = CONTAINER_OF(stream, struct child, out.uv.stream);
    if (n < 0) {
        child_lost(io, c, c->error ? c->error : n == UV_EOF ? 0 : (int)-n);
    } else if (n > 0) {
        struct event e = {.kind = EVENT_CHILD};
        e.u.child.id = c->id;
        e.u.child.news = CHILD_BYTES;
        e.u.child.bytes = slice_of(buf->base, (size_t)n);
        io_feed(io, &e);
    }
}

static void read_on(struct child *c)
{
    if (!c->reading)
        c->reading = uv_read_start(&c->out.uv.stream, stream_read_room, read_done) == 0;
}

/* ---- connecting ---- */

static void child_connected(struct io *io, struct child *c)
{
    read_on(c); /* before the step, which may pause it; nothing comes before the loop's next turn */
    child_tell(io, c, CHILD_CONNECTED, 0);
}

/* A unix socket connects at once or not at all. Returns errno's value. */
static int unix_try(struct child *c)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    int error = connect(fd, (const struct sockaddr *)&c->at, sizeof(c->at)) < 0 ? errno : 0;
    if (!error)
        error = -uv_pipe_open(&c->out.uv.pipe, fd);
    if (error)
        close(fd);
    return error;
}

static void unix_connect(struct io *io, struct child *c)
{
    int error = unix_try(c);
    if (error == EAGAIN)
        list_push_back(&io->child_waiting, &c->out.node);
    else if (error)
        child_lost(io, c, error);
    else
        child_connected(io, c);
}

void child_retry(struct io *io)
{
    struct list again;
    list_init(&again);
    while (!list_is_empty(&io->child_waiting)) {
        struct list *node = io->child_waiting.next;
        list_remove(node);
        list_push_back(&again, node);
    }
    while (!list_is_empty(&again)) {
        struct child *c = CONTAINER_OF(again.next, struct child, out.node);
        list_remove(&c->out.node);
        unix_connect(io, c); /* may step; whoever is closed by that leaves this list */
    }
}

static void tcp_connected(uv_connect_t *req, int status)
{
    struct io *io = req->handle->loop->data;
    struct child *c = CONTAINER_OF(req, struct child, connect);
    if (status == UV_ECANCELED || !c->id)
        return; /* it is closed, or being so */
    if (status < 0)
        child_lost(io, c, -status);
    else
        child_connected(io, c);
}

static int tcp_connect(struct child *c, const struct ip *ip, uint16_t port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } to = {0};
    if (ip->family == IP_V4) {
        to.v4.sin_family = AF_INET;
        to.v4.sin_port = htons(port);
        memcpy(&to.v4.sin_addr, ip->bytes, sizeof(to.v4.sin_addr));
    } else if (ip->family == IP_V6) {
        to.v6.sin6_family = AF_INET6;
        to.v6.sin6_port = htons(port);
        memcpy(&to.v6.sin6_addr, ip->bytes, sizeof(to.v6.sin6_addr));
    } else {
        return EAFNOSUPPORT;
    }
    uv_tcp_nodelay(&c->out.uv.tcp, 1); /* remembered until there is a socket */
    return -uv_tcp_connect(&c->connect, &c->out.uv.tcp, &to.any, tcp_connected);
}

/* ---- effects ---- */

void child_open(struct io *io, const struct effect *e)
{
    struct child *c = child_new(io, e->u.child.id);
    const char *path = e->u.child.path;
    if (path)
        uv_pipe_init(&io->loop, &c->out.uv.pipe, 0);
    else
        uv_tcp_init(&io->loop, &c->out.uv.tcp);
    if (!loop_has_file(io)) {
        child_lost(io, c, EMFILE);
        return;
    }
    c->counted = true;
    io->files++;
    if (!path) {
        int error = tcp_connect(c, &e->u.child.address, e->u.child.port);
        if (error)
            child_lost(io, c, error);
        return;
    }
    c->at.sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(c->at.sun_path)) {
        child_lost(io, c, ENAMETOOLONG);
        return;
    }
    memcpy(c->at.sun_path, path, strlen(path));
    unix_connect(io, c);
}

void child_send(struct io *io, child_id id, const uv_buf_t *bufs, unsigned n)
{
    struct child *c = child_find(io, id);
    if (c)
        stream_send(io, &c->out, bufs, n);
}

void child_drain(struct io *io, child_id id)
{
    struct child *c = child_find(io, id);
    if (c)
        stream_drain(io, &c->out);
}

void child_pause(struct io *io, child_id id)
{
    struct child *c = child_find(io, id);
    if (!c)
        return;
    uv_read_stop(&c->out.uv.stream);
    c->reading = false;
    if (c->out.broken) /* nobody would hear of its end */
        child_lost(io, c, c->error);
}

void child_resume(struct io *io, child_id id)
{
    struct child *c = child_find(io, id);
    if (c && !c->lost)
        read_on(c);
}

void child_close(struct io *io, child_id id)
{
    struct child *c = child_find(io, id);
    if (!c)
        return;
    io->child_slots[owner_slot(id)] = NULL;
    c->id = 0;
    list_remove(&c->out.node); /* it may wait for room */
    stream_close(&c->out, &io->child_lingering);
}
