/* watch.c - looks at real loopback connections. Needs NETLINK_SOCK_DIAG; says so and skips where the sandbox forbids it. */
#include "watch/watch.h"
#include "base/mem.h"
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct watch *watch;

struct answer {
    unsigned calls;
    owner_id session;
    uint32_t request;
    enum look_result result;
    uint64_t cookie;
};

struct connection {
    int listener, server, client;
    struct endpoints ends; /* as the server sees them */
};

enum address { V4, V6, MAPPED };

static void found_one(void *ctx, owner_id session, uint32_t request, enum look_result result, uint64_t cookie)
{
    struct answer *a = ctx;
    *a = (struct answer){a->calls + 1, session, request, result, cookie};
}

static struct answer look(const struct endpoints *ends, uint64_t cookie, bool alone)
{
    struct effect e = {.kind = EFFECT_LOOK, .owner = owner_make(OWNER_SESSION, 7, 3), .request = 42};
    e.u.look.ends = *ends;
    e.u.look.cookie = cookie;
    e.u.look.alone = alone;
    struct answer a = {0};
    watch_add(watch, &e);
    watch_flush(watch, found_one, &a);
    CHECK_INT(a.calls, 1);
    CHECK(a.session == owner_make(OWNER_SESSION, 7, 3));
    CHECK_INT(a.request, 42);
    return a;
}

/* The result settles some scheduler ticks after the packet was sent; loopback needs one look mostly. */
static struct answer look_until(const struct endpoints *ends, uint64_t cookie, enum look_result want)
{
    struct answer a = look(ends, cookie, true);
    for (int i = 0; i < 1000 && a.result != want; i++) {
        poll(NULL, 0, 1);
        a = look(ends, cookie, true);
    }
    return a;
}

static struct ip to_ip(const struct sockaddr_storage *ss, uint16_t *port)
{
    struct ip ip = {0};
    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)ss;
        ip.family = IP_V4;
        memcpy(ip.bytes, &in->sin_addr, 4);
        *port = ntohs(in->sin_port);
        return ip;
    }
    const struct sockaddr_in6 *in6 = (const void *)ss;
    *port = ntohs(in6->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        ip.family = IP_V4;
        memcpy(ip.bytes, in6->sin6_addr.s6_addr + 12, 4);
    } else {
        ip.family = IP_V6;
        memcpy(ip.bytes, &in6->sin6_addr, 16);
    }
    return ip;
}

