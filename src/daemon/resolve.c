/*
 * resolve.c - DNS on the loop: the hooks between io and fetch/dns. What is asked for, and what an answer means, is the
 * engine's affair.
 */
#include "daemon/daemon.h"

#include <errno.h>
#include <string.h>

static void answered(void *ctx, const struct event *answer)
{
    struct daemon *d = ctx;
    io_feed(d->io, answer);
}

static void watch_fd(void *ctx, int fd, bool read, bool write)
{
    struct daemon *d = ctx;
    io_watch_fd(d->io, fd, read, write);
}

static void wake(void *ctx)
{
    struct daemon *d = ctx;
    io_dns_soon(d->io);
}

enum err resolve_open(struct daemon *d, struct buf *why)
{
    struct dns_hooks hooks = {.ctx = d, .answered = answered, .watch = watch_fd, .wake = wake};
    errno = 0;
    enum err e = dns_open(&d->dns, &hooks, &dns_limits_default, NULL);
    if (e != ERR_NONE)
        buf_printf(why, "no questions to DNS: %s", errno ? strerror(errno) : err_text(e));
    return e;
}

void resolve_close(struct daemon *d)
{
    dns_close(d->dns);
    d->dns = NULL;
}

/* Without DNS (before it is opened, after it is closed) there is nobody who asks. */
static void hook_dns(void *ctx, const struct effect *e)
{
    struct daemon *d = ctx;
    if (d->dns)
        dns_ask(d->dns, e, io_now().mono);
}

static void hook_fd_ready(void *ctx, int fd, bool readable, bool writable)
{
    struct daemon *d = ctx;
    if (d->dns)
        dns_ready(d->dns, fd, readable, writable, io_now().mono);
}

/* Never within a step, so an answer may be given here. */
static int64_t hook_dns_tick(void *ctx)
{
    struct daemon *d = ctx;
    if (!d->dns)
        return -1;
    struct mono now = io_now().mono;
    dns_deliver(d->dns, now);
    return dns_tick(d->dns, now);
}

void resolve_hooks(struct io_hooks *hooks)
{
    hooks->dns = hook_dns;
    hooks->fd_ready = hook_fd_ready;
    hooks->dns_tick = hook_dns_tick;
}
