/*
 * load.c - a milter load generator: plays many of Postfix's milter connections at once and measures what comes back. One process,
 * one thread, epoll. Sessions and report are here; what is said on a connection is dialogue.c's.
 */
#include "base/mem.h"
#include "client.h"
#include "latency.h"
#include "load_options.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum slot_state {
    SLOT_FREE,
    SLOT_CONNECTING, /* the filter's queue was full: to be asked again */
    SLOT_TALKING,
};

struct slot {
    enum slot_state state;
    int fd;
    bool want_write, at_rcpt;
    struct dialogue dialogue;
    struct client_pair client;
    uint64_t begun_ns, sent_ns;
    struct buf in, out; /* what is left over of reading and writing; mostly empty */
};

struct load {
    struct load_options o;
    int epoll;
    struct client_server server;
    struct slot *slots;
    uint32_t slots_count, *free_slots, free_count, connecting, at_rcpt;
    struct dialogue_terms *terms; /* newest first */
    struct dialogue_counts counts;
    struct latency rcpt, any; /* replies to RCPT, replies to whatever */
    struct latency whole;     /* sessions, from the connection to their end */
    uint64_t started, finished, errors, late;
    int last_errno;
    uint64_t random;
    struct buf scratch;
    char *read_buf;
};

enum { READ_BYTES = 65536, EVENTS = 256, GRACE_SECONDS = 15 };

static volatile sig_atomic_t stopped;

static void on_signal(int signo)
{
    (void)signo;
    stopped = 1;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* xorshift64*: the order of the tuples is the seed's. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

/* Slots. */

static void slot_close(struct load *l, struct slot *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    l->connecting -= s->state == SLOT_CONNECTING;
    l->at_rcpt -= s->at_rcpt;
    s->at_rcpt = false;
    client_pair_close(&s->client);
    buf_clear(&s->in);
    buf_clear(&s->out);
    s->state = SLOT_FREE;
    l->free_slots[l->free_count++] = (uint32_t)(s - l->slots);
    l->finished++;
}

static void slot_fail(struct load *l, struct slot *s, int e)
{
    l->errors++;
    l->last_errno = e;
    slot_close(l, s);
}

static void slot_watch(struct load *l, struct slot *s, bool want_write)
{
    if (s->want_write == want_write)
        return;
    s->want_write = want_write;
    struct epoll_event ev = {.events = EPOLLIN | (want_write ? EPOLLOUT : 0u), .data.ptr = s};
    epoll_ctl(l->epoll, EPOLL_CTL_MOD, s->fd, &ev);
}

/* Write bytes, keep what does not go. False: the slot is gone. */
static bool slot_write(struct load *l, struct slot *s, struct slice bytes)
{
    ssize_t n = s->out.len > 0 ? 0 : send(s->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != ENOTCONN) {
        slot_fail(l, s, errno);
        return false;
    }
    if (n < 0)
        n = 0;
    if ((size_t)n < bytes.len)
        buf_put_slice(&s->out, slice_from(bytes, (size_t)n));
    slot_watch(l, s, s->out.len > 0);
    return true;
}

static bool slot_flush(struct load *l, struct slot *s)
{
    if (s->out.len == 0)
        return true;
    ssize_t n = send(s->fd, s->out.ptr, s->out.len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != ENOTCONN) {
        slot_fail(l, s, errno);
        return false;
    }
    if (n > 0)
        buf_drop(&s->out, (size_t)n);
    slot_watch(l, s, s->out.len > 0);
    return true;
}

static void slot_connect(struct load *l, struct slot *s)
{
    s->fd = socket_connect(&l->o.filter);
    if (s->fd < 0 && errno == EAGAIN)
        return; /* stays CONNECTING */
    if (s->fd < 0) {
        slot_fail(l, s, errno);
        return;
    }
    l->connecting--;
    s->state = SLOT_TALKING;
    s->want_write = false;
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};
    epoll_ctl(l->epoll, EPOLL_CTL_ADD, s->fd, &ev);
    struct buf first = s->out; /* the offer, put by session_start */
    s->out = (struct buf){0};
    slot_write(l, s, buf_slice(&first));
    buf_fini(&first);
}

