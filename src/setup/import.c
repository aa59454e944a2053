/* import.c - slices of a dump become slices of records; the memory of one slice is used for the next. */
#include "setup/import.h"
#include "base/mem.h"

#include <stdlib.h>

enum { IMPORT_SLICE = 1000 };

struct slice_of_items {
    struct arena arena;
    struct store_item items[IMPORT_SLICE];
    size_t count;
};

static enum err slice_commit(struct store *s, const struct conf_settings *set, struct slice_of_items *part,
                             struct import_result *out)
{
    struct store_import import = {.items = part->items, .count = part->count, .lazy = set->lazyaw};
    enum err e = part->count ? store_import(s, &import) : ERR_NONE;
    out->added += import.added;
    out->changed += import.changed;
    part->count = 0;
    arena_clear(&part->arena);
    return e;
}

static void line_take(struct slice_of_items *part, const struct dump_line *line, const struct dump_rules *rules,
                      struct wall now, struct import_result *out)
{
    struct store_item *item = &part->items[part->count];
    dump_summary_add(&out->read, line);
    struct grey_tuple tuple;
    *item = (struct store_item){0};
    if (dump_to_record(&part->arena, line, rules, now, &tuple, &item->record) == ERR_NONE) {
        item->addr_bits = tuple.addr_bits;
        part->count++;
    } else {
        out->expired++;
    }
}

enum err import_dump(struct store *s, const struct conf_settings *set, struct slice text, struct wall now,
                     struct import_result *out)
{
    struct dump_rules rules = {.delay_sec = set->greylist_sec,
                               .timeout_sec = set->timeout_sec,
                               .bits_v4 = (unsigned)set->subnetmatch,
                               .bits_v6 = (unsigned)set->subnetmatch6};
    struct dump_reader reader = {.text = text};
    struct slice_of_items *part = mem_zalloc(sizeof(*part));
    struct dump_line line;
    enum err e = ERR_NONE, got;
    *out = (struct import_result){0};
    while (e == ERR_NONE && (got = dump_next(&reader, &line)) != ERR_NOT_FOUND) {
        if (got == ERR_NONE) {
            line_take(part, &line, &rules, now, out);
        } else if (out->bad++ == 0) {
            out->first_bad_line = reader.line;
            out->first_bad_reason = reader.why;
        }
        if (part->count == IMPORT_SLICE)
            e = slice_commit(s, set, part, out);
    }
    if (e == ERR_NONE)
        e = slice_commit(s, set, part, out);
    arena_fini(&part->arena);
    free(part);
    return e;
}

void import_put_result(struct buf *out, const struct import_result *r)
{
    buf_printf(out, "%llu greylisted, %llu auto-whitelisted, %llu tarpitted; %llu records added, %llu changed",
               (unsigned long long)r->read.grey, (unsigned long long)r->read.autos, (unsigned long long)r->read.tarpit,
               (unsigned long long)r->added, (unsigned long long)r->changed);
    if (r->expired)
        buf_printf(out, ", %llu expired", (unsigned long long)r->expired);
    if (r->bad)
        buf_printf(out, ", %llu lines passed over (the first is line %u: %s)", (unsigned long long)r->bad, r->first_bad_line,
                   r->first_bad_reason ? r->first_bad_reason : "not readable");
}
