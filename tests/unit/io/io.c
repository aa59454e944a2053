/*
 * io.c - the loop with a stub in the engine's place and real sockets. The loop runs in the test's thread, the MTA's part in a
 * second one; what the stub does with bytes is chosen by their first letter.
 */
#include "io/io.h"
#include "base/mem.h"
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { OPEN_MAX = 64 };

struct stub {
    struct io *io;
    char trace[4096]; /* one letter an event */
    bool stepping, want_ticks, quiet_stop, no_stopped, inherits;
    owner_id open[OPEN_MAX];
    unsigned n_open, opened, looked, flushed, ticks, wakes, signals, stores;
    uint32_t look_request;
    owner_id look_session;
    owner_id last;
    enum err control_listening;
    unsigned work_ran, work_done;
    unsigned warnings_logged;
    _Atomic unsigned errors_logged; /* the client looks */
    pthread_t loop_thread;
};

static void trace(struct stub *s, char c)
{
    size_t n = strlen(s->trace);
    if (n + 1 < sizeof(s->trace))
        s->trace[n] = c;
}

static void forget(struct stub *s, owner_id id)
{
    for (unsigned i = 0; i < s->n_open; i++) {
        if (s->open[i] == id) {
            s->open[i] = s->open[--s->n_open];
            return;
        }
    }
}

static void send_blob(struct effects *out, owner_id id, size_t bytes)
{
    char *blob = mem_alloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        blob[i] = (char)('a' + i % 23);
    effects_send(out, id, slice_of(blob, bytes));
    free(blob);
}

static void on_bytes(struct stub *s, const struct event *e, struct effects *out)
{
    switch (e->u.bytes.ptr[0]) {
    case 'e': /* echo, in two parts */
        effects_send(out, e->owner, slice_upto(e->u.bytes, 1));
        effects_send(out, e->owner, slice_from(e->u.bytes, 1));
        break;
    case 'b': /* more than a socket's buffer holds, then close */
        send_blob(out, e->owner, 900000);
        effects_add(out, EFFECT_CLOSE, e->owner);
        forget(s, e->owner);
        break;
    case 'h': /* more than may wait */
        send_blob(out, e->owner, 3000000);
        break;
    case 'l': { /* two looks; their answers are echoed */
        for (uint32_t i = 1; i <= 2; i++) {
            struct effect *look = effects_add(out, EFFECT_LOOK, e->owner);
            look->request = i;
        }
        break;
    }
    case 'q': /* QUIT: the last word and close; a later effect must find nobody */
        effects_send(out, e->owner, SLICE_LIT("bye"));
        effects_add(out, EFFECT_CLOSE, e->owner);
        effects_send(out, e->owner, SLICE_LIT("not this"));
        forget(s, e->owner);
        break;
    case 's':
        effects_add(out, EFFECT_STORE, e->owner)->request = 9;
        effects_log(out, e->owner, LOG_LEVEL_INFO, "stored");
        effects_send(out, e->owner, SLICE_LIT("k"));
        break;
    case 't':
        s->want_ticks = true;
        effects_send(out, e->owner, SLICE_LIT("k"));
        break;
    default:
        break;
    }
}

static void step(void *ctx, const struct event *e, struct effects *out)
{
    struct stub *s = ctx;
    CHECK(!s->stepping);
    s->stepping = true;
    CHECK(e->now.mono.ms > 0 && e->now.wall.sec > 1600000000);
    s->last = e->owner;
    switch (e->kind) {
    case EVENT_OPEN:
        trace(s, 'O');
        s->opened++;
        if (s->n_open < OPEN_MAX)
            s->open[s->n_open++] = e->owner;
        break;
    case EVENT_BYTES:
        trace(s, 'B');
        on_bytes(s, e, out);
        break;
    case EVENT_EOF:
        trace(s, 'E');
        effects_add(out, EFFECT_CLOSE, e->owner);
        forget(s, e->owner);
        break;
    case EVENT_LOOK:
        trace(s, 'L');
        effects_send(out, e->owner, e->request == 1 ? SLICE_LIT("1") : SLICE_LIT("2"));
        break;
    case EVENT_TICK:
        if (++s->ticks == 2)
            s->want_ticks = false;
        break;
    case EVENT_STOP:
        trace(s, 'S');
        for (unsigned i = 0; i < s->n_open && !s->quiet_stop; i++) {
            effects_send(out, s->open[i], SLICE_LIT("421"));
            effects_add(out, EFFECT_CLOSE, s->open[i]);
        }
        if (!s->no_stopped)
            effects_add(out, EFFECT_STOPPED, 0);
        break;
    default:
        break;
    }
    s->stepping = false;
}