/* False: it has failed already; the filter is not there. */
static bool session_start(struct load *l)
{
    struct slot *s = &l->slots[l->free_slots[--l->free_count]];
    uint64_t n = l->started++;
    uint64_t tuple = l->o.tuples > 0 ? next_random(&l->random) % l->o.tuples : l->o.first + n;
    s->state = SLOT_CONNECTING;
    s->begun_ns = now_ns();
    l->connecting++;
    uint16_t port = (uint16_t)(1024 + n % 60000);
    if (l->o.real_clients) {
        uint32_t client = tuple_client(tuple, l->o.dialogue.clients);
        if (client_pair_open(&s->client, &l->server, client) != ERR_NONE) {
            slot_fail(l, s, errno);
            return false;
        }
        port = s->client.client_port;
    }
    dialogue_begin(&s->dialogue, &l->o.dialogue, tuple, port, &s->out);
    slot_connect(l, s);
    return s->state != SLOT_FREE;
}

/* What the filter says. */

/* False: the slot is gone. */
static bool slot_take(struct load *l, struct slot *s, const struct wire_packet *p)
{
    bool was_rcpt = dialogue_at_rcpt(&s->dialogue);
    uint64_t replies = l->counts.replies;
    buf_clear(&l->scratch);
    enum dialogue_next next = dialogue_take(&s->dialogue, &l->o.dialogue, &l->terms, &l->counts, p, &l->scratch);
    if (next == DIALOGUE_BAD) {
        slot_fail(l, s, EPROTO);
        return false;
    }
    uint64_t now = now_ns();
    if (l->counts.replies > replies) {
        latency_add(&l->any, now - s->sent_ns);
        if (was_rcpt)
            latency_add(&l->rcpt, now - s->sent_ns);
    }
    if (l->scratch.len > 0) {
        s->sent_ns = now;
        if (!slot_write(l, s, buf_slice(&l->scratch)))
            return false;
    }
    bool is_rcpt = next == DIALOGUE_WAIT && dialogue_at_rcpt(&s->dialogue);
    l->at_rcpt += (uint32_t)is_rcpt - (uint32_t)s->at_rcpt;
    s->at_rcpt = is_rcpt;
    if (next == DIALOGUE_END) {
        latency_add(&l->whole, now - s->begun_ns);
        slot_close(l, s);
        return false;
    }
    return true;
}

static void slot_read(struct load *l, struct slot *s)
{
    ssize_t n = recv(s->fd, l->read_buf, READ_BYTES, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        slot_fail(l, s, n < 0 ? errno : ECONNRESET);
        return;
    }
    struct slice in = slice_of(l->read_buf, (size_t)n);
    if (s->in.len > 0) {
        buf_put_slice(&s->in, in);
        in = buf_slice(&s->in);
    }
    struct wire_packet p;
    enum wire_result r;
    while ((r = wire_next(&in, WIRE_PACKET_MAX_BYTES, &p)) == WIRE_OK)
        if (!slot_take(l, s, &p))
            return;
    if (r == WIRE_BAD) {
        slot_fail(l, s, EPROTO);
        return;
    }
    if (s->in.len > 0)
        buf_drop(&s->in, s->in.len - in.len);
    else
        buf_put_slice(&s->in, in);
}

static void slot_event(struct load *l, struct slot *s, uint32_t events)
{
    if (s->state != SLOT_TALKING)
        return;
    if ((events & EPOLLOUT) && !slot_flush(l, s))
        return;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        slot_read(l, s);
}

static void poll_events(struct load *l, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(l->epoll, events, EVENTS, timeout_ms);
    for (int i = 0; i < n; i++)
        slot_event(l, events[i].data.ptr, events[i].events);
    for (uint32_t i = 0; l->connecting > 0 && i < l->slots_count; i++)
        if (l->slots[i].state == SLOT_CONNECTING)
            slot_connect(l, &l->slots[i]);
}

/* The run. */

static bool may_start(const struct load *l)
{
    return l->o.sessions == 0 || l->started < l->o.sessions;
}

static uint32_t active(const struct load *l)
{
    return l->slots_count - l->free_count;
}

