/* replay.c - `tarsier replay`: logs or traces from files, what would have happened to their mail to stdout. */
#include "cli/replay.h"
#include "setup/allow_file.h"
#include "setup/stores.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RETRY_DEFAULT_SEC = 15 * 60, TRACE_LINE_MAX_BYTES = 4096, PROGRESS_LINES = 1 << 14 };

/* Returns NULL, or what is wrong; "": that has been told. */
static const char *read_options(const struct command *c, int argc, char **argv, struct replay_command *r)
{
    for (int o; (o = cli_option(c, argc, argv)) != -1;) {
        switch (o) {
        case 'f':
            r->conf = optarg;
            break;
        case 'w':
            if (cli_duration(optarg, &r->options.warm_up_sec) != ERR_NONE)
                return "--warm-up takes a time such as 7d";
            break;
        case 'r':
            if (cli_duration(optarg, &r->options.retry_sec) != ERR_NONE || r->options.retry_sec == 0)
                return "--retry takes a time such as 15m";
            break;
        case 'F':
            r->options.is_certain = strcmp(optarg, "trace") == 0;
            if (!r->options.is_certain && strcmp(optarg, "postfix") != 0)
                return "--format takes postfix or trace";
            break;
        case 'j':
            r->json = true;
            break;
        case 'u':
            r->show_unread = true;
            break;
        default:
            return "";
        }
    }
    return optind < argc ? NULL : "it takes the names of log files, or - for standard input";
}

bool replay_progress_is_due(struct replay_command *r)
{
    return r->shows_progress && r->reading.lines % PROGRESS_LINES == 1;
}

void replay_progress(const struct replay_command *r, uint64_t read_bytes)
{
    static const char bar[] = "########################################";
    enum { BAR = sizeof(bar) - 1 };
    unsigned long long lines = r->reading.lines;
    if (r->all_bytes) {
        int percent = (int)(100 * read_bytes / r->all_bytes), done = percent < 100 ? percent * BAR / 100 : BAR;
        fprintf(stderr, "\r[%.*s%*s] %3d %%  %llu lines", done, bar, BAR - done, "", percent, lines);
    } else {
        fprintf(stderr, "\r%llu lines", lines);
    }
}

int replay_failed(const char *path, const char *why)
{
    fprintf(stderr, "tarsier replay: cannot read %s: %s\n", path, why);
    return CLI_FAILED;
}

static int read_trace(struct replay_command *r, const char *path)
{
    struct gzip *file;
    struct slice line;
    struct delivery d;
    bool is_first = true;
    if (gzip_open(path, &file) != ERR_NONE)
        return replay_failed(path, strerror(errno));
    r->all_bytes = gzip_size_bytes(file);
    while (gzip_line(file, TRACE_LINE_MAX_BYTES, &line)) {
        r->reading.lines++;
        if (replay_progress_is_due(r))
            replay_progress(r, gzip_read_bytes(file));
        if (trace_read(line, &d) == ERR_NONE)
            replay_delivery(r->replay, &d);
        else if (!is_first) {
            r->reading.unread++;
            if (r->show_unread)
                fprintf(stderr, "unread: %.*s\n", SLICE_ARG(line));
        }
        is_first = false;
    }
    int status = gzip_error(file) ? replay_failed(path, gzip_error(file)) : CLI_OK;
    gzip_close(file);
    return status;
}

static int read_traces(struct replay_command *r, int n, char **paths)
{
    int status = CLI_OK;
    for (int i = 0; i < n; i++)
        if (read_trace(r, paths[i]) != CLI_OK)
            status = CLI_FAILED;
    return status;
}

static int run(struct replay_command *r, int n, char **paths)
{
    struct buf text = {0};
    int status = r->options.is_certain ? read_traces(r, n, paths) : replay_read_logs(r, n, paths);
    replay_finish(r->replay);
    if (r->shows_progress)
        fprintf(stderr, "\r\033[K");
    if (r->json)
        report_put_json(r->replay, &r->reading, &text);
    else
        report_put_screen(r->replay, &r->reading, &text);
    bool written = fwrite(text.ptr, 1, text.len, stdout) == text.len && fflush(stdout) == 0;
    buf_fini(&text);
    return written ? status : CLI_FAILED;
}

/* The list of `tarsier allow`, so that the report tells what it spares. Owner: allows_unref; NULL: it cannot be read. */
static struct allows *read_allows(const struct plan *plan)
{
    struct allows *allows = NULL;
    struct buf why = {0};
    if (allow_file_read(stores_state_directory(plan->set), &allows, &why) != ERR_NONE) {
        fprintf(stderr, "tarsier replay: nobody counts as allowed: %s\n", buf_cstr(&why));
        allows = NULL;
    }
    buf_fini(&why);
    return allows;
}

int cli_replay(const struct command *c, int argc, char **argv)
{
    struct replay_command r = {.options.retry_sec = RETRY_DEFAULT_SEC};
    const char *error = read_options(c, argc, argv, &r);
    if (error)
        return cli_usage(c, error);
    struct plan *plan = cli_plan(r.conf);
    if (!plan)
        return CLI_FAILED;
    r.shows_progress = isatty(STDERR_FILENO);
    r.reading = (struct replay_reading){.warm_up_sec = r.options.warm_up_sec,
                                        .retry_sec = r.options.retry_sec,
                                        .is_trace = r.options.is_certain,
                                        .shows_unread = r.show_unread};
    r.options.allows = read_allows(plan);
    r.replay = replay_new(plan, &r.options);
    int status = run(&r, argc - optind, argv + optind);
    replay_free(r.replay);
    allows_unref(r.options.allows);
    plan_unref(plan);
    return status;
}
