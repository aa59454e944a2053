/* ctl.c - a connection, one request, and its lines. */
#include "cli/ctl.h"
#include "base/mem.h"
#include "setup/files.h"
#include "setup/generation.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char default_socket[] = "/run/tarsier/control";

/* Without a word about a file that cannot be read: a daemon may run all the same. Owner: the caller frees. NULL: it has none. */
static char *find_socket(const struct cli_daemon *at)
{
    if (at->socket)
        return mem_strdup(at->socket);
    struct diags diags;
    diags_init(&diags);
    struct plan *plan = generation_read(at->file ? at->file : files_default(), &diags);
    const char *path = plan ? plan->set->control : default_socket;
    char *found = path ? mem_strdup(path) : NULL;
    plan_unref(plan);
    diags_fini(&diags);
    return found;
}

/* For connect(2), too: it waits where nobody accepts. */
static void limit(int fd, int patience_sec)
{
    struct timeval time = {.tv_sec = patience_sec};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
}

static int dial(const char *path, int patience_sec)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(to.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(to.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        limit(fd, patience_sec);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static bool send_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return false;
        bytes = slice_from(bytes, n > 0 ? (size_t)n : 0);
    }
    return true;
}

struct answer {
    struct cli_talk *talk;
    cli_row row;
    void *ctx;
};

enum { GOES_ON = -1 };

static int take_end(struct answer *a, const struct ctl_line *line)
{
    if (line->kind == CTL_LINE_END)
        return CLI_OK;
    buf_put_slice(&a->talk->why, ctl_field(line, 1));
    return slice_eq_cstr(ctl_field(line, 0), CTL_CODE_USAGE) ? CLI_USAGE : CLI_FAILED;
}

/* The lines that are there. Returns GOES_ON until the end has come. */
static int take_lines(struct answer *a)
{
    struct cli_talk *t = a->talk;
    for (;;) {
        struct slice rest = slice_from(buf_slice(&t->in), t->at);
        size_t n = slice_find(rest, '\n');
        if (n == rest.len)
            break;
        struct ctl_line line;
        enum err e = ctl_line_parse(t->in.ptr + t->at, n, &line);
        t->at += n + 1;
        if (e != ERR_NONE) {
            buf_put_cstr(&t->why, "its answer cannot be read: is it of another version?");
            return CLI_FAILED;
        }
        if (line.kind != CTL_LINE_ROW)
            return take_end(a, &line);
        a->row(a->ctx, &line);
    }
    buf_drop(&t->in, t->at);
    t->at = 0;
    if (t->in.len <= CTL_LINE_MAX_BYTES)
        return GOES_ON;
    buf_put_cstr(&t->why, "a line of its answer is too long");
    return CLI_FAILED;
}

static int listen_to(struct answer *a)
{
    struct cli_talk *t = a->talk;
    int status = take_lines(a);
    while (status == GOES_ON) {
        char *room = buf_reserve(&t->in, 16384);
        ssize_t n = read(t->fd, room, 16384);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            buf_put_cstr(&t->why, n < 0 && errno == EAGAIN ? "tarsierd does not answer"
                                                           : "tarsierd has closed the connection: it ends");
            return CLI_NO_DAEMON;
        }
        t->in.len += (size_t)n;
        status = take_lines(a);
    }
    return status;
}

int cli_talk_open(struct cli_talk *t, const struct cli_daemon *at)
{
    *t = (struct cli_talk){.fd = -1};
    char *path = find_socket(at);
    if (!path) {
        buf_put_cstr(&t->why, "the configuration says `control none`: there is no socket to ask at");
        return CLI_NO_DAEMON;
    }
    t->fd = dial(path, at->patience_sec);
    if (t->fd < 0 && errno == EACCES)
        buf_printf(&t->why, "%s: %s", path, strerror(errno));
    else if (t->fd < 0)
        buf_printf(&t->why, "no tarsierd answers at %s: %s", path, strerror(errno));
    free(path);
    return t->fd < 0 ? CLI_NO_DAEMON : CLI_OK;
}

int cli_talk_ask(struct cli_talk *t, const struct slice *words, size_t n, cli_row row, void *ctx)
{
    struct buf request = {0};
    struct answer a = {.talk = t, .row = row, .ctx = ctx};
    int status = CLI_USAGE;
    buf_clear(&t->why);
    if (ctl_request_put(&request, words, n) != ERR_NONE) {
        buf_printf(&t->why, "a request has at most %d bytes", CTL_REQUEST_MAX_BYTES);
    } else {
        (void)send_all(t->fd, buf_slice(&request)); /* where it was closed, the reason can still be read */
        status = listen_to(&a);
    }
    buf_fini(&request);
    return status;
}

void cli_talk_close(struct cli_talk *t)
{
    if (t->fd >= 0)
        close(t->fd);
    buf_fini(&t->in);
    buf_fini(&t->why);
}

int cli_ask_quietly(const struct cli_daemon *at, const struct slice *words, size_t n, cli_row row, void *ctx,
                    struct buf *why)
{
    struct cli_talk t;
    int status = cli_talk_open(&t, at);
    if (status == CLI_OK)
        status = cli_talk_ask(&t, words, n, row, ctx);
    buf_put_slice(why, buf_slice(&t.why));
    cli_talk_close(&t);
    return status;
}

int cli_ask(const struct command *c, const struct cli_daemon *at, const struct slice *words, size_t n, cli_row row,
            void *ctx)
{
    struct buf why = {0};
    int status = cli_ask_quietly(at, words, n, row, ctx, &why);
    if (status != CLI_OK)
        fprintf(stderr, "tarsier %s: %s\n", c->row->name, buf_cstr(&why));
    buf_fini(&why);
    return status;
}

int cli_daemon_options(const struct command *c, int argc, char **argv, struct cli_daemon *at, bool *json)
{
    *at = (struct cli_daemon){0};
    for (int o; (o = cli_option(c, argc, argv)) != -1;) {
        if (o == 'f')
            at->file = optarg;
        else if (o == 'S')
            at->socket = optarg;
        else if (o == 'j' && json)
            *json = true;
        else
            return cli_usage(c, NULL);
    }
    return CLI_OK;
}

size_t cli_words(const struct command *c, int argc, char **argv, struct slice words[CTL_WORDS_MAX])
{
    size_t n = 0;
    for (struct slice rest = slice_cstr(c->row->name); rest.ptr;)
        words[n++] = slice_cut(&rest, ' ');
    for (int i = optind; i < argc && n < CTL_WORDS_MAX; i++)
        words[n++] = slice_cstr(argv[i]);
    return n;
}

static void print_line(void *ctx, const struct ctl_line *row)
{
    (void)ctx;
    struct slice text = ctl_field(row, 0);
    printf("%.*s\n", SLICE_ARG(text));
}

int cli_simple(const struct command *c, int argc, char **argv)
{
    struct cli_daemon at;
    struct slice words[CTL_WORDS_MAX];
    int status = cli_daemon_options(c, argc, argv, &at, NULL);
    if (status != CLI_OK)
        return status;
    int n = argc - optind;
    if (n < c->row->least || n > c->row->most)
        return cli_usage(c, c->row->most == 0 ? "it takes no arguments beside its options" : "it takes one argument");
    return cli_ask(c, &at, words, cli_words(c, argc, argv, words), print_line, NULL);
}
