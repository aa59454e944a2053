/* export.c - `tarsier export`: the records as lines of JSON, or as milter-greylist's dump. */
#include "cli/export.h"

#include "cli/ctl.h"
#include "formats/dump.h"
#include "formats/lines.h"
#include "setup/files.h"
#include "setup/listing.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool write_out(FILE *out, struct buf *text)
{
    struct slice s = buf_slice(text);
    bool ok = s.len == 0 || fwrite(s.ptr, 1, s.len, out) == s.len;
    buf_clear(text);
    return ok;
}

void export_put_head(FILE *out)
{
    char *host = files_hostname();
    struct buf text = {0};
    line_put(&text, &(struct line){.kind = LINE_HEAD, .made = {(int64_t)time(NULL)}, .host = slice_cstr(host)});
    (void)write_out(out, &text); /* whoever closes the file sees what went wrong */
    buf_fini(&text);
    free(host);
}

void export_put_end(FILE *out, uint64_t records, uint64_t parts)
{
    struct buf text = {0};
    line_put(&text, &(struct line){.kind = LINE_END, .records = records, .parts = parts});
    (void)write_out(out, &text);
    buf_fini(&text);
}

struct dump {
    struct dump_rules rules;
    struct dump_summary summary;
};

static struct dump dump_of(const struct conf_settings *set)
{
    return (struct dump){.rules = {.delay_sec = set->greylist_sec, .timeout_sec = set->timeout_sec}};
}

/* Whether the form has a place for it. */
static bool put(struct buf *out, enum export_form form, struct dump *dump, const struct grey_record *r)
{
    struct dump_line line;
    if (form == EXPORT_LINES) {
        line_put_record(out, r);
        return true;
    }
    if (dump_from_record(r, &dump->rules, &line) != ERR_NONE)
        return false;
    dump_put_line(out, &line);
    dump_summary_add(&dump->summary, &line);
    return true;
}

bool export_records(struct access *a, const struct grey_filter *filter, enum export_form form, FILE *out, uint64_t *records)
{
    struct listing l;
    struct buf text = {0};
    struct dump dump = dump_of(a->plan->set);
    enum err e = ERR_NONE;
    bool written = true;
    *records = 0;
    if (form == EXPORT_DUMP)
        dump_put_header(&text);
    listing_begin(&l, filter);
    while (e == ERR_NONE && written && listing_next(&l)) {
        struct grey_key key;
        struct grey_record r;
        e = store_run(a->store, &l.job);
        for (size_t at = 0; e == ERR_NONE && store_slice_next(&l.job.u.read, &at, &key, &r);)
            *records += put(&text, form, &dump, &r);
        written = write_out(out, &text); /* while somebody reads slowly no transaction is open */
    }
    listing_end(&l);
    if (form == EXPORT_DUMP)
        dump_put_summary(&text, &dump.summary);
    written = write_out(out, &text) && written;
    buf_fini(&text);
    if (e != ERR_NONE)
        fprintf(stderr, "tarsier %s: the store cannot be read: %s\n", a->command, err_text(e));
    return e == ERR_NONE && written;
}

/* ---- by the daemon, where the store is not ours to read ---- */

struct asked {
    enum export_form form;
    struct dump dump;
    struct buf text;
    uint64_t records;
    bool begun; /* the head is out: the daemon has not refused */
    bool failed;
};

static void begin(struct asked *x)
{
    if (x->begun)
        return;
    x->begun = true;
    if (x->form == EXPORT_DUMP)
        dump_put_header(&x->text);
    else
        export_put_head(stdout);
}

static void take_row(void *ctx, const struct ctl_line *row)
{
    struct asked *x = ctx;
    struct arena arena = {0};
    struct line line;
    const char *why;
    begin(x);
    if (line_parse(&arena, ctl_field(row, 0), &line, &why) == ERR_NONE && line.kind == LINE_RECORD)
        x->records += put(&x->text, x->form, &x->dump, &line.record);
    x->failed |= !write_out(stdout, &x->text);
    arena_fini(&arena);
}

static int ask(const struct command *c, const struct cli_daemon *at, struct access *a, const char *since,
               enum export_form form, uint64_t *records)
{
    struct asked x = {.form = form, .dump = dump_of(a->plan->set)};
    struct buf word = {0};
    buf_printf(&word, "since=%s", since ? since : "");
    const struct slice words[] = {SLICE_LIT("grey"), SLICE_LIT("list"), buf_slice(&word)};
    int status = cli_ask(c, at, words, since ? 3 : 2, take_row, &x);
    if (status == CLI_OK)
        begin(&x);
    if (status == CLI_OK && form == EXPORT_DUMP)
        dump_put_summary(&x.text, &x.dump.summary);
    x.failed |= !write_out(stdout, &x.text);
    *records = x.records;
    buf_fini(&x.text);
    buf_fini(&word);
    return status == CLI_OK && x.failed ? CLI_FAILED : status;
}

/* ---- the command ---- */

static int export_all(const struct command *c, const struct cli_daemon *at, struct access *a, const char *since,
                      enum export_form form)
{
    struct grey_filter filter;
    uint64_t records;
    const char *why;
    int status = CLI_FAILED;
    grey_filter_init(&filter, (struct wall){(int64_t)time(NULL)});
    filter.autowhite_sec = a->plan->set->autowhite_sec;
    if (since && grey_filter_add(&filter, "since", slice_cstr(since), &why) != ERR_NONE)
        return cli_usage(c, why);
    bool here = !at->socket && access_may_read(a);
    if (here && (!access_drop_rights(a) || access_open_for_reading(a) != ERR_NONE))
        return CLI_FAILED;
    if (here && form == EXPORT_LINES)
        export_put_head(stdout);
    if (!here)
        status = ask(c, at, a, since, form, &records);
    else if (export_records(a, &filter, form, stdout, &records))
        status = CLI_OK;
    if (status == CLI_OK && form == EXPORT_LINES)
        export_put_end(stdout, records, 0);
    return status;
}

int cli_export(const struct command *c, int argc, char **argv)
{
    struct cli_daemon at = {0};
    struct access a;
    const char *since = NULL;
    enum export_form form = EXPORT_LINES;
    int status = CLI_FAILED;
    for (int o; (o = cli_option(c, argc, argv)) != -1;) {
        if (o == 'f')
            at.file = optarg;
        else if (o == 'S')
            at.socket = optarg;
        else if (o == 'd')
            form = EXPORT_DUMP;
        else if (o == 'i')
            since = optarg;
        else
            return cli_usage(c, NULL);
    }
    if (argc != optind)
        return cli_usage(c, "it writes to standard output");
    if (access_begin(&a, "export", at.file))
        status = export_all(c, &at, &a, since, form);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "tarsier export: cannot write\n");
        status = CLI_FAILED;
    }
    access_end(&a);
    return status;
}
