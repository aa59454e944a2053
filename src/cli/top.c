/*
 * top.c - `tarsier top`: the daemon is asked every second, and what it says is shown on a full screen until q. What is shown
 * and what the keys mean is top/'s; the screen is terminal/'s.
 */
#include "cli/ctl.h"
#include "terminal/terminal.h"
#include "top/top.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A daemon that says nothing for so long is said to be gone; keys wait meanwhile. */
enum { EVERY_MS = 1000, PATIENCE_SEC = 2, HOST_MAX_BYTES = 256 };

struct watch {
    struct cli_daemon at;
    struct cli_talk talk;
    bool is_open;
    char from[24]; /* counters are sums since this hour, so that they only grow */
    struct top top;
    struct terminal *terminal;
    char host[HOST_MAX_BYTES];
};

static struct mono now_mono(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct mono){(int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000};
}

static void hang_up(struct watch *w)
{
    if (w->is_open)
        cli_talk_close(&w->talk);
    w->is_open = false;
}

static int ask(struct watch *w, const struct slice *words, size_t n, cli_row row)
{
    return cli_talk_ask(&w->talk, words, n, row, &w->top);
}

/* The numbers, and who is held. Who may see the numbers only has them without the list. */
static int ask_all(struct watch *w)
{
    char until[24];
    snprintf(until, sizeof(until), "%lld", (long long)time(NULL) + 1);
    const struct slice status[] = {SLICE_LIT("status")}, holds[] = {SLICE_LIT("holds")},
                       stats[] = {SLICE_LIT("stats"), slice_cstr(w->from), slice_cstr(until)};
    top_begin(&w->top);
    int done = ask(w, status, 1, top_take_status);
    if (done == CLI_OK)
        done = ask(w, stats, 3, top_take_count);
    if (done != CLI_OK)
        return done;
    done = ask(w, holds, 1, top_take_hold);
    if (done == CLI_NO_DAEMON)
        return done;
    top_answered(&w->top, now_mono(), done == CLI_OK ? SLICE_NONE : buf_slice(&w->talk.why));
    if (done != CLI_OK)
        hang_up(w); /* what follows may be the rest of an answer that was not understood */
    return CLI_OK;
}

/* CLI_OK, or what the command ends with where this was the first time. */
static int refresh_all(struct watch *w)
{
    int done = CLI_OK;
    if (!w->is_open) {
        done = cli_talk_open(&w->talk, &w->at);
        w->is_open = true;
    }
    if (done == CLI_OK)
        done = ask_all(w);
    if (done == CLI_OK)
        return done;
    top_lost(&w->top, buf_slice(&w->talk.why));
    hang_up(w);
    return done;
}

static void ignore_row(void *ctx, const struct ctl_line *row)
{
    (void)ctx, (void)row;
}

static void release(struct watch *w)
{
    const struct slice words[] = {SLICE_LIT("holds"), SLICE_LIT("release"), buf_slice(&w->top.chosen)};
    int done = w->is_open ? cli_talk_ask(&w->talk, words, 3, ignore_row, NULL) : CLI_NO_DAEMON;
    if (done == CLI_NO_DAEMON) {
        top_lost(&w->top, w->is_open ? buf_slice(&w->talk.why) : SLICE_NONE);
        hang_up(w);
    } else {
        top_released(&w->top, done == CLI_OK ? SLICE_NONE : buf_slice(&w->talk.why));
    }
}

static void put_line(void *ctx, size_t row, enum top_style style, struct slice line)
{
    static const enum terminal_style styles[] = {
        [TOP_PLAIN] = TERMINAL_PLAIN, [TOP_REVERSE] = TERMINAL_REVERSE, [TOP_BOLD] = TERMINAL_BOLD};
    terminal_put(ctx, row, styles[style], line);
}

static void show(struct watch *w)
{
    struct terminal_size size = terminal_size(w->terminal);
    time_t t = time(NULL);
    struct tm tm;
    char clock[16] = "";
    if (localtime_r(&t, &tm))
        strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
    const struct top_screen screen = {.rows = size.rows,
                                      .columns = size.columns,
                                      .utf8 = size.utf8,
                                      .host = w->host,
                                      .clock = clock,
                                      .put = put_line,
                                      .ctx = w->terminal};
    top_draw(&w->top, &screen);
    terminal_show(w->terminal);
}

static enum top_key key_of(int key)
{
    static const struct {
        int typed;
        enum top_key key;
    } keys[] = {{TERMINAL_UP, TOP_KEY_UP},
                {'k', TOP_KEY_UP},
                {TERMINAL_DOWN, TOP_KEY_DOWN},
                {'j', TOP_KEY_DOWN},
                {TERMINAL_HOME, TOP_KEY_FIRST},
                {TERMINAL_END, TOP_KEY_LAST},
                {'r', TOP_KEY_R},
                {'y', TOP_KEY_Y},
                {'q', TOP_KEY_Q}};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (keys[i].typed == key)
            return keys[i].key;
    return TOP_KEY_OTHER;
}

/* The keys until the next second. False: it is over. */
static bool take_keys(struct watch *w, struct mono until)
{
    for (;;) {
        show(w);
        int64_t left_ms = until.ms - now_mono().ms;
        int key = terminal_key(w->terminal, left_ms > 0 ? (int)left_ms : 0);
        if (key == TERMINAL_GONE)
            return false;
        if (key == TERMINAL_NO_KEY && left_ms <= 0)
            return true;
        if (key == TERMINAL_NO_KEY || key == TERMINAL_RESIZED)
            continue;
        enum top_act act = top_press(&w->top, key_of(key));
        if (act == TOP_QUIT)
            return false;
        if (act == TOP_RELEASE) {
            release(w);
            return true; /* without who was let in */
        }
    }
}

static int run(const struct command *c, struct watch *w)
{
    const char *why;
    int done = refresh_all(w);
    if (done != CLI_OK) {
        fprintf(stderr, "tarsier %s: %.*s\n", c->row->name, SLICE_ARG(buf_slice(&w->top.lost)));
        return done;
    }
    w->terminal = terminal_open(&why);
    if (!w->terminal) {
        fprintf(stderr, "tarsier %s: %s; tarsier status and tarsier holds need no full screen\n", c->row->name, why);
        return CLI_FAILED;
    }
    while (take_keys(w, (struct mono){now_mono().ms + EVERY_MS}))
        (void)refresh_all(w);
    terminal_close(w->terminal);
    return CLI_OK;
}

int cli_top(const struct command *c, int argc, char **argv)
{
    struct watch w = {0};
    int status = cli_daemon_options(c, argc, argv, &w.at, NULL);
    if (status != CLI_OK)
        return status;
    if (argc != optind)
        return cli_usage(c, "it takes no arguments beside its options");
    w.at.patience_sec = PATIENCE_SEC;
    snprintf(w.from, sizeof(w.from), "%lld", (long long)time(NULL) - 3600);
    if (gethostname(w.host, sizeof(w.host) - 1) != 0)
        w.host[0] = '\0';
    w.host[strcspn(w.host, ".")] = '\0';
    top_init(&w.top);
    status = run(c, &w);
    hang_up(&w);
    top_fini(&w.top);
    return status;
}