static void overload(void *ctx, const struct event *e, struct effects *out)
{
    struct stub *s = ctx;
    trace(s, e->kind == EVENT_OPEN ? 'o' : e->kind == EVENT_BYTES ? 'b' : 'x');
    if (e->kind == EVENT_BYTES)
        effects_send(out, e->owner, SLICE_LIT("full"));
    if (e->kind == EVENT_EOF)
        effects_add(out, EFFECT_CLOSE, e->owner);
}

static bool wants_ticks(void *ctx)
{
    struct stub *s = ctx;
    return s->want_ticks;
}

static void store(void *ctx, const struct effect *e)
{
    struct stub *s = ctx;
    CHECK_INT(e->request, 9);
    s->stores++;
}

static void look(void *ctx, const struct effect *e)
{
    struct stub *s = ctx;
    s->looked++;
    s->look_session = e->owner;
}

static void look_flush(void *ctx)
{
    struct stub *s = ctx;
    s->flushed++;
    for (uint32_t i = 1; i <= 2; i++)
        io_feed(s->io, &(struct event){.kind = EVENT_LOOK, .owner = s->look_session, .request = i});
}

static void log_line(void *ctx, enum log_level level, struct slice line, const struct journal_entry *about)
{
    (void)about;
    struct stub *s = ctx;
    if (slice_has_prefix(line, "the socket ")) {
        s->warnings_logged += level == LOG_LEVEL_WARNING;
        s->errors_logged += level == LOG_LEVEL_ERROR;
        return;
    }
    CHECK_INT(level, LOG_LEVEL_INFO);
    CHECK_SLICE(line, "stored");
    trace(s, 'g');
}

static void woken(void *ctx)
{
    struct stub *s = ctx;
    CHECK(pthread_equal(pthread_self(), s->loop_thread));
    s->wakes++;
    io_stop(s->io, 0, 5000);
}

static void signalled(void *ctx, int signo)
{
    struct stub *s = ctx;
    CHECK_INT(signo, SIGUSR1);
    s->signals++;
    io_stop(s->io, 0, 5000);
}

/* ---- a test's frame ---- */

static char directory[64];
static char path[128];

static struct io_listen spec_unix(void)
{
    static char address[160];
    snprintf(address, sizeof(address), "unix:%s", path);
    return (struct io_listen){.address = address, .mode = -1, .owner = (uid_t)-1};
}

enum { NEVER_MS = 3600 * 1000 };
static void control_step(void *ctx, const struct event *e, struct effects *out);
static void control_overload(void *ctx, const struct event *e, struct effects *out);

static int inherit_fd = -1; /* what the next loop is handed */

static void stub_start_with(struct stub *s, struct io_limits limits)
{
    static const struct io_hooks hooks = {.step = step,
                                          .kinds = {[IO_MTA] = {.overload = overload},
                                                    [IO_CONTROL] = {.owner = OWNER_CONTROL,
                                                                    .step = control_step,
                                                                    .overload = control_overload,
                                                                    .max = 1,
                                                                    .overload_max = 1}},
                                          .wants_ticks = wants_ticks,
                                          .store = store,
                                          .look = look,
                                          .look_flush = look_flush,
                                          .log = log_line,
                                          .woken = woken,
                                          .signalled = signalled};
    *s = (struct stub){.loop_thread = pthread_self()};
    struct io_hooks h = hooks;
    h.ctx = s;
    CHECK_INT(io_new(&s->io, &h, &limits), ERR_NONE);
    struct buf why = {0};
    struct io_listen spec = spec_unix();
    if (inherit_fd >= 0)
        CHECK_INT(io_inherit(s->io, inherit_fd, &why), ERR_NONE);
    if (!CHECK_INT(io_listen(s->io, &spec, &why), ERR_NONE))
        printf("# %s\n", buf_cstr(&why));
    char control[200];
    snprintf(control, sizeof(control), "%s-control", spec.address);
    spec.address = control;
    spec.kind = IO_CONTROL;
    s->control_listening = io_listen(s->io, &spec, &why);
    buf_fini(&why);
}

