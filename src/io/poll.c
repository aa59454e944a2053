/* poll.c - descriptors that somebody else owns (the DNS library's sockets), watched for reading and writing. */
#include "io/internal.h"

#include <stdlib.h>

struct watch {
    struct list node;
    uv_poll_t uv;
    int fd;
};

static struct watch *watch_find(struct io *io, int fd)
{
    for (struct list *at = io->watches.next; at != &io->watches; at = at->next) {
        struct watch *w = CONTAINER_OF(at, struct watch, node);
        if (w->fd == fd)
            return w;
    }
    return NULL;
}

static void watch_closed(uv_handle_t *handle)
{
    free(CONTAINER_OF((uv_poll_t *)handle, struct watch, uv));
}

/* Its descriptor may be closed, and its number be another's, as soon as this returns: it is out of epoll by then. */
static void watch_end(struct watch *w)
{
    uv_poll_stop(&w->uv);
    list_remove(&w->node);
    uv_close((uv_handle_t *)&w->uv, watch_closed);
}

static void ready(uv_poll_t *uv, int status, int events)
{
    struct io *io = uv->loop->data;
    struct watch *w = CONTAINER_OF(uv, struct watch, uv);
    /* An error is told as both: reading and writing will find it. */
    io->hooks.fd_ready(io->hooks.ctx, w->fd, status < 0 || (events & UV_READABLE), status < 0 || (events & UV_WRITABLE));
    io_dns_soon(io);
}

void io_watch_fd(struct io *io, int fd, bool read, bool write)
{
    struct watch *w = watch_find(io, fd);
    if (!read && !write) {
        if (w)
            watch_end(w);
        return;
    }
    if (!w) {
        w = mem_zalloc(sizeof(*w));
        w->fd = fd;
        if (uv_poll_init(&io->loop, &w->uv, fd) < 0) { /* no socket: it is never ready, its owner's time-out tells */
            free(w);
            return;
        }
        list_push_back(&io->watches, &w->node);
    }
    uv_poll_start(&w->uv, (read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0), ready);
}

void poll_end_all(struct io *io)
{
    while (!list_is_empty(&io->watches))
        watch_end(CONTAINER_OF(io->watches.next, struct watch, node));
}
