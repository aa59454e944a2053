/* DNS on the real loop, wired as the daemon does it: a server in a thread, a step that asks and counts. */
#include "../test.h"
#include "fetch/dns/dns.h"
#include "io/io.h"
#include "message.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { QUESTIONS = 400, NAMES = 40, ROUNDS = 3, STOP_LIMIT_MS = 1000 };

struct world {
    struct io *io;
    struct dns *dns;
    unsigned asked, found, absent, failed, in_step;
    bool stopped;
};

/* The second round asks for what is known, the third for other names. */
static void ask_all(struct world *w, struct effects *out)
{
    unsigned round = w->asked / QUESTIONS;
    for (unsigned i = 0; i < QUESTIONS; i++) {
        unsigned n = i % NAMES;
        struct effect *e = effects_add(out, EFFECT_DNS, 9);
        e->request = ++w->asked;
        e->u.dns.type = DNS_A;
        e->u.dns.name = slice_cstr(arena_printf(&out->arena, "%s%u-%u.example", n == 7 ? "gone" : "n", n, round / 2));
    }
}

static void step(void *ctx, const struct event *e, struct effects *out)
{
    struct world *w = ctx;
    w->in_step++;
    CHECK_INT(w->in_step, 1);
    if (e->kind == EVENT_LIMITS)
        ask_all(w, out);
    if (e->kind == EVENT_DNS) {
        CHECK_INT(e->owner, 9);
        w->found += e->u.dns.status == DNS_FOUND && e->u.dns.n_addresses == 1 && e->u.dns.addresses[0].bytes[3] == 1;
        w->absent += e->u.dns.status == DNS_ABSENT;
        w->failed += e->u.dns.status == DNS_FAILED;
        unsigned answered = w->found + w->absent + w->failed;
        if (answered == w->asked && w->asked < ROUNDS * QUESTIONS)
            ask_all(w, out);
        else if (answered == w->asked)
            io_stop(w->io, 0, STOP_LIMIT_MS);
    }
    if (e->kind == EVENT_STOP) {
        effects_add(out, EFFECT_STOPPED, 0);
        w->stopped = true;
    }
    w->in_step--;
}

static void hook_dns(void *ctx, const struct effect *e)
{
    struct world *w = ctx;
    dns_ask(w->dns, e, io_now().mono);
}

static void hook_fd_ready(void *ctx, int fd, bool readable, bool writable)
{
    struct world *w = ctx;
    dns_ready(w->dns, fd, readable, writable, io_now().mono);
}

static int64_t hook_dns_tick(void *ctx)
{
    struct world *w = ctx;
    struct mono now = io_now().mono;
    dns_deliver(w->dns, now);
    return dns_tick(w->dns, now);
}

static bool wants_ticks(void *ctx)
{
    (void)ctx;
    return false;
}

static void log_line(void *ctx, enum log_level level, struct slice line, const struct journal_entry *about)
{
    (void)about;
    (void)ctx;
    (void)level;
    printf("# %.*s\n", SLICE_ARG(line));
}

static void answered(void *ctx, const struct event *answer)
{
    struct world *w = ctx;
    io_feed(w->io, answer);
}

static void watch_fd(void *ctx, int fd, bool read, bool write)
{
    struct world *w = ctx;
    io_watch_fd(w->io, fd, read, write);
}

static void wake(void *ctx)
{
    struct world *w = ctx;
    io_dns_soon(w->io);
}

/* Until a datagram of one byte comes. */
static void *serve(void *arg)
{
    int fd = *(int *)arg;
    uint8_t in[600];
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    struct buf m = {0};
    for (ssize_t n; (n = recvfrom(fd, in, sizeof(in), 0, (struct sockaddr *)&from, &size)) > 17; size = sizeof(from)) {
        bool gone = in[13] == 'g';
        char name[64];
        snprintf(name, sizeof(name), "%.*s.example", in[12], (const char *)in + 13);
        message_begin(&m, (unsigned)(in[0] << 8 | in[1]), gone ? R_NXDOMAIN : R_NOERROR, name, T_A);
        if (!gone)
            message_address(&m, name, 60, "192.0.2.1");
        (void)!sendto(fd, m.ptr, m.len, 0, (struct sockaddr *)&from, size);
    }
    buf_fini(&m);
    return NULL;
}

static void questions_and_answers(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, serve, &fd), 0);

    struct world w = {0};
    struct io_hooks io_hooks = {.ctx = &w,
                                .step = step,
                                .wants_ticks = wants_ticks,
                                .log = log_line,
                                .dns = hook_dns,
                                .fd_ready = hook_fd_ready,
                                .dns_tick = hook_dns_tick};
    struct dns_hooks dns_hooks = {.ctx = &w, .answered = answered, .watch = watch_fd, .wake = wake};
    char server[32];
    snprintf(server, sizeof(server), "127.0.0.1:%u", ntohs(at.sin_port));
    CHECK_INT(io_new(&w.io, &io_hooks, &(struct io_limits){.sessions_max = 1}), ERR_NONE);
    CHECK_INT(dns_open(&w.dns, &dns_hooks, &dns_limits_default, server), ERR_NONE);
    io_feed(w.io, &(struct event){.kind = EVENT_LIMITS});
    io_run(w.io);
    dns_close(w.dns);
    w.dns = NULL;
    io_free(w.io);
    CHECK(w.stopped);
    CHECK_INT(w.failed, 0);
    CHECK_INT(w.found + w.absent, ROUNDS * QUESTIONS);
    CHECK_INT(w.absent, ROUNDS * QUESTIONS / NAMES);

    CHECK_INT(sendto(fd, "", 1, 0, (struct sockaddr *)&at, sizeof(at)), 1);
    pthread_join(thread, NULL);
    close(fd);
}

int main(void)
{
    TEST(questions_and_answers);
    return TEST_END();
}
