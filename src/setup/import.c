/* import.c - lines become slices of records; the memory of one slice is used for the next. */
#include "setup/import.h"
#include "base/mem.h"
#include "formats/lines.h"
#include "formats/postgrey.h"

#include <stdlib.h>

enum { IMPORT_SLICE = 1000, LINES_KEPT = 4 * IMPORT_SLICE, LINE_MAX_BYTES = 65536 };

struct importer {
    const struct conf_settings *set;
    struct dump_rules rules;
    struct wall now;
    import_sink sink;
    void *ctx;
    struct postgrey_reader postgrey;
    unsigned line;
    bool has_head, has_end;
    struct import_result result;
    struct arena arena;
    struct store_item items[IMPORT_SLICE];
    size_t count, since_commit; /* items; lines */
};

struct importer *importer_new(const struct conf_settings *set, struct wall now, import_sink sink, void *ctx)
{
    struct importer *im = mem_zalloc(sizeof(*im));
    im->set = set;
    im->now = now;
    im->sink = sink;
    im->ctx = ctx;
    im->rules = (struct dump_rules){.delay_sec = set->greylist_sec,
                                    .timeout_sec = set->timeout_sec,
                                    .bits_v4 = (unsigned)set->subnetmatch,
                                    .bits_v6 = (unsigned)set->subnetmatch6};
    return im;
}

void importer_free(struct importer *im)
{
    if (!im)
        return;
    buf_fini(&im->postgrey.key);
    arena_fini(&im->arena);
    free(im);
}

static enum err commit(struct importer *im)
{
    struct store_import import = {.items = im->items, .count = im->count, .lazy = im->set->lazyaw};
    enum err e = im->count ? im->sink(im->ctx, &import) : ERR_NONE;
    im->result.added += import.added;
    im->result.changed += import.changed;
    im->count = im->since_commit = 0;
    arena_clear(&im->arena);
    return e;
}

static enum err add(struct importer *im, const struct grey_record *record)
{
    if (grey_record_end(record).sec < im->now.sec) {
        im->result.expired++;
        return ERR_NONE;
    }
    im->items[im->count++] = (struct store_item){
        .record = *record, .addr_bits = record->addr.family == IP_V4 ? im->rules.bits_v4 : im->rules.bits_v6};
    return im->count == IMPORT_SLICE ? commit(im) : ERR_NONE;
}

static enum err note_bad(struct importer *im, const char *why)
{
    if (im->result.bad++ == 0) {
        im->result.first_bad_line = im->line;
        im->result.first_bad_reason = why;
    }
    return ERR_NONE;
}

static enum err take_json(struct importer *im, struct slice text)
{
    struct line line;
    const char *why;
    enum err e = line_parse(&im->arena, text, &line, &why);
    if (e == ERR_UNSUPPORTED)
        (void)note_bad(im, why);
    if (e != ERR_NONE)
        return e == ERR_UNSUPPORTED ? e : note_bad(im, why);
    if (im->has_end && line.kind != LINE_HEAD)
        return note_bad(im, "a line behind the last one");
    im->has_head |= line.kind == LINE_HEAD;
    im->has_end = line.kind == LINE_END;
    if (line.kind != LINE_RECORD)
        return ERR_NONE;
    im->result.records++;
    return add(im, &line.record);
}

static enum err take_postgrey(struct importer *im, struct slice text)
{
    struct postgrey_entry entry;
    struct grey_record record;
    const char *why;
    enum err e = postgrey_take_line(&im->postgrey, &im->arena, text, &entry, &why);
    if (e != ERR_NONE)
        return e == ERR_NOT_FOUND ? ERR_NONE : note_bad(im, why);
    im->result.records++;
    e = postgrey_to_record(&im->arena, &entry, &im->rules, im->set->autowhite_sec, im->now, &record);
    if (e == ERR_UNSUPPORTED)
        return note_bad(im, "postgrey has replaced the sender's numbers by #");
    im->result.expired += e == ERR_NOT_FOUND;
    return e == ERR_NONE ? add(im, &record) : ERR_NONE;
}

