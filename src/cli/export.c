/* export.c - `tarsier export`: the records as lines of JSON, or as milter-greylist's dump. */
#include "cli/export.h"

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

static bool export_all(struct access *a, const struct grey_filter *filter, enum export_form form)
{
    uint64_t records;
    if (form == EXPORT_LINES)
        export_put_head(stdout);
    if (!export_records(a, filter, form, stdout, &records))
        return false;
    if (form == EXPORT_LINES)
        export_put_end(stdout, records, 0);
    return true;
}

int cli_export(const struct command *c, int argc, char **argv)
{
    static const struct option options[] = {{"file", required_argument, NULL, 'f'},
                                            {"since", required_argument, NULL, 's'},
                                            {"dump", no_argument, NULL, 'd'},
                                            {0}};
    struct grey_filter filter;
    struct access a;
    const char *file = NULL, *why;
    enum export_form form = EXPORT_LINES;
    grey_filter_init(&filter, (struct wall){(int64_t)time(NULL)});
    for (int o; (o = getopt_long(argc, argv, "f:", options, NULL)) != -1;) {
        if (o == 'f')
            file = optarg;
        else if (o == 'd')
            form = EXPORT_DUMP;
        else if (o != 's')
            return cli_usage(c, "an option that it does not know, or one without its argument");
        else if (grey_filter_add(&filter, "since", slice_cstr(optarg), &why) != ERR_NONE)
            return cli_usage(c, why);
    }
    if (argc != optind)
        return cli_usage(c, "it writes to standard output");
    bool ok = access_begin(&a, "export", file) && access_drop_rights(&a) && access_open_for_reading(&a) == ERR_NONE;
    filter.autowhite_sec = ok ? a.plan->set->autowhite_sec : 0;
    ok = ok && export_all(&a, &filter, form);
    if (ok && (fflush(stdout) != 0 || ferror(stdout))) {
        fprintf(stderr, "tarsier export: cannot write\n");
        ok = false;
    }
    access_end(&a);
    return ok ? CLI_OK : CLI_FAILED;
}
