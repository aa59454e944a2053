/* child.c - connections to children, and EFFECT_DRAIN: against real sockets. */
#include "control.h"
#include "test.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int patient(int fd)
{
    struct timeval patience = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

/* The path of the child's socket, and a socket that listens there. */
static const char *child_path(const struct control *c)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/child", c->directory);
    return path;
}

static int child_listen(struct control *c, int backlog)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, child_path(c), strlen(child_path(c)));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT(c, bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, backlog) == 0);
    return patient(fd);
}

static void child_unlisten(struct control *c, int fd)
{
    close(fd);
    unlink(child_path(c));
}

/* Child 1, connected. */
static int child_one(struct control *c, int mta, int at)
{
    EXPECT(c, control_ask(mta, "open 1 %s", child_path(c)) && control_hear(mta, "1 connected\n"));
    int fd = accept(at, NULL, NULL);
    EXPECT(c, fd >= 0);
    return patient(fd);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void run(control_script *script)
{
    struct control c = {0};
    control_start(&c, (struct io_limits){.sessions_max = 10, .files_max = 10, .queues_max_bytes = 1500000});
    control_run(&c, script);
    CHECK(!c.failed);
}

/* ---- cases ---- */

static void talks(struct control *c, int mta)
{
    int at = child_listen(c, 5);
    /* News comes behind the step that asked, never within it. */
    EXPECT(c, control_ask(mta, "open 1 %s\necho asked", child_path(c)) && control_hear(mta, "asked\n1 connected\n"));
    int fd = patient(accept(at, NULL, NULL));
    EXPECT(c, control_ask(mta, "send 1 one\nsend 1 two\nsend 2 nobody\nsend 1 three") && control_hear(fd, "onetwothree"));
    EXPECT(c, control_say(fd, "answer") && control_hear(mta, "1 bytes answer\n"));
    EXPECT(c, control_ask(mta, "send 1 last\nclose 1\nsend 1 not this") && control_hear(fd, "last") && control_hear_end(fd));
    EXPECT(c, control_nothing_more(mta));
    close(fd);
    child_unlisten(c, at);
}

static void carries_bytes_both_ways(void)
{
    run(talks);
}

static void fails(struct control *c, int mta)
{
    int64_t begin = now_ms();
    EXPECT(c, control_ask(mta, "open 1 %s/nothing\necho asked", c->directory));
    EXPECT(c, control_hear(mta, "asked\n1 lost %d\n", ENOENT));
    EXPECT(c, control_ask(mta, "close 1\nopen 101 %s/nothing\nclose 101\necho done", c->directory));
    EXPECT(c, control_hear(mta, "done\n") && control_nothing_more(mta)); /* closed before it was told */
    int at = child_listen(c, 5);
    close(at);
    EXPECT(c, control_ask(mta, "open 2 %s", child_path(c)) && control_hear(mta, "2 lost %d\n", ECONNREFUSED));
    unlink(child_path(c));
    char longer[200] = "/";
    memset(longer + 1, 'x', sizeof(longer) - 2);
    EXPECT(c, control_ask(mta, "open 3 %s", longer) && control_hear(mta, "3 lost %d\n", ENAMETOOLONG));
    EXPECT(c, control_ask(mta, "close 2\nclose 3\n"));
    EXPECT(c, now_ms() - begin < 2000); /* no time-out was waited for */
}

static void tells_what_cannot_be_connected_at_once(void)
{
    run(fails);
}

/* A socket of this machine; the port is the system's choice. */
static int tcp_socket(struct control *c, unsigned *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = patient(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT(c, bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static void tcp(struct control *c, int mta)
{
    unsigned port, deaf_port;
    int at = tcp_socket(c, &port), deaf = tcp_socket(c, &deaf_port);
    EXPECT(c, listen(at, 5) == 0);
    EXPECT(c, control_ask(mta, "tcp 1 %u", port) && control_hear(mta, "1 connected\n"));
    int fd = patient(accept(at, NULL, NULL));
    EXPECT(c, control_ask(mta, "send 1 hello") && control_hear(fd, "hello"));
    EXPECT(c, control_say(fd, "answer") && control_hear(mta, "1 bytes answer\n"));
    close(fd);
    EXPECT(c, control_hear(mta, "1 lost 0\n"));
    EXPECT(c, control_ask(mta, "tcp 2 %u", deaf_port) && control_hear(mta, "2 lost %d\n", ECONNREFUSED));
    /* Closed while it connects. */
    EXPECT(c, control_ask(mta, "tcp 3 %u\nclose 3\nclose 2\nclose 1", port) && control_nothing_more(mta));
    close(at);
    close(deaf);
}

static void speaks_tcp(void)
{
    run(tcp);
}

static void drains(struct control *c, int mta)
{
    int at = child_listen(c, 5), fd = child_one(c, mta, at);
    EXPECT(c, control_ask(mta, "send 1 x\ndrain 1\necho asked") && control_hear(mta, "asked\n1 drained\n"));
    EXPECT(c, control_hear(fd, "x"));
    EXPECT(c, control_ask(mta, "blob 1 900000\ndrain 1\necho asked") && control_hear(mta, "asked\n"));
    EXPECT(c, control_nothing_more(mta));
    EXPECT(c, control_hear_blob(fd, 900000) && control_hear(mta, "1 drained\n"));
    /* Again and again: more than may wait, none of it lost. */
    for (int i = 0; i < 5; i++) {
        EXPECT(c, control_ask(mta, "blob 1 900000\ndrain 1"));
        EXPECT(c, control_hear_blob(fd, 900000) && control_hear(mta, "1 drained\n"));
    }
    EXPECT(c, control_ask(mta, "blob 1 1000000\nblob 1 1000000\ndrain 1"));
    EXPECT(c, control_hear(mta, "1 lost %d\n", ENOBUFS) && control_nothing_more(mta));
    EXPECT(c, control_ask(mta, "close 1"));
    close(fd);
    child_unlisten(c, at);
}

static void tells_when_a_slow_child_has_taken_everything(void)
{
    run(drains);
}

/* Two that read nothing have more between them than all may have (run()): the second is given up, and only that one. */
static void shares_queues(struct control *c, int mta)
{
    int at = child_listen(c, 5), fd = child_one(c, mta, at);
    EXPECT(c, control_ask(mta, "blob 1 1000000\ndrain 1\necho asked") && control_hear(mta, "asked\n"));
    EXPECT(c, control_ask(mta, "open 2 %s", child_path(c)) && control_hear(mta, "2 connected\n"));
    int other = patient(accept(at, NULL, NULL));
    EXPECT(c, control_ask(mta, "send 2 x") && control_hear(other, "x"));
    EXPECT(c, control_ask(mta, "blob 2 1000000\necho asked") && control_hear(mta, "asked\n2 lost %d\n", ENOBUFS));
    EXPECT(c, control_hear_blob(fd, 1000000) && control_hear(mta, "1 drained\n"));
    EXPECT(c, control_ask(mta, "close 2\nclose 1"));
    close(other);
    close(fd);
    child_unlisten(c, at);
}

static void all_queues_together_have_a_bound(void)
{
    run(shares_queues);
}

static void drains_mta(struct control *c, int mta)
{
    int other = control_dial(c);
    EXPECT(c, control_ask(other, "selfdrain 5\necho asked") && control_hear(mta, "asked\ndrained 5\n"));
    EXPECT(c, control_ask(other, "selfblob 900000\nselfdrain 6\necho asked") && control_hear(mta, "asked\n"));
    EXPECT(c, control_nothing_more(mta));
    EXPECT(c, control_hear_blob(other, 900000) && control_hear(mta, "drained 6\n"));
    /* Gone before it is out: nobody is told. */
    EXPECT(c, control_ask(other, "selfblob 900000\nselfdrain 7\necho asked") && control_hear(mta, "asked\n"));
    close(other);
    EXPECT(c, control_nothing_more(mta));
}

static void tells_when_a_slow_mta_has_taken_everything(void)
{
    run(drains_mta);
}

static void pauses(struct control *c, int mta)
{
    int at = child_listen(c, 5), fd = child_one(c, mta, at);
    EXPECT(c, control_ask(mta, "pause 1\necho paused") && control_hear(mta, "paused\n"));
    EXPECT(c, control_say(fd, "later"));
    EXPECT(c, control_nothing_more(mta));
    EXPECT(c, control_ask(mta, "resume 1\nresume 1") && control_hear(mta, "1 bytes later\n"));
    EXPECT(c, control_say(fd, "now") && control_hear(mta, "1 bytes now\n"));
    EXPECT(c, control_ask(mta, "pause 1\necho paused") && control_hear(mta, "paused\n"));
    close(fd);
    EXPECT(c, control_nothing_more(mta));
    EXPECT(c, control_ask(mta, "send 1 x") && control_hear(mta, "1 lost %d\n", EPIPE)); /* found without reading */
    EXPECT(c, control_ask(mta, "resume 1\ndrain 1\nsend 1 x\npause 1") && control_nothing_more(mta));
    EXPECT(c, control_ask(mta, "close 1"));
    child_unlisten(c, at);
}

static void reads_only_while_it_may(void)
{
    run(pauses);
}

static void last_words(struct control *c, int mta)
{
    int at = child_listen(c, 5), fd = child_one(c, mta, at);
    EXPECT(c, control_ask(mta, "pause 1\necho paused") && control_hear(mta, "paused\n"));
    EXPECT(c, control_say(fd, "verdict"));
    close(fd);
    /* The write, which is made at once for a drain, finds the child gone; what it has said is heard all the same. */
    EXPECT(c, control_ask(mta, "resume 1\nsend 1 x\ndrain 1") && control_hear(mta, "1 bytes verdict\n1 lost %d\n", EPIPE));
    EXPECT(c, control_ask(mta, "close 1"));
    child_unlisten(c, at);
}

static void hears_what_was_said_before_the_end(void)
{
    run(last_words);
}

static void loses(struct control *c, int mta)
{
    int at = child_listen(c, 5), fd = child_one(c, mta, at);
    close(fd);
    EXPECT(c, control_hear(mta, "1 lost 0\n") && control_ask(mta, "drain 1") && control_nothing_more(mta));
    EXPECT(c, control_ask(mta, "close 1\nopen 101 %s", child_path(c)) && control_hear(mta, "101 connected\n"));
    fd = patient(accept(at, NULL, NULL));
    EXPECT(c, control_ask(mta, "send 101 unread\nblob 101 900000\necho sent") && control_hear(mta, "sent\n"));
    close(fd);
    EXPECT(c, control_hear(mta, "101 lost %d\n", ECONNRESET)); /* as the kernel says where something was unread */
    EXPECT(c, control_ask(mta, "send 1 stale\nclose 1\nclose 101") && control_nothing_more(mta));
    child_unlisten(c, at);
}

static void tells_once_that_a_child_is_lost(void)
{
    run(loses);
}

static void closes(struct control *c, int mta)
{
    int at = child_listen(c, 5), fd = child_one(c, mta, at);
    /* Its name is another's at once, and what was sent goes on. */
    EXPECT(c,
           control_ask(mta, "blob 1 900000\nclose 1\nopen 101 %s", child_path(c)) && control_hear(mta, "101 connected\n"));
    int next = patient(accept(at, NULL, NULL));
    EXPECT(c, control_ask(mta, "send 101 next") && control_hear(next, "next"));
    EXPECT(c, control_say(fd, "nobody listens") && control_nothing_more(mta));
    EXPECT(c, control_hear_blob(fd, 900000));
    close(fd);
    /* One that reads nothing is left behind. */
    EXPECT(c, control_ask(mta, "blob 101 900000\nclose 101"));
    int64_t begin = now_ms();
    struct pollfd hung = {.fd = next, .events = POLLRDHUP};
    EXPECT(c, poll(&hung, 1, 10000) == 1);
    EXPECT(c, now_ms() - begin >= 1500 && now_ms() - begin < 5000);
    close(next);
    child_unlisten(c, at);
}

static void sends_everything_before_it_closes_but_not_for_ever(void)
{
    run(closes);
}

static void waits(struct control *c, int mta)
{
    int at = child_listen(c, 0); /* holds one */
    EXPECT(c, control_ask(mta, "open 1 %s\nopen 2 %s", child_path(c), child_path(c)) && control_hear(mta, "1 connected\n"));
    EXPECT(c, control_ask(mta, "open 3 %s\nclose 3", child_path(c)) && control_nothing_more(mta));
    int fd = patient(accept(at, NULL, NULL));
    EXPECT(c, control_hear(mta, "2 connected\n"));
    int next = patient(accept(at, NULL, NULL));
    EXPECT(c, control_ask(mta, "send 2 x") && control_hear(next, "x"));
    close(fd);
    close(next);
    EXPECT(c, control_hear(mta, "1 lost 0\n2 lost 0\n") && control_ask(mta, "close 1\nclose 2"));
    /* It waits, and the socket's owner goes: then it is an error. */
    EXPECT(c, control_ask(mta, "open 4 %s\nopen 5 %s", child_path(c), child_path(c)) && control_hear(mta, "4 connected\n"));
    child_unlisten(c, at);
    EXPECT(c, control_hear(mta, "4 lost %d\n5 lost %d\n", ECONNRESET, ENOENT) && control_ask(mta, "close 4\nclose 5"));
}

static void waits_for_room_in_a_full_queue(void)
{
    run(waits);
}

static void limited(struct control *c, int mta)
{
    int at = child_listen(c, 5);
    EXPECT(c, control_ask(mta, "open 1 %s", child_path(c)) && control_hear(mta, "1 connected\n"));
    EXPECT(c, control_ask(mta, "write 1 7 10") && control_hear(mta, "7 ok\n"));
    EXPECT(c, control_ask(mta, "open 2 %s", child_path(c)) && control_hear(mta, "2 lost %d\n", EMFILE));
    EXPECT(c, control_ask(mta, "write 2 8 10") && control_hear(mta, "8 error %d\n", EMFILE));
    EXPECT(c, control_ask(mta, "close 1\nclose 2") && control_nothing_more(mta));
    EXPECT(c, control_ask(mta, "open 3 %s", child_path(c)) && control_hear(mta, "3 connected\n"));
    EXPECT(c, control_ask(mta, "open 4 %s", child_path(c)) && control_hear(mta, "4 lost %d\n", EMFILE));
    EXPECT(c, control_ask(mta, "close 3\nclose 4\nfree 1\nfree 2"));
    child_unlisten(c, at);
}

static void opens_no_more_than_it_may(void)
{
    struct control c = {0};
    control_start(&c, (struct io_limits){.sessions_max = 10, .files_max = 2});
    control_run(&c, limited);
    CHECK(!c.failed);
}

static void leaves(struct control *c, int mta)
{
    int at = child_listen(c, 0);
    EXPECT(c, control_ask(mta, "open 1 %s\nopen 2 %s", child_path(c), child_path(c)) && control_hear(mta, "1 connected\n"));
    EXPECT(c, control_ask(mta, "blob 1 900000\necho sent") && control_hear(mta, "sent\n"));
    int fd = accept(at, NULL, NULL);
    io_wake(c->io);
    EXPECT(c, control_hear_blob(fd, 1)); /* the loop ends at its limit: nobody has closed them */
    close(fd);
    child_unlisten(c, at);
}

static void woken_hastily(void *ctx)
{
    struct control *c = ctx;
    io_stop(c->io, 0, 50);
}

static void frees_what_is_open_at_the_end(void)
{
    struct control c = {.hooks.woken = woken_hastily};
    control_start(&c, (struct io_limits){.sessions_max = 10, .files_max = 10});
    control_run(&c, leaves);
    CHECK(!c.failed);
}

int main(void)
{
    alarm(100);
    TEST(carries_bytes_both_ways);
    TEST(tells_what_cannot_be_connected_at_once);
    TEST(speaks_tcp);
    TEST(tells_when_a_slow_child_has_taken_everything);
    TEST(all_queues_together_have_a_bound);
    TEST(tells_when_a_slow_mta_has_taken_everything);
    TEST(reads_only_while_it_may);
    TEST(hears_what_was_said_before_the_end);
    TEST(tells_once_that_a_child_is_lost);
    TEST(sends_everything_before_it_closes_but_not_for_ever);
    TEST(waits_for_room_in_a_full_queue);
    TEST(opens_no_more_than_it_may);
    TEST(frees_what_is_open_at_the_end);
    return TEST_END();
}