static enum err take_dump(struct importer *im, struct slice text)
{
    struct dump_line line;
    struct grey_tuple tuple;
    struct grey_record record;
    const char *why;
    enum err e = dump_parse_line(text, &line, &why);
    if (e != ERR_NONE)
        return e == ERR_NOT_FOUND ? ERR_NONE : note_bad(im, why);
    dump_summary_add(&im->result.dump, &line);
    e = dump_to_record(&im->arena, &line, &im->rules, im->now, &tuple, &record);
    im->result.expired += e != ERR_NONE;
    return e == ERR_NONE ? add(im, &record) : ERR_NONE;
}

/* By the first line that says something; the dump's may be anything else. */
static enum import_form form_of(struct slice line)
{
    line = slice_trim(line, " \t\r");
    if (line.len == 0 || line.ptr[0] == '#')
        return IMPORT_UNKNOWN;
    return line.ptr[0] == '{' ? IMPORT_LINES : slice_has_prefix(line, "VERSION=") ? IMPORT_POSTGREY : IMPORT_DUMP;
}

enum err importer_take(struct importer *im, struct slice line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\n')
        line.len--;
    im->line++;
    enum err e =
        ++im->since_commit < LINES_KEPT ? ERR_NONE : commit(im); /* what bad lines have left in the arena goes too */
    if (e != ERR_NONE)
        return e;
    if (im->result.form == IMPORT_UNKNOWN)
        im->result.form = form_of(line);
    if (line.len > LINE_MAX_BYTES)
        return note_bad(im, "a line of more than 64 KiB");
    switch (im->result.form) {
    case IMPORT_LINES:
        return line.len ? take_json(im, line) : ERR_NONE;
    case IMPORT_POSTGREY:
        return take_postgrey(im, line);
    case IMPORT_DUMP:
        return take_dump(im, line);
    default:
        return ERR_NONE;
    }
}

enum err importer_finish(struct importer *im, struct import_result *out)
{
    enum err e = commit(im);
    im->result.is_cut = im->has_head && !im->has_end;
    *out = im->result;
    return e;
}

static enum err into_store(void *ctx, struct store_import *import)
{
    return store_import(ctx, import);
}

enum err import_text(struct store *s, const struct conf_settings *set, struct slice text, struct wall now,
                     struct import_result *out)
{
    struct importer *im = importer_new(set, now, into_store, s);
    enum err e = ERR_NONE;
    while (e == ERR_NONE && text.len > 0)
        e = importer_take(im, slice_cut(&text, '\n'));
    enum err last = importer_finish(im, out);
    importer_free(im);
    return e ? e : last;
}

static void put_what(struct buf *out, const struct import_result *r)
{
    if (r->form == IMPORT_LINES)
        buf_printf(out, "%llu records", (unsigned long long)r->records);
    else if (r->form == IMPORT_POSTGREY)
        buf_printf(out, "%llu entries of postgrey", (unsigned long long)r->records);
    else
        buf_printf(out, "%llu greylisted, %llu auto-whitelisted, %llu tarpitted", (unsigned long long)r->dump.grey,
                   (unsigned long long)r->dump.autos, (unsigned long long)r->dump.tarpit);
}

void import_put_result(struct buf *out, const struct import_result *r)
{
    put_what(out, r);
    buf_printf(out, "; %llu records added, %llu changed", (unsigned long long)r->added, (unsigned long long)r->changed);
    if (r->expired)
        buf_printf(out, ", %llu expired", (unsigned long long)r->expired);
    if (r->bad)
        buf_printf(out, ", %llu lines passed over (the first is line %u: %s)", (unsigned long long)r->bad, r->first_bad_line,
                   r->first_bad_reason ? r->first_bad_reason : "not readable");
    if (r->is_cut)
        buf_put_cstr(out, "; the end is missing");
}