/* Nothing happens by time alone. */
static void stub_start_inheriting(struct stub *s, int fd)
{
    inherit_fd = fd;
    stub_start_with(s, (struct io_limits){.sessions_max = 5, .overload_quiet_ms = NEVER_MS, .socket_look_ms = NEVER_MS});
    inherit_fd = -1;
    s->inherits = true;
}

/* Nothing happens by time alone. */
static void stub_start(struct stub *s, uint32_t sessions_max)
{
    stub_start_with(
        s, (struct io_limits){.sessions_max = sessions_max, .overload_quiet_ms = NEVER_MS, .socket_look_ms = NEVER_MS});
}

struct client {
    struct stub *s;
    void (*run)(struct client *);
    bool failed; /* told to the test when the thread has ended */
};

#define EXPECT(c, cond)                                                                                                     \
    do {                                                                                                                    \
        if (!(cond)) {                                                                                                      \
            printf("# %s:%d: client: not so: %s\n", __FILE__, __LINE__, #cond);                                             \
            (c)->failed = true;                                                                                             \
        }                                                                                                                   \
    } while (0)

static void *client_main(void *arg)
{
    struct client *c = arg;
    c->run(c);
    io_wake(c->s->io);
    return NULL;
}

/* The loop until the client's part is done; then everything is freed. */
static void run_with(struct stub *s, void (*client)(struct client *))
{
    struct client c = {.s = s, .run = client};
    pthread_t thread;
    pthread_create(&thread, NULL, client_main, &c);
    io_run(s->io);
    pthread_join(thread, NULL);
    CHECK(!c.failed);
    io_free(s->io);
    s->io = NULL;
    CHECK((access(path, F_OK) == 0) == s->inherits); /* ours: unlinked */
}

static int dial(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool say(int fd, const char *text)
{
    return write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool hear(int fd, const char *want)
{
    char got[64] = {0};
    size_t n = strlen(want), have = 0;
    while (have < n) {
        ssize_t r = read(fd, got + have, n - have);
        if (r <= 0)
            return false;
        have += (size_t)r;
    }
    return strcmp(got, want) == 0;
}

static size_t hear_end(int fd)
{
    static char block[65536];
    size_t sum = 0;
    for (ssize_t r; (r = read(fd, block, sizeof(block))) > 0;)
        sum += (size_t)r;
    return sum;
}

/* ---- cases ---- */

static void echo_client(struct client *c)
{
    int fd = dial();
    EXPECT(c, fd >= 0 && say(fd, "echo this") && hear(fd, "echo this"));
    EXPECT(c, say(fd, "l") && hear(fd, "12"));
    EXPECT(c, say(fd, "s1") && hear(fd, "k"));
    EXPECT(c, say(fd, "eq") && hear(fd, "eq"));
    EXPECT(c, say(fd, "quit") && hear(fd, "bye") && hear_end(fd) == 0);
    close(fd);
    fd = dial();
    EXPECT(c, fd >= 0 && say(fd, "e") && hear(fd, "e"));
    shutdown(fd, SHUT_WR);
    EXPECT(c, hear_end(fd) == 0);
    close(fd);
}

static void carries_bytes_looks_and_closes(void)
{
    struct stub s;
    stub_start(&s, 10);
    run_with(&s, echo_client);
    CHECK_STR(s.trace, "OBBLLBgBBOBES");
    CHECK_INT(s.looked, 2);
    CHECK_INT(s.flushed, 1);
    CHECK_INT(s.stores, 1);
    CHECK_INT(s.wakes, 1);
}

static void big_client(struct client *c)
{
    int fd = dial();
    EXPECT(c, say(fd, "big"));
    EXPECT(c, hear_end(fd) == 900000);
    close(fd);
}

static void sends_everything_before_it_closes(void)
{
    struct stub s;
    stub_start(&s, 10);
    run_with(&s, big_client);
    CHECK_STR(s.trace, "OBS");
}

static void huge_client(struct client *c)
{
    int fd = dial();
    EXPECT(c, say(fd, "huge"));
    /* Not a byte is read before the other side has given up. */
    struct pollfd hung = {.fd = fd, .events = POLLRDHUP};
    EXPECT(c, poll(&hung, 1, 10000) == 1);
    EXPECT(c, hear_end(fd) < 3000000);
    close(fd);
}

static void gives_up_on_an_mta_that_does_not_read(void)
{
    struct stub s;
    stub_start(&s, 10);
    run_with(&s, huge_client);
    CHECK_STR(s.trace, "OBES");
}

static void gone_client(struct client *c)
{
    for (int i = 0; i < 20; i++) {
        int fd = dial();
        EXPECT(c, say(fd, "big"));
        close(fd); /* with the answer under way: EPIPE or ECONNRESET */
    }
    int fd = dial();
    EXPECT(c, say(fd, "e") && hear(fd, "e"));
    close(fd);
}

static void survives_an_mta_that_is_gone(void)
{
    struct stub s;
    stub_start(&s, 50);
    run_with(&s, gone_client);
    CHECK_INT(s.opened, 21);
}

static void names_client(struct client *c)
{
    owner_id seen[3];
    for (int i = 0; i < 3; i++) {
        int fd = dial();
        EXPECT(c, say(fd, "e") && hear(fd, "e"));
        seen[i] = c->s->last; /* the loop waits for us now */
        EXPECT(c, say(fd, "q") && hear(fd, "bye"));
        close(fd);
    }
    EXPECT(c, seen[0] != 0 && seen[0] != seen[1] && seen[1] != seen[2]);
}

static void gives_every_connection_a_new_name(void)
{
    struct stub s;
    stub_start(&s, 10);
    run_with(&s, names_client);
}

static void overload_client(struct client *c)
{
    int fds[2 + IO_OVERLOAD_MAX + 2];
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = dial();
        EXPECT(c, fds[i] >= 0 && say(fds[i], "e"));
        if (i < 2)
            EXPECT(c, hear(fds[i], "e"));
        else if (i < 2 + IO_OVERLOAD_MAX)
            EXPECT(c, hear(fds[i], "full"));
    }
    /* The last two wait in the kernel's queue until there is room. */
    close(fds[0]);
    EXPECT(c, hear(fds[2 + IO_OVERLOAD_MAX], "e"));
    close(fds[5]);
    EXPECT(c, hear(fds[3 + IO_OVERLOAD_MAX], "full"));
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        if (i != 0 && i != 5)
            close(fds[i]);
    }
}

static void gives_the_overload_to_its_hook_and_never_runs_dry(void)
{
    struct stub s;
    stub_start(&s, 2);
    run_with(&s, overload_client);
    CHECK_INT(s.opened, 3);
}

/* ---- kinds of listeners ---- */

/* Of the other kind: who it is that has connected, by its user and process. */
static void control_step(void *ctx, const struct event *e, struct effects *out)
{
    struct stub *s = ctx;
    CHECK_INT(owner_kind(e->owner), OWNER_CONTROL);
    if (e->kind == EVENT_EOF)
        effects_add(out, EFFECT_CLOSE, e->owner);
    if (e->kind != EVENT_BYTES)
        return;
    struct io_peer peer;
    bool is_us = io_peer(s->io, e->owner, &peer) == ERR_NONE && peer.uid == getuid() && peer.gid == getgid() &&
                 peer.pid == getpid() && (int)peer.n_groups == getgroups(0, NULL);
    io_peer_fini(&peer);
    effects_send(out, e->owner, is_us ? SLICE_LIT("me") : SLICE_LIT("??"));
}

static void control_overload(void *ctx, const struct event *e, struct effects *out)
{
    (void)ctx;
    if (e->kind == EVENT_OPEN) {
        effects_send(out, e->owner, SLICE_LIT("many"));
        effects_add(out, EFFECT_CLOSE, e->owner);
    }
}

static int dial_control(void)
{
    char mta_path[sizeof(path)];
    memcpy(mta_path, path, sizeof(path));
    strcat(path, "-control");
    int fd = dial();
    memcpy(path, mta_path, sizeof(path));
    return fd;
}

static void kinds_client(struct client *c)
{
    int control = dial_control();
    EXPECT(c, say(control, "x") && hear(control, "me"));
    int mta = dial(), second = dial_control();
    EXPECT(c, say(mta, "e") && hear(mta, "e")); /* the other kind's do not count as MTAs' */
    EXPECT(c, hear(second, "many") && read(second, &(char){0}, 1) == 0);
    EXPECT(c, say(control, "x") && hear(control, "me"));
    close(second);
    close(control);
    close(mta);
}

static void tells_each_kind_of_listener_its_own(void)
{
    struct stub s;
    stub_start(&s, 1);
    CHECK_INT(s.control_listening, ERR_NONE);
    run_with(&s, kinds_client);
    CHECK_INT(s.opened, 1);
}

/* All overload connections are taken, by MTAs that do not hang up: each further one is answered all the same. */
static void crowd_client(struct client *c)
{
    int fds[1 + 3 * IO_OVERLOAD_MAX];
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = dial();
        EXPECT(c, fds[i] >= 0 && say(fds[i], "e") && hear(fds[i], i == 0 ? "e" : "full"));
    }
    EXPECT(c, hear_end(fds[1]) == 0); /* the quiet ones have gone, oldest first; the session has not */
    EXPECT(c, say(fds[0], "e") && hear(fds[0], "e"));
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
}

