/* ask_dns.c - one question to DNS, with poll(2) for a loop. */
#include "cli/ask_dns.h"
#include "fetch/dns/dns.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

enum { SOCKETS_MAX = 16, DEADLINE_MS = 5000 };

struct asking {
    struct pollfd fds[SOCKETS_MAX];
    nfds_t n_fds;
    ask_dns_answered *answered;
    void *ctx;
    bool done;
};

static struct mono now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct mono){(int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000};
}

static void answered(void *ctx, const struct event *answer)
{
    struct asking *a = ctx;
    a->done = true;
    a->answered(a->ctx, answer);
}

/* One that there is no room for is not heard; then the deadline ends it. */
static void watch(void *ctx, int fd, bool read, bool write)
{
    struct asking *a = ctx;
    nfds_t i = 0;
    while (i < a->n_fds && a->fds[i].fd != fd)
        i++;
    if (!read && !write) {
        if (i < a->n_fds)
            a->fds[i] = a->fds[--a->n_fds];
        return;
    }
    if (i == SOCKETS_MAX)
        return;
    a->fds[i] = (struct pollfd){.fd = fd, .events = (short)((read ? POLLIN : 0) | (write ? POLLOUT : 0))};
    if (i == a->n_fds)
        a->n_fds++;
}

/* wait_for() delivers in each round. */
static void wake(void *ctx)
{
    (void)ctx;
}

/* c-ares may change the table while it reads, so the ready ones are copied. */
static void wait_for(struct asking *a, struct dns *dns)
{
    struct mono end = {now().ms + DEADLINE_MS + 1000};
    for (;;) {
        struct mono at = now();
        dns_deliver(dns, at);
        if (a->done || at.ms >= end.ms)
            return;
        int64_t wait_ms = dns_tick(dns, at);
        dns_deliver(dns, at);
        if (a->done)
            return;
        if (wait_ms < 0 || wait_ms > 200)
            wait_ms = 200;
        if (poll(a->fds, a->n_fds, (int)wait_ms) <= 0)
            continue;
        struct pollfd ready[SOCKETS_MAX];
        nfds_t n = a->n_fds;
        memcpy(ready, a->fds, sizeof(ready));
        for (nfds_t i = 0; i < n; i++)
            if (ready[i].revents)
                dns_ready(dns, ready[i].fd, ready[i].revents & (POLLIN | POLLERR | POLLHUP), ready[i].revents & POLLOUT,
                          now());
    }
}

enum err ask_dns(const struct effect *question, const char *server, ask_dns_answered *given, void *ctx, struct buf *why)
{
    struct asking a = {.answered = given, .ctx = ctx};
    const struct dns_hooks hooks = {.ctx = &a, .answered = answered, .watch = watch, .wake = wake};
    struct dns_limits limits = dns_limits_default;
    struct dns *dns;
    limits.deadline_ms = DEADLINE_MS;
    errno = 0;
    enum err e = dns_open(&dns, &hooks, &limits, server);
    if (e != ERR_NONE) {
        buf_printf(why, "no questions to DNS: %s", errno ? strerror(errno) : err_text(e));
        return e;
    }
    dns_ask(dns, question, now());
    wait_for(&a, dns);
    if (!a.done) {
        struct event silence = {.kind = EVENT_DNS, .request = question->request};
        silence.u.dns.status = DNS_FAILED;
        given(ctx, &silence);
    }
    dns_close(dns);
    return ERR_NONE;
}
