/* dns.c - descriptors of somebody else's and the time of questions: what DNS needs of the loop, with socket pairs in its place. */
#include "control.h"
#include "test.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A question is a socket pair: what is written at one end is the answer that the other is watched for. */
struct asker {
    struct control control;
    int mine, theirs; /* -1: none */
    uint32_t request;
    owner_id session;
    unsigned ready, ticks;
    bool time_out; /* 99, 100: nothing comes over the socket; 99 is given up in time */
};

static void ask(void *ctx, const struct effect *e)
{
    struct control *c = ctx;
    struct asker *a = c->mine;
    int pair[2];
    EXPECT(c, socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0);
    a->mine = pair[0];
    a->theirs = pair[1];
    a->request = e->request;
    a->session = e->owner;
    a->time_out = e->request >= 99;
    io_watch_fd(c->io, a->mine, false, true);
}

static void answer(struct control *c, enum dns_status status)
{
    struct asker *a = c->mine;
    struct event e = {.kind = EVENT_DNS, .owner = a->session, .request = a->request};
    e.u.dns.status = status;
    int fd = a->mine;
    io_watch_fd(c->io, fd, false, false);
    close(fd);
    close(a->theirs);
    a->mine = -1;
    io_feed(c->io, &e); /* may ask again, and get the same number of a descriptor */
}

static void fd_ready(void *ctx, int fd, bool readable, bool writable)
{
    struct control *c = ctx;
    struct asker *a = c->mine;
    EXPECT(c, fd == a->mine && !c->stepping);
    a->ready++;
    if (writable) { /* the question is out; now the answer is waited for */
        EXPECT(c, !readable);
        io_watch_fd(c->io, fd, true, false);
        if (!a->time_out)
            EXPECT(c, send(a->theirs, "x", 1, 0) == 1);
    } else {
        char byte;
        EXPECT(c, readable && recv(fd, &byte, 1, MSG_DONTWAIT) == 1);
        answer(c, DNS_FOUND);
    }
}

static int64_t dns_tick(void *ctx)
{
    struct control *c = ctx;
    struct asker *a = c->mine;
    EXPECT(c, !c->stepping);
    a->ticks++;
    if (a->mine >= 0 && a->request == 99 && a->ticks > 20) {
        answer(c, DNS_FAILED);
        return -1;
    }
    return a->mine >= 0 ? 1 : -1;
}

static void asks(struct control *c, int mta)
{
    struct asker *a = c->mine;
    for (unsigned i = 1; i < 10; i++)
        EXPECT(c, control_ask(mta, "dns %u\necho asked", i) && control_hear(mta, "asked\ndns %u found\n", i));
    EXPECT(c, a->ready == 18); /* told once for writing and once for reading */
    EXPECT(c, control_nothing_more(mta));
    a->ticks = 0;
    EXPECT(c, control_ask(mta, "dns 99") && control_hear(mta, "dns 99 failed\n"));
    EXPECT(c, control_nothing_more(mta) && a->ticks == 21); /* -1: no more of them */
    EXPECT(c, control_ask(mta, "dns 100\necho asked") && control_hear(mta, "asked\n"));
    /* The end comes with a descriptor watched. */
}

static void watches_descriptors_and_the_time(void)
{
    struct asker a = {.mine = -1};
    a.control.mine = &a;
    a.control.hooks.dns = ask;
    a.control.hooks.fd_ready = fd_ready;
    a.control.hooks.dns_tick = dns_tick;
    control_start(&a.control, (struct io_limits){.sessions_max = 5});
    control_run(&a.control, asks);
    CHECK(!a.control.failed);
    CHECK(a.mine >= 0);
    close(a.mine);
    close(a.theirs);
}

int main(void)
{
    alarm(100);
    TEST(watches_descriptors_and_the_time);
    return TEST_END();
}
