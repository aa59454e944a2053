/*
 * reference.c - the least possible milter: every command that wants an answer gets "continue". What a real one reaches is
 * measured against it. Knows the frames and nothing of what is in them.
 */
#include "base/mem.h"
#include "milter/command.h"
#include "milter/reply.h"
#include "socket.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

static const char usage[] =
    "usage: reference --listen unix:PATH|inet:PORT@ADDRESS [options]\n"
    "  --steps HEX            what it tells the MTA not to send or not to wait for (0)\n"
    "  --actions HEX          what it says it may change (0)\n"
    "  --macros STAGE=NAMES   connect, helo, mail, rcpt, data, eom, eoh; may be repeated\n"
    "  --rcpt continue|451|hold   its answer to RCPT (continue); hold: none, but PROGRESS now and then\n"
    "  --accept COMMAND       answers CONNECT, HELO, … with accept\n"
    "  --progress SECONDS     how often (10)\n";

enum rcpt_answer { RCPT_CONTINUE, RCPT_451, RCPT_HOLD };

struct connection {
    struct connection *prev, *next; /* held ones: who gets PROGRESS */
    int fd;
    bool held;
    struct buf in; /* an unfinished packet; mostly empty */
};

struct reference {
    struct socket_address address;
    struct milter_options options;
    struct buf options_packet, answer;
    enum rcpt_answer rcpt;
    uint8_t accept_cmd; /* 0: none */
    int progress_seconds, epoll, listener;
    struct connection held; /* the ring's head */
    char read_buf[65536];
};

static void on_signal(int signo)
{
    (void)signo;
    _exit(0);
}

static void unhold(struct connection *c)
{
    if (c->held) {
        c->prev->next = c->next;
        c->next->prev = c->prev;
        c->held = false;
    }
}

static void drop(struct connection *c)
{
    unhold(c);
    close(c->fd);
    buf_fini(&c->in);
    free(c);
}

/* The filter does not answer these under its own terms. */
static bool wants_answer(const struct reference *r, uint8_t cmd)
{
    switch (cmd) {
    case SMFIC_MACRO:
    case SMFIC_ABORT:
    case SMFIC_QUIT:
    case SMFIC_QUIT_NC:
        return false;
    case SMFIC_CONNECT:
        return !(r->options.steps & SMFIP_NR_CONN);
    case SMFIC_HELO:
        return !(r->options.steps & SMFIP_NR_HELO);
    case SMFIC_MAIL:
        return !(r->options.steps & SMFIP_NR_MAIL);
    case SMFIC_RCPT:
        return !(r->options.steps & SMFIP_NR_RCPT);
    case SMFIC_DATA:
        return !(r->options.steps & SMFIP_NR_DATA);
    case SMFIC_HEADER:
        return !(r->options.steps & SMFIP_NR_HDR);
    case SMFIC_EOH:
        return !(r->options.steps & SMFIP_NR_EOH);
    case SMFIC_BODY:
        return !(r->options.steps & SMFIP_NR_BODY);
    default:
        return true;
    }
}

static void hold(struct reference *r, struct connection *c)
{
    unhold(c);
    c->held = true;
    c->next = &r->held;
    c->prev = r->held.prev;
    c->prev->next = c;
    r->held.prev = c;
}

/* False: QUIT. */
static bool answer(struct reference *r, struct connection *c, const struct wire_packet *p)
{
    if (p->cmd == SMFIC_OPTNEG) {
        buf_put_slice(&r->answer, buf_slice(&r->options_packet));
    } else if (p->cmd == SMFIC_RCPT && r->rcpt == RCPT_HOLD) {
        hold(r, c);
    } else if (p->cmd == SMFIC_RCPT && r->rcpt == RCPT_451) {
        milter_put_replycode(&r->answer, SLICE_LIT("451"), SLICE_LIT("4.7.1"),
                             SLICE_LIT("Greylisting in action, please come back in 00:30:00"));
    } else if (wants_answer(r, p->cmd)) {
        milter_put_code(&r->answer, p->cmd == r->accept_cmd ? SMFIR_ACCEPT : SMFIR_CONTINUE);
    }
    return p->cmd != SMFIC_QUIT;
}

/* False: the connection is over. */
static bool read_connection(struct reference *r, struct connection *c)
{
    ssize_t n = recv(c->fd, r->read_buf, sizeof(r->read_buf), 0);
    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0)
        return false;
    struct slice in = slice_of(r->read_buf, (size_t)n);
    if (c->in.len > 0) {
        buf_put_slice(&c->in, in);
        in = buf_slice(&c->in);
    }
    buf_clear(&r->answer);
    struct wire_packet p;
    enum wire_result w;
    bool more = true;
    while (more && (w = wire_next(&in, WIRE_PACKET_MAX_BYTES, &p)) != WIRE_MORE)
        more = w == WIRE_OK && answer(r, c, &p);
    if (c->in.len > 0)
        buf_drop(&c->in, c->in.len - in.len);
    else
        buf_put_slice(&c->in, in);
    /* one write a reply; a peer that does not read a few bytes is no MTA */
    if (r->answer.len > 0 && send(c->fd, r->answer.ptr, r->answer.len, MSG_NOSIGNAL) != (ssize_t)r->answer.len)
        return false;
    return more;
}