/*
 * Start what the rate, or the number of free slots, allows by now. False: nobody is there, so that slots come back as fast as
 * they are taken; the next try is another round's, behind a look at the clock.
 */
static bool start_sessions(struct load *l, double elapsed_sec)
{
    uint64_t due = l->o.rate > 0 ? (uint64_t)(elapsed_sec * l->o.rate) + 1 : UINT64_MAX;
    while (may_start(l) && l->free_count > 0 && l->started < due && l->connecting == 0)
        if (!session_start(l))
            return false;
    if (l->o.rate > 0 && l->free_count == 0 && l->started < due)
        l->late++;
    return true;
}

static double run_sessions(struct load *l)
{
    uint64_t begin = now_ns();
    double elapsed = 0;
    while (!stopped && elapsed < l->o.seconds && (may_start(l) || active(l) > 0)) {
        bool started = start_sessions(l, elapsed);
        poll_events(l, !started || l->connecting > 0 || l->o.rate > 0 ? 1 : 100);
        elapsed = (double)(now_ns() - begin) / 1e9;
    }
    double grace = elapsed + GRACE_SECONDS;
    while (!stopped && active(l) > 0 && elapsed < grace) {
        poll_events(l, 100);
        elapsed = (double)(now_ns() - begin) / 1e9;
    }
    return elapsed;
}

static void print_rcpt(const struct load *l)
{
    const struct dialogue_counts *c = &l->counts;
    printf("rcpt_continue=%llu rcpt_accept=%llu rcpt_451=%llu rcpt_421=%llu rcpt_other=%llu progress=%llu "
           "errors=%llu last_error=%s\n",
           (unsigned long long)c->rcpt[ANSWER_CONTINUE], (unsigned long long)c->rcpt[ANSWER_ACCEPT],
           (unsigned long long)c->rcpt[ANSWER_451], (unsigned long long)c->rcpt[ANSWER_421],
           (unsigned long long)c->rcpt[ANSWER_OTHER], (unsigned long long)c->progress, (unsigned long long)l->errors,
           l->errors > 0 ? strerrorname_np(l->last_errno) : "none");
    fflush(stdout);
}

/* What the load itself costs: near one whole core it measures itself and no longer the filter. */
static double own_cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void print_report(const struct load *l, double seconds)
{
    const struct dialogue_counts *c = &l->counts;
    uint64_t complete = l->finished - l->errors;
    printf("sessions=%llu unfinished=%u replies=%llu seconds=%.3f sessions_per_second=%.1f "
           "replies_per_second=%.1f ",
           (unsigned long long)complete, active(l), (unsigned long long)c->replies, seconds, (double)complete / seconds,
           (double)c->replies / seconds);
    printf("rcpt_p50_us=%.1f rcpt_p90_us=%.1f rcpt_p99_us=%.1f rcpt_max_us=%.1f ", latency_quantile_us(&l->rcpt, 0.5),
           latency_quantile_us(&l->rcpt, 0.9), latency_quantile_us(&l->rcpt, 0.99), (double)l->rcpt.max_ns / 1000);
    printf("session_p50_us=%.1f session_p99_us=%.1f session_max_us=%.1f ", latency_quantile_us(&l->whole, 0.5),
           latency_quantile_us(&l->whole, 0.99), (double)l->whole.max_ns / 1000);
    printf("reply_p50_us=%.1f reply_p99_us=%.1f reply_max_us=%.1f load_cpu=%.2f ", latency_quantile_us(&l->any, 0.5),
           latency_quantile_us(&l->any, 0.99), (double)l->any.max_ns / 1000, own_cpu_seconds() / seconds);
    printf("continue=%llu accept=%llu 451=%llu 421=%llu other=%llu edits=%llu messages=%llu late=%llu "
           "accept_at=%s ",
           (unsigned long long)c->all[ANSWER_CONTINUE], (unsigned long long)c->all[ANSWER_ACCEPT],
           (unsigned long long)c->all[ANSWER_451], (unsigned long long)c->all[ANSWER_421],
           (unsigned long long)c->all[ANSWER_OTHER], (unsigned long long)c->edits, (unsigned long long)c->messages,
           (unsigned long long)l->late, c->accept_at ? milter_command_name(c->accept_at) : "none");
    print_rcpt(l);
}