static void answers_each_of_a_crowd(void)
{
    struct stub s;
    stub_start_with(&s, (struct io_limits){.sessions_max = 1, .overload_quiet_ms = 1, .socket_look_ms = NEVER_MS});
    run_with(&s, crowd_client);
    CHECK_INT(s.opened, 1);
}

static int dial_patiently(void)
{
    int fd = -1;
    for (int i = 0; i < 1000 && fd < 0; i++) {
        fd = dial();
        if (fd < 0)
            usleep(10000);
    }
    return fd;
}

static void removed_client(struct client *c)
{
    int before = dial();
    EXPECT(c, say(before, "e") && hear(before, "e"));
    EXPECT(c, unlink(path) == 0);
    int fd = dial_patiently();
    EXPECT(c, fd >= 0 && say(fd, "e") && hear(fd, "e"));
    EXPECT(c, say(before, "e") && hear(before, "e"));
    close(fd);
    /* Somebody else's file in its place is left alone; when it has gone, ours comes back. */
    EXPECT(c, unlink(path) == 0);
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    for (int i = 0; i < 1000 && file >= 0 && c->s->errors_logged == 0; i++)
        usleep(10000);
    if (file >= 0) { /* else a look has been quicker than we */
        struct stat st;
        EXPECT(c, c->s->errors_logged == 1);
        EXPECT(c, lstat(path, &st) == 0 && S_ISREG(st.st_mode) && unlink(path) == 0);
        close(file);
    }
    fd = dial_patiently();
    EXPECT(c, fd >= 0 && say(fd, "e") && hear(fd, "e"));
    close(fd);
    close(before);
}