static void accept_connections(struct reference *r)
{
    for (int fd; (fd = accept4(r->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        int on = 1;
        if (r->address.storage.ss_family != AF_UNIX)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct connection *c = mem_zalloc(sizeof(*c));
        c->fd = fd;
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &ev);
    }
}

static void progress(struct reference *r)
{
    static const char packet[] = {0, 0, 0, 1, SMFIR_PROGRESS};
    for (struct connection *c = r->held.next; c != &r->held; c = c->next)
        (void)!send(c->fd, packet, sizeof(packet), MSG_NOSIGNAL);
}

static bool take_macros(struct milter_options *o, const char *text)
{
    static const char *const stages[SMFIM_STAGES] = {"connect", "helo", "mail", "rcpt", "data", "eom", "eoh"};
    struct slice rest = slice_cstr(text), stage = slice_cut(&rest, '=');
    for (unsigned i = 0; i < SMFIM_STAGES; i++) {
        if (!slice_eq_cstr(stage, stages[i]) || !rest.ptr)
            continue;
        o->symlist[i] = rest;
        o->actions |= SMFIF_SETSYMLIST;
        return true;
    }
    return false;
}

static bool take_command(uint8_t *out, const char *name)
{
    for (unsigned c = ' '; c < 127; c++) {
        if (strcmp(milter_command_name((uint8_t)c), name) != 0)
            continue;
        *out = (uint8_t)c;
        return true;
    }
    return false;
}

static bool take_rcpt(enum rcpt_answer *out, const char *text)
{
    static const char *const words[] = {[RCPT_CONTINUE] = "continue", [RCPT_451] = "451", [RCPT_HOLD] = "hold"};
    for (unsigned i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(words[i], text) == 0) {
            *out = (enum rcpt_answer)i;
            return true;
        }
    }
    return false;
}

static void parse_options(struct reference *r, int argc, char **argv)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},  {"steps", required_argument, NULL, 's'},
        {"actions", required_argument, NULL, 'a'}, {"macros", required_argument, NULL, 'm'},
        {"rcpt", required_argument, NULL, 'r'},    {"progress", required_argument, NULL, 'p'},
        {"accept", required_argument, NULL, 'A'},  {NULL, 0, NULL, 0}};
    bool ok = true;
    for (int c; ok && (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'l')
            ok = socket_parse(optarg, &r->address) == ERR_NONE;
        else if (c == 's')
            r->options.steps = (uint32_t)strtoul(optarg, NULL, 16);
        else if (c == 'a')
            r->options.actions |= (uint32_t)strtoul(optarg, NULL, 16);
        else if (c == 'm')
            ok = take_macros(&r->options, optarg);
        else if (c == 'r')
            ok = take_rcpt(&r->rcpt, optarg);
        else if (c == 'A')
            ok = take_command(&r->accept_cmd, optarg);
        else if (c == 'p')
            ok = (r->progress_seconds = atoi(optarg)) > 0;
        else
            ok = false;
    }
    if (!ok || optind != argc || r->address.len == 0) {
        fputs(usage, stderr);
        exit(64);
    }
}

int main(int argc, char **argv)
{
    static struct reference r = {.options.version = MILTER_VERSION, .progress_seconds = 10};
    r.held.prev = r.held.next = &r.held;
    parse_options(&r, argc, argv);
    milter_put_options(&r.options_packet, &r.options);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    socket_raise_files();
    r.epoll = epoll_create1(EPOLL_CLOEXEC);
    r.listener = socket_listen(&r.address);
    if (r.listener < 0) {
        perror("reference");
        return 69;
    }
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(r.epoll, EPOLL_CTL_ADD, r.listener, &ev);
    struct timespec last;
    clock_gettime(CLOCK_MONOTONIC, &last);
    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(r.epoll, events, COUNT_OF(events), r.rcpt == RCPT_HOLD ? 100 : -1);
        for (int i = 0; i < n; i++) {
            if (!events[i].data.ptr)
                accept_connections(&r);
            else if (!read_connection(&r, events[i].data.ptr))
                drop(events[i].data.ptr);
        }
        if (r.rcpt != RCPT_HOLD)
            continue;
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec - last.tv_sec >= r.progress_seconds) {
            last = now;
            progress(&r);
        }
    }
}
