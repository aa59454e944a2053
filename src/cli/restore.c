/*
 * restore.c - `tarsier restore`: a backup becomes the store. The whole file is read first; then the old store goes aside, and the records go
 * into a new one.
 */
#include "base/mem.h"
#include "cli/access.h"
#include "formats/lines.h"
#include "grey/filter.h"
#include "setup/import.h"
#include "setup/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { AHEAD_SEC = 3600, AGE_DAYS = 7 };

struct restore {
    struct access access;
    const char *path;
    FILE *f;
    struct wall now, made;
    int64_t max_age_sec;
    char *aside; /* where the old store is now */
    uint64_t line, records, parts;
    bool has_head, has_end;
};

static bool refuse(const struct restore *r, const char *why)
{
    fprintf(stderr, "tarsier restore: %s", r->path);
    if (r->line)
        fprintf(stderr, ":%" PRIu64, r->line);
    fprintf(stderr, ": %s\n", why);
    return false;
}

/* ---- is the backup whole? ---- */

static bool check_head(const struct restore *r)
{
    int64_t age = r->now.sec - r->made.sec;
    if (age < -AHEAD_SEC)
        return refuse(r, "it was made in the future: is this machine's clock right?");
    if (age > r->max_age_sec)
        return refuse(r,
                      "it is older than a restore takes by itself: most of its records have expired, and what came since is "
                      "not in it; --max-age allows it");
    return true;
}

static bool check_line(struct restore *r, struct arena *arena, struct slice text)
{
    struct line line;
    const char *why;
    if (line_parse(arena, text, &line, &why) != ERR_NONE)
        return refuse(r, why);
    if (r->has_head != (line.kind != LINE_HEAD) || r->has_end)
        return refuse(r, r->has_end ? "something behind the last line"
                                    : "the first line of a backup is not there, or not alone");
    if (line.kind == LINE_PART && !part_find(line.part))
        return refuse(r, "a part that this version does not know");
    r->records += line.kind == LINE_RECORD;
    r->parts += line.kind == LINE_PART;
    if (line.kind == LINE_HEAD) {
        r->has_head = true;
        r->made = line.made;
        return check_head(r);
    }
    r->has_end = line.kind == LINE_END;
    if (r->has_end && (line.records != r->records || line.parts != r->parts))
        return refuse(r, "records are missing: the last line tells of others");
    return true;
}

/* Each line to take, until it is false or the end. */
static bool each_line(struct restore *r, bool (*take)(struct restore *r, struct arena *arena, struct slice text))
{
    struct arena arena = {0};
    char *text = NULL;
    size_t size = 0;
    bool ok = true;
    rewind(r->f);
    r->line = 0;
    for (ssize_t n; ok && (n = getline(&text, &size, r->f)) >= 0;) {
        r->line++;
        if (n > 0 && text[n - 1] == '\n')
            n--;
        ok = take(r, &arena, slice_of(text, (size_t)n));
        arena_clear(&arena);
    }
    if (ok && ferror(r->f))
        ok = refuse(r, strerror(errno));
    arena_fini(&arena);
    free(text);
    return ok;
}

static bool check_all(struct restore *r)
{
    if (!each_line(r, check_line))
        return false;
    return r->has_end || refuse(r, "the end is missing: the file was cut");
}

/* ---- the old store, the new one ---- */

/* A second restore of one second has a name of its own. */
static bool make_aside(struct restore *r)
{
    char last = 'a';
    size_t end = strlen(r->aside);
    while (mkdir(r->aside, 0700) != 0) {
        if (errno != EEXIST || last > 'z')
            return false;
        r->aside = mem_realloc(r->aside, end + 2);
        r->aside[end] = last++;
        r->aside[end + 1] = '\0';
    }
    return true;
}

static bool set_aside(struct restore *r)
{
    struct access *a = &r->access;
    char date[32];
    time_t now = (time_t)r->now.sec;
    struct tm tm;
    struct buf path = {0};
    if (!a->kind->set_aside) {
        fprintf(stderr,
                "tarsier restore: the store \"%s\" is none that can be put aside: `tarsier import %s` adds the records\n",
                a->plan->set->store, r->path);
        return false;
    }
    localtime_r(&now, &tm);
    strftime(date, sizeof(date), "%Y%m%d-%H%M%S", &tm);
    buf_printf(&path, "%s/before-restore-%s", stores_state_directory(a->plan->set), date);
    r->aside = mem_strdup(buf_cstr(&path));
    buf_fini(&path);
    enum err e = make_aside(r) ? a->kind->set_aside(a->plan->set->store, r->aside) : ERR_IO;
    if (e == ERR_NONE)
        return true;
    if (e == ERR_BUSY)
        fprintf(stderr, "tarsier restore: %s is in use: stop tarsierd first (systemctl stop tarsierd.socket tarsierd)\n",
                a->plan->set->store);
    else
        fprintf(stderr, "tarsier restore: %s: %s\n", r->aside, strerror(errno));
    (void)rmdir(r->aside);
    return false;
}