static void makes_a_removed_socket_again(void)
{
    struct stub s;
    stub_start_with(&s, (struct io_limits){.sessions_max = 5, .overload_quiet_ms = NEVER_MS, .socket_look_ms = 20});
    run_with(&s, removed_client);
    CHECK(s.warnings_logged >= 2);
    CHECK(s.errors_logged <= 1); /* once a minute */
}

static void tick_client(struct client *c)
{
    int fd = dial();
    EXPECT(c, say(fd, "t") && hear(fd, "k"));
    for (int i = 0; i < 200 && hear(fd, ""); i++) {
        EXPECT(c, say(fd, "e") && hear(fd, "e"));
        if (c->s->ticks >= 2)
            break;
        usleep(10000);
    }
    EXPECT(c, say(fd, "q") && hear(fd, "bye"));
    close(fd);
}

static void ticks_while_they_are_wanted(void)
{
    struct stub s;
    stub_start(&s, 2);
    run_with(&s, tick_client);
    CHECK_INT(s.ticks, 2);
}

static void stop_client(struct client *c)
{
    int a = dial(), b = dial();
    EXPECT(c, say(a, "e") && hear(a, "e") && say(b, "e") && hear(b, "e"));
    io_wake(c->s->io);
    EXPECT(c, hear(a, "421") && hear_end(a) == 0 && hear(b, "421") && hear_end(b) == 0);
    close(a);
    close(b);
}

/* run_with's own wake may find the loop ended: the async handle lives until io_free. */
static void answers_everybody_when_it_stops(void)
{
    struct stub s;
    stub_start(&s, 5);
    run_with(&s, stop_client);
    CHECK(strchr(s.trace, 'S') != NULL);
}

