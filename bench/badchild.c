/*
 * badchild.c - a milter to be afraid of, for soaks: each connection edits, dies, stalls, lies or behaves by chance (mischief.c), and
 * now and then the whole of it goes away for a moment, as a milter does that is started anew. Prints at its end what it did.
 */
#include "base/mem.h"
#include "mischief.h"
#include "socket.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char usage[] = "usage: badchild --listen unix:PATH|inet:PORT@ADDRESS [options]\n"
                            "  --seed N       of what happens (1)\n"
                            "  --stall N      of 1000 connections so many fall silent and stay open (10)\n"
                            "  --refuse       refuse mail too\n"
                            "  --restart N    go away for a moment about every N connections (never)\n";

struct connection {
    struct connection *prev, *next;
    int fd;
    struct mischief mischief;
    struct buf in; /* an unfinished packet; mostly empty */
};

struct badchild {
    struct socket_address address;
    struct mischief_settings settings;
    uint64_t random, restart_every, until_restart, connections, restarts, done[MISCHIEF_KINDS];
    int epoll, listener; /* -1: away */
    struct timespec back_at;
    struct connection all; /* the ring's head */
    struct buf out;
    char read_buf[65536];
};

static volatile sig_atomic_t stopped;

static void on_signal(int signo)
{
    (void)signo;
    stopped = 1;
}

static void drop(struct badchild *b, struct connection *c)
{
    b->done[c->mischief.done ? c->mischief.kind : MISCHIEF_NONE]++;
    c->prev->next = c->next;
    c->next->prev = c->prev;
    close(c->fd);
    buf_fini(&c->in);
    free(c);
}

/* Coming and going. */

static void come(struct badchild *b)
{
    b->listener = socket_listen(&b->address);
    if (b->listener < 0) {
        perror("badchild");
        exit(69);
    }
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(b->epoll, EPOLL_CTL_ADD, b->listener, &ev);
    b->until_restart = b->restart_every / 2 + mischief_random(&b->random, (unsigned)b->restart_every + 1);
}

/* All connections die with it. Its socket file stays behind (refused), or does not (no such file). */
static void leave(struct badchild *b)
{
    close(b->listener);
    b->listener = -1;
    if (b->address.storage.ss_family == AF_UNIX && mischief_random(&b->random, 2))
        unlink(((const struct sockaddr_un *)&b->address.storage)->sun_path);
    while (b->all.next != &b->all)
        drop(b, b->all.next);
    b->restarts++;
    clock_gettime(CLOCK_MONOTONIC, &b->back_at);
    b->back_at.tv_nsec += (long)(50 + mischief_random(&b->random, 250)) * 1000000;
}

static bool back_is_due(const struct badchild *b)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - b->back_at.tv_sec) * 1000000000 + (now.tv_nsec - b->back_at.tv_nsec) >= 0;
}

/* Connections. */

static void accept_connections(struct badchild *b)
{
    for (int fd; (fd = accept4(b->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        struct connection *c = mem_zalloc(sizeof(*c));
        c->fd = fd;
        c->prev = &b->all;
        c->next = b->all.next;
        c->prev->next = c->next->prev = c;
        mischief_draw(&c->mischief, &b->settings, &b->random);
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &ev);
        b->connections++;
    }
}

static void block(struct badchild *b, struct connection *c)
{
    struct epoll_event ev = {.events = 0, .data.ptr = c}; /* its hang-up is told all the same */
    epoll_ctl(b->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

/* False: the connection is over. */
static bool read_connection(struct badchild *b, struct connection *c)
{
    ssize_t n = recv(c->fd, b->read_buf, sizeof(b->read_buf), 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    struct slice in = slice_of(b->read_buf, (size_t)n);
    if (c->mischief.done && (c->mischief.kind == MISCHIEF_STALL || c->mischief.kind == MISCHIEF_NOISE))
        return true;
    if (c->in.len > 0) {
        buf_put_slice(&c->in, in);
        in = buf_slice(&c->in);
    }
    buf_clear(&b->out);
    enum mischief_next next = MISCHIEF_GO_ON;
    enum wire_result w;
    struct wire_packet p;
    while (next == MISCHIEF_GO_ON && (w = wire_next(&in, WIRE_PACKET_MAX_BYTES, &p)) != WIRE_MORE)
        next = w == WIRE_OK ? mischief_take(&c->mischief, &p, &b->random, &b->out) : MISCHIEF_CLOSE;
    if (c->in.len > 0)
        buf_drop(&c->in, c->in.len - in.len);
    else
        buf_put_slice(&c->in, in);
    /* what does not go at once does not go: a filter that is waited for, and dies */
    if (b->out.len > 0 && send(c->fd, b->out.ptr, b->out.len, MSG_NOSIGNAL) != (ssize_t)b->out.len)
        return false;
    if (next == MISCHIEF_BLOCK)
        block(b, c);
    return next != MISCHIEF_CLOSE;
}

static void handle(struct badchild *b, const struct epoll_event *e)
{
    if (!e->data.ptr)
        accept_connections(b);
    else if ((e->events & (EPOLLHUP | EPOLLERR) && !(e->events & EPOLLIN)) || !read_connection(b, e->data.ptr))
        drop(b, e->data.ptr);
}

static void run(struct badchild *b)
{
    come(b);
    while (!stopped) {
        struct epoll_event events[256];
        int n = epoll_wait(b->epoll, events, COUNT_OF(events), b->listener < 0 ? 10 : 1000);
        for (int i = 0; i < n; i++)
            handle(b, &events[i]);
        /* behind the events, which name connections */
        if (b->listener >= 0 && b->restart_every > 0 && b->connections >= b->until_restart) {
            leave(b);
        } else if (b->listener < 0 && back_is_due(b)) {
            come(b);
            b->until_restart += b->connections;
        }
    }
}

static void print_report(const struct badchild *b)
{
    printf("connections=%llu restarts=%llu", (unsigned long long)b->connections, (unsigned long long)b->restarts);
    for (unsigned i = 0; i < MISCHIEF_KINDS; i++)
        printf(" %s=%llu", mischief_name((enum mischief_kind)i), (unsigned long long)b->done[i]);
    putchar('\n');
}

static void parse_options(struct badchild *b, int argc, char **argv)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},  {"seed", required_argument, NULL, 's'},
        {"stall", required_argument, NULL, 'S'},   {"refuse", no_argument, NULL, 'r'},
        {"restart", required_argument, NULL, 'R'}, {NULL, 0, NULL, 0}};
    bool ok = true;
    for (int c; ok && (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        uint64_t n = 0;
        if (c == 'l')
            ok = socket_parse(optarg, &b->address) == ERR_NONE;
        else if (c == 'r')
            b->settings.refuse = true;
        else
            ok = c != '?' && slice_to_u64(slice_cstr(optarg), &n) == ERR_NONE && n < 1u << 30;
        if (c == 's')
            b->random = n;
        else if (c == 'S')
            b->settings.stall_permille = (unsigned)n;
        else if (c == 'R')
            b->restart_every = n;
    }
    if (!ok || optind != argc || b->address.len == 0) {
        fputs(usage, stderr);
        exit(64);
    }
}

int main(int argc, char **argv)
{
    static struct badchild b = {.random = 1, .settings.stall_permille = 10};
    b.all.prev = b.all.next = &b.all;
    parse_options(&b, argc, argv);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    socket_raise_files();
    b.epoll = epoll_create1(EPOLL_CLOEXEC);
    run(&b);
    while (b.all.next != &b.all)
        drop(&b, b.all.next);
    buf_fini(&b.out);
    print_report(&b);
    return 0;
}