static enum err into_store(void *ctx, struct store_import *import)
{
    return store_import(ctx, import);
}

static bool put_records(struct restore *r, struct import_result *result)
{
    struct access *a = &r->access;
    struct importer *im = importer_new(a->plan->set, r->now, into_store, a->store);
    char *line = NULL;
    size_t size = 0;
    enum err e = ERR_NONE;
    rewind(r->f);
    for (ssize_t n; e == ERR_NONE && (n = getline(&line, &size, r->f)) >= 0;)
        e = importer_take(im, slice_of(line, (size_t)n));
    enum err last = importer_finish(im, result);
    importer_free(im);
    free(line);
    e = e ? e : last;
    if (e != ERR_NONE || ferror(r->f) || result->bad > 0) {
        fprintf(stderr, "tarsier restore: stopped: %s\n", err_text(e ? e : ERR_IO));
        return false;
    }
    return true;
}

/* One part at a time: its lines together are its file. */
static bool put_part(struct restore *r, const struct part *part)
{
    const char *directory = stores_state_directory(r->access.plan->set);
    struct buf content = {0};
    struct arena arena = {0};
    char *text = NULL;
    size_t size = 0;
    bool found = false;
    enum err e = ERR_NONE;
    rewind(r->f);
    for (ssize_t n; (n = getline(&text, &size, r->f)) >= 0;) {
        struct line line;
        const char *why;
        n -= n > 0 && text[n - 1] == '\n';
        if (line_parse(&arena, slice_of(text, (size_t)n), &line, &why) == ERR_NONE && line.kind == LINE_PART &&
            slice_eq_cstr(line.part, part->name)) {
            part_text_to_bytes(line.text, &content);
            buf_put_byte(&content, '\n');
            found = true;
        }
        arena_clear(&arena);
    }
    if (found)
        e = part_write(part, directory, buf_slice(&content));
    if (e != ERR_NONE)
        fprintf(stderr, "tarsier restore: %s/%s: %s\n", directory, part->path, strerror(errno));
    arena_fini(&arena);
    buf_fini(&content);
    free(text);
    return e == ERR_NONE;
}

static bool restore(struct restore *r)
{
    struct import_result result;
    struct buf words = {0};
    if (!check_all(r) || !access_drop_rights(&r->access) || !set_aside(r))
        return false;
    bool ok = access_open_for_writing(&r->access) == ERR_NONE && put_records(r, &result);
    for (size_t i = 0; ok && i < n_parts; i++)
        ok = put_part(r, &parts[i]);
    if (ok) {
        import_put_result(&words, &result);
        printf("%s: %s\nThe old store is in %s\n", r->path, buf_cstr(&words), r->aside);
    } else {
        fprintf(stderr, "tarsier restore: the old store is in %s; to have it back move its files into %s\n", r->aside,
                r->access.plan->set->store);
    }
    buf_fini(&words);
    return ok;
}

int cli_restore(const struct command *c, int argc, char **argv)
{
    struct restore r = {.now = {(int64_t)time(NULL)}, .max_age_sec = AGE_DAYS * 86400};
    const char *file = NULL;
    for (int o; (o = cli_option(c, argc, argv)) != -1;) {
        if (o == 'f')
            file = optarg;
        else if (o != 'm')
            return cli_usage(c, NULL);
        else if (cli_duration(optarg, &r.max_age_sec) != ERR_NONE)
            return cli_usage(c, "--max-age takes a time such as 30d");
    }
    if (argc - optind != 1)
        return cli_usage(c, "it takes the file that `tarsier backup` has written");
    r.path = argv[optind];
    bool ok = false;
    if (access_begin(&r.access, "restore", file) && access_must_be_kept(&r.access)) {
        r.f = fopen(r.path, "re"); /* with the rights that can read it */
        ok = r.f ? restore(&r) : refuse(&r, strerror(errno));
    }
    if (r.f)
        (void)fclose(r.f);
    access_end(&r.access);
    free(r.aside);
    return ok ? CLI_OK : CLI_FAILED;
}