static void stops_at_its_limit_though_the_engine_does_not(void)
{
    struct stub s;
    stub_start(&s, 5);
    s.no_stopped = true;
    struct io *io = s.io;
    int fd = dial(); /* in the queue: never answered */
    io_stop(io, 0, 50);
    io_run(io);
    CHECK_STR(s.trace, "S");
    close(fd);
    io_free(io);
}

static void job(void *ctx)
{
    struct stub *s = ctx;
    CHECK(!pthread_equal(pthread_self(), s->loop_thread));
    s->work_ran++;
}

static void job_done(void *ctx)
{
    struct stub *s = ctx;
    CHECK(pthread_equal(pthread_self(), s->loop_thread));
    s->work_done++;
    raise(SIGUSR1);
}

static void runs_work_elsewhere_and_catches_signals(void)
{
    struct stub s;
    stub_start(&s, 5);
    CHECK_INT(io_catch(s.io, SIGUSR1), ERR_NONE);
    io_work(s.io, job, job_done, &s);
    io_run(s.io);
    CHECK_INT(s.work_ran, 1);
    CHECK_INT(s.work_done, 1);
    CHECK_INT(s.signals, 1);
    io_free(s.io);
}

/* ---- listeners ---- */

static enum err try_listen(struct io *io, struct io_listen spec, const char *words)
{
    struct buf why = {0};
    enum err e = io_listen(io, &spec, &why);
    if (words && !strstr(buf_cstr(&why), words)) {
        printf("# said: %s\n", buf_cstr(&why));
        CHECK(!"the words that were wanted");
    }
    CHECK((e != ERR_NONE) == (why.len > 0));
    buf_fini(&why);
    return e;
}

static mode_t mode_of(const char *name)
{
    struct stat st;
    return stat(name, &st) == 0 ? st.st_mode & 07777 : 0;
}

static void makes_and_guards_unix_sockets(void)
{
    struct stub s, other;
    char in_new[160];
    snprintf(in_new, sizeof(in_new), "unix:%s/new/sock", directory);
    stub_start(&s, 5); /* listens at path */
    CHECK_INT(mode_of(path), 0660);
    struct io_listen spec = spec_unix();
    CHECK_INT(try_listen(s.io, spec, "somebody listens"), ERR_BUSY);
    CHECK_INT(access(path, F_OK), 0);

    spec.address = in_new;
    spec.mode = 0622;
    spec.group = "0";
    if (geteuid() != 0)
        spec.group = NULL;
    CHECK_INT(try_listen(s.io, spec, NULL), ERR_NONE);
    CHECK_INT(mode_of(in_new + 5), 0622);
    strrchr(in_new, '/')[0] = '\0';
    CHECK_INT(mode_of(in_new + 5), 02750);

    spec.group = "no-such-group-here";
    CHECK_INT(try_listen(s.io, spec, "no such group"), ERR_NOT_FOUND);

    /* A successor took the path over: its file must stay. */
    unlink(path);
    stub_start(&other, 5);
    io_free(s.io);
    CHECK_INT(access(path, F_OK), 0);
    io_free(other.io);
    CHECK(access(path, F_OK) < 0);
    rmdir(in_new + 5);
}

static void replaces_a_stale_socket_only(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    close(fd); /* the file stays: stale */
    struct stub s;
    stub_start(&s, 5);
    io_free(s.io);

    FILE *f = fopen(path, "w");
    fclose(f);
    static const struct io_hooks none;
    struct io *io;
    CHECK_INT(io_new(&io, &none, &(struct io_limits){.sessions_max = 5}), ERR_NONE);
    CHECK_INT(try_listen(io, spec_unix(), "no socket"), ERR_EXISTS);
    CHECK_INT(access(path, F_OK), 0);
    unlink(path);

    char longer[400];
    memset(longer, 'x', sizeof(longer));
    memcpy(longer, "unix:/", 6);
    longer[sizeof(longer) - 1] = '\0';
    struct io_listen spec = {.address = longer, .mode = -1, .owner = (uid_t)-1};
    CHECK_INT(try_listen(io, spec, "holds 107"), ERR_LIMIT);
    spec.address = "unix:/nonexistent-for-sure/deeper/sock";
    CHECK_INT(try_listen(io, spec, "/nonexistent-for-sure/deeper"), ERR_IO);
    spec.address = "tcp:1";
    CHECK_INT(try_listen(io, spec, "tcp:1"), ERR_SYNTAX);
    io_free(io);
}