static int listen_on(enum address kind, struct sockaddr_storage *at, socklen_t *len)
{
    *at = (struct sockaddr_storage){0};
    if (kind == V4) {
        struct sockaddr_in *in = (void *)at;
        *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        *len = sizeof(*in);
    } else {
        struct sockaddr_in6 *in6 = (void *)at;
        *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = kind == V6 ? in6addr_loopback : in6addr_any};
        *len = sizeof(*in6);
    }
    int fd = socket(at->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), off = 0;
    if (kind == MAPPED)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (fd < 0 || bind(fd, (struct sockaddr *)at, *len) < 0 || listen(fd, 16) < 0 ||
        getsockname(fd, (struct sockaddr *)at, len) < 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* from_port 0: any. */
static bool connect_to(struct connection *c, enum address kind, struct sockaddr_storage *at, socklen_t len,
                       uint16_t from_port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (kind == MAPPED) {
        v4.sin_port = ((struct sockaddr_in6 *)(void *)at)->sin6_port;
        c->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(c->client, (struct sockaddr *)&v4, sizeof(v4)) < 0)
            return false;
    } else {
        c->client = socket(at->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int on = 1;
        setsockopt(c->client, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        v4.sin_port = htons(from_port);
        if (from_port && bind(c->client, (struct sockaddr *)&v4, sizeof(v4)) < 0)
            return false;
        if (connect(c->client, (struct sockaddr *)at, len) < 0)
            return false;
    }
    struct sockaddr_storage remote, local;
    socklen_t remote_len = sizeof(remote), local_len = sizeof(local);
    c->server = accept(c->listener, (struct sockaddr *)&remote, &remote_len);
    if (c->server < 0 || getsockname(c->server, (struct sockaddr *)&local, &local_len) < 0)
        return false;
    c->ends.local = to_ip(&local, &c->ends.local_port);
    c->ends.remote = to_ip(&remote, &c->ends.remote_port);
    return true;
}

static bool open_connection(struct connection *c, enum address kind)
{
    *c = (struct connection){-1, -1, -1, {{0}}};
    struct sockaddr_storage at;
    socklen_t len;
    c->listener = listen_on(kind, &at, &len);
    return c->listener >= 0 && connect_to(c, kind, &at, len, 0);
}

static void close_connection(struct connection *c)
{
    int *fds[] = {&c->client, &c->server, &c->listener};
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

static void reset(int *fd)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(*fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(*fd);
    *fd = -1;
}

/* The life of a connection, for one kind of address. */
static void follow(enum address kind)
{
    struct connection c;
    if (!open_connection(&c, kind)) {
        close_connection(&c);
        if (kind == V4)
            CHECK(!"no loopback connection");
        else
            printf("# no IPv6 here\n");
        return;
    }
    CHECK_INT(c.ends.local.family, kind == V6 ? IP_V6 : IP_V4);
    struct answer first = look(&c.ends, 0, true);
    CHECK_INT(first.result, LOOK_ALIVE);
    CHECK(first.cookie != 0);
    struct answer again = look(&c.ends, first.cookie, false);
    CHECK_INT(again.result, LOOK_ALIVE);
    CHECK(again.cookie == first.cookie);
    /* A cookie that is not this socket's. */
    struct answer other = look(&c.ends, first.cookie + 1000, true);
    CHECK_INT(other.result, LOOK_ABSENT);
    CHECK(other.cookie == 0);

    shutdown(c.client, SHUT_WR); /* CLOSE_WAIT on the server's side */
    CHECK_INT(look_until(&c.ends, first.cookie, LOOK_GONE).result, LOOK_GONE);
    close(c.client);
    c.client = -1;
    CHECK_INT(look_until(&c.ends, first.cookie, LOOK_GONE).result, LOOK_GONE);
    close(c.server); /* LAST_ACK, then nothing: the listener, or ENOENT on a look with a cookie */
    c.server = -1;
    CHECK_INT(look_until(&c.ends, first.cookie, LOOK_ABSENT).result, LOOK_ABSENT);
    CHECK_INT(look_until(&c.ends, 0, LOOK_LISTEN).result, LOOK_LISTEN);
    close(c.listener);
    c.listener = -1;
    CHECK_INT(look_until(&c.ends, 0, LOOK_ABSENT).result, LOOK_ABSENT);
    close_connection(&c);
}

static void follows_ipv4(void)
{
    follow(V4);
}
static void follows_ipv6(void)
{
    follow(V6);
}
static void follows_ipv4_on_a_dual_stack_listener(void)
{
    follow(MAPPED);
}

static void sees_a_reset(void)
{
    struct connection c;
    CHECK(open_connection(&c, V4));
    uint64_t cookie = look(&c.ends, 0, true).cookie;
    reset(&c.client);
    /* RST: the socket leaves the table; without a cookie the kernel falls back to the listener. */
    CHECK_INT(look_until(&c.ends, cookie, LOOK_ABSENT).result, LOOK_ABSENT);
    CHECK_INT(look(&c.ends, 0, true).result, LOOK_LISTEN);
    close_connection(&c);
}

static void does_not_take_a_new_connection_for_the_old_one(void)
{
    struct connection c;
    struct sockaddr_storage at;
    socklen_t len;
    c = (struct connection){-1, -1, -1, {{0}}};
    c.listener = listen_on(V4, &at, &len);
    CHECK(connect_to(&c, V4, &at, len, 0));
    uint64_t cookie = look(&c.ends, 0, true).cookie;
    uint16_t port = c.ends.remote_port;
    reset(&c.client);
    CHECK_INT(look_until(&c.ends, cookie, LOOK_ABSENT).result, LOOK_ABSENT);
    close(c.server);
    CHECK(connect_to(&c, V4, &at, len, port));
    CHECK_INT(c.ends.remote_port, port);
    CHECK_INT(look(&c.ends, 0, true).result, LOOK_ALIVE);
    CHECK_INT(look(&c.ends, cookie, true).result, LOOK_ABSENT);
    close_connection(&c);
}

enum { MANY = 1000 };

struct many {
    unsigned calls[MANY];
    enum look_result results[MANY];
};

static void found_many(void *ctx, owner_id session, uint32_t request, enum look_result result, uint64_t cookie)
{
    struct many *m = ctx;
    uint32_t i = owner_slot(session);
    if (!CHECK(i < MANY) || !CHECK_INT(request, i + 1))
        return;
    m->calls[i]++;
    m->results[i] = result;
    CHECK((result == LOOK_ALIVE) == (cookie != 0));
}

/* Living and absent ones mixed, some alone: every answer must come back to its own question. */
static void answers_a_thousand_looks_of_one_flush(void)
{
    struct connection c;
    CHECK(open_connection(&c, V4));
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < MANY; i++) {
            struct effect e = {.kind = EFFECT_LOOK, .owner = owner_make(OWNER_SESSION, i, 1), .request = i + 1};
            e.u.look.ends = c.ends;
            if (i % 3 == 0) /* an address of nobody's: 192.0.2.1 */
                memcpy(e.u.look.ends.local.bytes, "\xc0\x00\x02\x01", 4);
            e.u.look.alone = i % 100 == 7;
            watch_add(watch, &e);
        }
        struct many *m = mem_zalloc(sizeof(*m));
        watch_flush(watch, found_many, m);
        for (uint32_t i = 0; i < MANY; i++) {
            CHECK_INT(m->calls[i], 1);
            CHECK_INT(m->results[i], i % 3 == 0 ? LOOK_ABSENT : LOOK_ALIVE);
        }
        /* Nothing is left for a second flush. */
        memset(m, 0, sizeof(*m));
        watch_flush(watch, found_many, m);
        CHECK_INT(m->calls[0], 0);
        free(m);
    }
    close_connection(&c);
}

int main(void)
{
    if (watch_open(&watch) != ERR_NONE) {
        printf("1..0 # SKIP no NETLINK_SOCK_DIAG: %s\n", strerror(errno));
        return 0;
    }
    TEST(follows_ipv4);
    TEST(follows_ipv6);
    TEST(follows_ipv4_on_a_dual_stack_listener);
    TEST(sees_a_reset);
    TEST(does_not_take_a_new_connection_for_the_old_one);
    TEST(answers_a_thousand_looks_of_one_flush);
    watch_close(watch);
    watch_close(NULL);
    return TEST_END();
}
