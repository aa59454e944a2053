/*
 * replay_logs.c - lines of several log files, merged by time: rotated ones in any order, and those of several machines or instances.
 * A file is open from its first line's time to its end.
 */
#include "cli/replay.h"

#include "base/mem.h"
#include "replay/join.h"
#include "replay/unread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE_MAX_BYTES = 8192 };

struct source {
    const char *path;
    struct gzip *file; /* NULL: not open now */
    uint64_t size_bytes;
    struct maillog_clock clock;
    struct slice text; /* of the present line */
    struct maillog_line line;
    struct wall time; /* of the present line, or of the one before it */
    bool has_line, has_failed;
};

struct logs {
    struct replay_command *command;
    struct source *sources;
    size_t n;
    struct join *join;
    struct unread *unread;
};

static void fail(struct source *s, const char *why)
{
    (void)replay_failed(s->path, why);
    s->has_failed = true;
}

static bool source_open(struct source *s)
{
    if (gzip_open(s->path, &s->file) != ERR_NONE) {
        fail(s, strerror(errno));
        return false;
    }
    int64_t written = gzip_written(s->file).sec;
    s->size_bytes = gzip_size_bytes(s->file);
    s->clock = (struct maillog_clock){.latest = {written ? written : time(NULL)}};
    return true;
}

static void source_close(struct source *s)
{
    gzip_close(s->file);
    s->file = NULL;
}

static void source_next(struct source *s)
{
    s->has_line = gzip_line(s->file, LINE_MAX_BYTES, &s->text);
    if (!s->has_line) {
        if (gzip_error(s->file))
            fail(s, gzip_error(s->file));
        source_close(s);
        return;
    }
    maillog_read(&s->clock, s->text, &s->line);
    if (s->line.time.sec != 0)
        s->time = s->line.time;
    else
        s->line.time = s->time;
}

/* Where the file begins. One that can be opened again is closed until then. */
static void source_peek(struct source *s)
{
    if (!source_open(s))
        return;
    source_next(s);
    for (unsigned i = 0; i < 100 && s->has_line && s->time.sec == 0 && s->size_bytes; i++)
        source_next(s);
    if (s->has_line && s->size_bytes)
        source_close(s);
}

/* The source that comes next; *until: where another one's turn is. NULL: all are at their end. */
static struct source *next_source(const struct logs *l, struct wall *until)
{
    struct source *first = NULL;
    until->sec = INT64_MAX;
    for (size_t i = 0; i < l->n; i++) {
        struct source *s = &l->sources[i];
        if (!s->has_line)
            continue;
        if (!first || s->time.sec < first->time.sec) {
            if (first)
                *until = first->time;
            first = s;
        } else if (s->time.sec < until->sec) {
            *until = s->time;
        }
    }
    return first;
}

static uint64_t bytes_read(const struct logs *l)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < l->n; i++) {
        const struct source *s = &l->sources[i];
        sum += s->file ? gzip_read_bytes(s->file) : s->has_line ? 0 : s->size_bytes;
    }
    return sum;
}

static void take_line(struct logs *l, const struct source *s)
{
    l->command->reading.lines++;
    if (replay_progress_is_due(l->command))
        replay_progress(l->command, bytes_read(l));
    if (s->line.kind == MAILLOG_UNREAD) {
        const char *from = s->line.program.ptr ? s->line.program.ptr : s->text.ptr;
        unread_note(l->unread, slice_from(s->text, (size_t)(from - s->text.ptr)));
    } else {
        join_line(l->join, &s->line);
    }
}

static void read_all(struct logs *l)
{
    struct wall until;
    for (struct source *s; (s = next_source(l, &until)) != NULL;) {
        if (!s->file) { /* it was closed behind its first line */
            s->has_line = false;
            if (!source_open(s))
                continue;
            source_next(s);
        }
        while (s->has_line && s->time.sec <= until.sec) {
            take_line(l, s);
            source_next(s);
        }
    }
    join_finish(l->join);
}

static void take_delivery(void *ctx, const struct delivery *d)
{
    replay_delivery(ctx, d);
}

static void take_correspondent(void *ctx, struct slice address)
{
    replay_correspondent(ctx, address);
}

static void show_unread(const struct logs *l)
{
    struct buf text = {0};
    unread_put(l->unread, &text);
    fwrite(text.ptr, 1, text.len, stderr);
    buf_fini(&text);
}

int replay_read_logs(struct replay_command *r, int n, char **paths)
{
    const struct join_sink sink = {take_delivery, take_correspondent, r->replay};
    struct logs l = {.command = r, .n = (size_t)n, .join = join_new(&sink), .unread = unread_new()};
    int status = CLI_OK;
    l.sources = mem_zalloc((size_t)n * sizeof(*l.sources));
    for (size_t i = 0; i < l.n; i++) {
        l.sources[i].path = paths[i];
        source_peek(&l.sources[i]);
        r->all_bytes += l.sources[i].size_bytes;
    }
    read_all(&l);
    for (size_t i = 0; i < l.n; i++)
        if (l.sources[i].has_failed)
            status = CLI_FAILED;
    r->reading.unread = unread_count(l.unread);
    r->reading.join = *join_counts(l.join);
    if (r->show_unread)
        show_unread(&l);
    unread_free(l.unread);
    join_free(l.join);
    free(l.sources);
    return status;
}