/* ---- inherited sockets ---- */

static int foreign_unix(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    CHECK_INT(chmod(path, 0622), 0);
    CHECK_INT(listen(fd, 10), 0);
    return fd;
}

static struct io *bare_io(void)
{
    static const struct io_hooks none;
    struct io *io;
    CHECK_INT(io_new(&io, &none, &(struct io_limits){.sessions_max = 5}), ERR_NONE);
    return io;
}

static enum err try_inherit(struct io *io, int fd, const char *words)
{
    struct buf why = {0};
    enum err e = io_inherit(io, fd, &why);
    CHECK((words == NULL) == (e == ERR_NONE));
    if (words && !CHECK(strstr(buf_cstr(&why), words) != NULL))
        printf("# want: %s\n# got:  %s\n", words, buf_cstr(&why));
    buf_fini(&why);
    return e;
}

static int waiting_client(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static int waiting; /* connected before there was a loop */

static void waiting_is_served(struct client *c)
{
    EXPECT(c, say(waiting, "echo") && hear(waiting, "echo") && say(waiting, "q") && hear(waiting, "bye"));
    EXPECT(c, hear_end(waiting) == 0);
    close(waiting);
}

/* A process comes, ends, and another comes: the file stays as it was, and who connects in between waits. */
static void takes_over_a_unix_socket(void)
{
    int fd = foreign_unix();
    struct stat before, after;
    CHECK_INT(stat(path, &before), 0);
    struct io *first = bare_io();
    CHECK_INT(try_inherit(first, fd, NULL), ERR_NONE);
    CHECK_INT(try_listen(first, spec_unix(), NULL), ERR_NONE);
    CHECK_INT(try_listen(first, spec_unix(), "somebody listens"), ERR_BUSY); /* there is but one to take */
    io_free(first);
    CHECK_INT(stat(path, &after), 0);
    CHECK(before.st_ino == after.st_ino);
    CHECK_INT(mode_of(path), 0622);

    waiting = waiting_client();
    struct stub s;
    stub_start_inheriting(&s, fd);
    run_with(&s, waiting_is_served);
    CHECK_INT(stat(path, &after), 0);
    CHECK(before.st_ino == after.st_ino);
    close(fd);
    unlink(path);
}

static void takes_over_what_no_line_names(void)
{
    int fd = foreign_unix();
    struct buf text = {0}, why = {0};
    struct io *io = bare_io();
    CHECK_INT(try_inherit(io, fd, NULL), ERR_NONE);
    CHECK_INT(io_listen_inherited(io, &text, &why), ERR_NONE);
    CHECK(strncmp(buf_cstr(&text), "unix:", 5) == 0 && strcmp(buf_cstr(&text) + 5, path) == 0);
    CHECK_INT(io_listen_inherited(io, &text, &why), ERR_NONE); /* nothing is left */
    buf_fini(&text);
    io_describe_listeners(io, IO_MTA, &text);
    CHECK(strstr(buf_cstr(&text), path) != NULL);
    io_free(io);
    CHECK_INT(access(path, F_OK), 0);
    buf_fini(&text);
    buf_fini(&why);
    close(fd);
    unlink(path);
}

static void takes_over_an_inet_socket(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    char address[64];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 10) == 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(address, sizeof(address), "inet:%d@127.0.0.1", ntohs(at.sin_port));
    struct io_listen spec = {.address = address, .mode = -1, .owner = (uid_t)-1};
    struct io *io = bare_io();
    CHECK_INT(try_listen(io, spec, "cannot"), ERR_BUSY); /* it is somebody else's */
    io_free(io);
    io = bare_io();
    CHECK_INT(try_inherit(io, fd, NULL), ERR_NONE);
    CHECK_INT(try_listen(io, spec, NULL), ERR_NONE);
    io_free(io);
    close(fd);
}