static void print_terms(const struct load *l)
{
    static const char *const stages[SMFIM_STAGES] = {"connect", "helo", "mail", "rcpt", "data", "eom", "eoh"};
    for (const struct dialogue_terms *t = l->terms; t; t = t->next) {
        printf("version=%u actions=%x steps=%x\n", t->options.version, t->options.actions, t->options.steps);
        for (unsigned i = 0; i < SMFIM_STAGES; i++)
            if (t->options.symlist[i].ptr)
                printf("macros=%s=%.*s\n", stages[i], SLICE_ARG(t->options.symlist[i]));
    }
}

/* Bring all sessions to RCPT, at most `concurrent` of them on their way at a time; then watch. */
static void run_hold(struct load *l)
{
    uint64_t begin = now_ns();
    double elapsed = 0;
    while (!stopped && elapsed < 300 && (l->started < l->o.hold || active(l) > l->at_rcpt)) {
        while (l->started < l->o.hold && active(l) - l->at_rcpt < l->o.concurrent && l->connecting == 0)
            session_start(l);
        poll_events(l, l->connecting > 0 ? 1 : 100);
        elapsed = (double)(now_ns() - begin) / 1e9;
    }
    printf("held=%u opening_seconds=%.3f ", l->at_rcpt, elapsed);
    print_rcpt(l);
    uint64_t start = now_ns();
    double kept = 0;
    while (!stopped && kept < l->o.seconds && active(l) > 0) {
        poll_events(l, 100);
        kept = (double)(now_ns() - start) / 1e9;
    }
    printf("held=%u kept_seconds=%.3f ", l->at_rcpt, kept);
    print_rcpt(l);
}

static void load_init(struct load *l)
{
    l->slots_count = l->o.hold > 0 ? l->o.hold : l->o.concurrent;
    uint64_t files = socket_raise_files(), want = (uint64_t)l->slots_count * (l->o.real_clients ? 3 : 1) + 16;
    if (files < want) {
        fprintf(stderr, "load: needs %llu open files, may have %llu; use several processes\n", (unsigned long long)want,
                (unsigned long long)files);
        exit(69);
    }
    if (l->o.real_clients && client_server_open(&l->server, l->o.dialogue.daemon_address) != ERR_NONE) {
        fprintf(stderr, "load: %s: %s\n", l->o.dialogue.daemon_address, strerror(errno));
        exit(69);
    }
    if (l->o.real_clients)
        l->o.dialogue.daemon_port = l->server.port;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->slots = mem_zalloc(l->slots_count * sizeof(*l->slots));
    l->free_slots = mem_zalloc(l->slots_count * sizeof(*l->free_slots));
    for (uint32_t i = l->slots_count; i-- > 0;) {
        l->slots[i].fd = l->slots[i].client.client = l->slots[i].client.server = -1;
        l->free_slots[l->free_count++] = i;
    }
    l->random = l->o.seed;
    l->read_buf = mem_alloc(READ_BYTES);
}

static void load_fini(struct load *l)
{
    for (uint32_t i = 0; i < l->slots_count; i++) {
        struct slot *s = &l->slots[i];
        if (s->state != SLOT_FREE)
            slot_close(l, s);
        buf_fini(&s->in);
        buf_fini(&s->out);
    }
    if (l->o.real_clients)
        client_server_close(&l->server);
    close(l->epoll);
    dialogue_terms_free(l->terms);
    buf_fini(&l->scratch);
    free(l->slots);
    free(l->free_slots);
    free(l->read_buf);
    free(l);
}

int main(int argc, char **argv)
{
    struct load *l = mem_zalloc(sizeof(*l));
    load_options_parse(&l->o, argc, argv);
    load_init(l);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    if (l->o.hold > 0)
        run_hold(l);
    else
        print_report(l, run_sessions(l));
    if (l->o.show_terms)
        print_terms(l);
    bool failed = l->errors > 0;
    if (failed && !l->terms)
        fprintf(stderr, "load: no filter answers there: %s\n", strerror(l->last_errno));
    load_fini(l);
    return failed;
}