static void takes_over_nothing_that_is_of_no_use(void)
{
    struct io *io = bare_io();
    int pair[2], fd = foreign_unix();
    CHECK_INT(pipe(pair), 0);
    CHECK_INT(try_inherit(io, pair[0], "no listening stream socket"), ERR_UNSUPPORTED);
    close(pair[0]);
    close(pair[1]);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_INT(try_inherit(io, pair[0], "no listening stream socket"), ERR_UNSUPPORTED);
    close(pair[0]);
    close(pair[1]);
    int abstract = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    CHECK(bind(abstract, (struct sockaddr *)&at, sizeof(sa_family_t)) == 0 && listen(abstract, 1) == 0);
    CHECK_INT(try_inherit(io, abstract, "kind that is not known"), ERR_UNSUPPORTED);
    close(abstract);
    unlink(path);
    CHECK_INT(try_inherit(io, fd, "does not lead to it"), ERR_NOT_FOUND);
    close(foreign_unix()); /* another one's file, whom nobody answers for */
    CHECK_INT(try_inherit(io, fd, "does not lead to it"), ERR_NOT_FOUND);
    close(fd);
    CHECK_INT(try_listen(io, spec_unix(), NULL), ERR_NONE); /* made as ever */
    io_free(io);
    CHECK(access(path, F_OK) < 0);
}

static void tcp_client(struct client *c)
{
    struct buf text = {0};
    io_describe_listeners(c->s->io, IO_MTA, &text); /* nothing is added while the loop runs */
    const char *at = strstr(buf_cstr(&text), "inet:");
    EXPECT(c, at != NULL);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)(at ? atoi(at + 5) : 0));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT(c, connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
    EXPECT(c, say(fd, "echo") && hear(fd, "echo") && say(fd, "q") && hear(fd, "bye"));
    EXPECT(c, hear_end(fd) == 0);
    close(fd);
    buf_fini(&text);
}

static void listens_on_inet(void)
{
    struct stub s;
    stub_start(&s, 5);
    struct io_listen spec = {.address = "inet:0@127.0.0.1", .mode = -1, .owner = (uid_t)-1};
    CHECK_INT(try_listen(s.io, spec, NULL), ERR_NONE);
    struct buf text = {0};
    io_describe_listeners(s.io, IO_MTA, &text);
    const char *at = strstr(buf_cstr(&text), "inet:");
    char same[64] = "";
    snprintf(same, sizeof(same), "%s", at ? at : "");
    spec.address = same;
    CHECK_INT(try_listen(s.io, spec, "cannot"), ERR_BUSY);
    spec.address = "inet:25@no-such-host.invalid";
    CHECK_INT(try_listen(s.io, spec, "no-such-host.invalid"), ERR_NOT_FOUND);
    spec.address = "inet6:0@[::1]";
    struct buf why = {0};
    enum err e = io_listen(s.io, &spec, &why); /* not everywhere */
    if (e == ERR_NONE) {
        buf_clear(&text);
        io_describe_listeners(s.io, IO_MTA, &text);
        CHECK(strstr(buf_cstr(&text), "@[::1]") != NULL);
    }
    buf_fini(&why);
    buf_fini(&text);
    run_with(&s, tcp_client);
}

int main(void)
{
    alarm(100); /* a loop that does not end is a failure, not a wait */
    snprintf(directory, sizeof(directory), "/tmp/tarsier-io-XXXXXX");
    if (!mkdtemp(directory))
        return 1;
    snprintf(path, sizeof(path), "%s/sock", directory);
    TEST(carries_bytes_looks_and_closes);
    TEST(sends_everything_before_it_closes);
    TEST(gives_up_on_an_mta_that_does_not_read);
    TEST(survives_an_mta_that_is_gone);
    TEST(gives_every_connection_a_new_name);
    TEST(gives_the_overload_to_its_hook_and_never_runs_dry);
    TEST(tells_each_kind_of_listener_its_own);
    TEST(answers_each_of_a_crowd);
    TEST(makes_a_removed_socket_again);
    TEST(ticks_while_they_are_wanted);
    TEST(answers_everybody_when_it_stops);
    TEST(stops_at_its_limit_though_the_engine_does_not);
    TEST(runs_work_elsewhere_and_catches_signals);
    TEST(makes_and_guards_unix_sockets);
    TEST(replaces_a_stale_socket_only);
    TEST(listens_on_inet);
    TEST(takes_over_a_unix_socket);
    TEST(takes_over_what_no_line_names);
    TEST(takes_over_an_inet_socket);
    TEST(takes_over_nothing_that_is_of_no_use);
    rmdir(directory);
    return TEST_END();
}
