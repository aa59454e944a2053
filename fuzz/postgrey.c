/* postgrey.c - fuzz: any bytes as db_dump's text. What becomes a record is written as a line of an export and read again, and is the same. */
#include "formats/lines.h"
#include "formats/postgrey.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_record(struct arena *arena, const struct grey_record *r)
{
    struct buf text = {0};
    struct line again;
    const char *why;
    if (grey_record_end(r).sec < 1 || (r->type != GREY_RECORD_TUPLE && r->type != GREY_RECORD_PAIR))
        abort();
    if (r->is_auto ? r->auto_since.sec < r->first_seen.sec : r->type == GREY_RECORD_PAIR)
        abort();
    line_put_record(&text, r);
    if (line_parse(arena, slice_upto(buf_slice(&text), text.len - 1), &again, &why) != ERR_NONE || again.kind != LINE_RECORD)
        abort();
    const struct grey_record *b = &again.record;
    if (b->type != r->type || b->is_auto != r->is_auto || !ip_eq(&b->addr, &r->addr) || !slice_eq(b->sender, r->sender) ||
        !slice_eq(b->recipient, r->recipient) || b->expires.sec != r->expires.sec || b->first_seen.sec != r->first_seen.sec)
        abort();
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dump_rules rules = {.delay_sec = 1800, .timeout_sec = 432000};
    struct slice rest = slice_of(data, size);
    struct postgrey_reader r = {0};
    struct arena arena = {0};
    while (rest.len > 0) {
        struct postgrey_entry entry;
        struct grey_record record;
        const char *why;
        enum err e = postgrey_take_line(&r, &arena, slice_cut(&rest, '\n'), &entry, &why);
        if (e != ERR_NONE && e != ERR_NOT_FOUND && !why)
            abort();
        if (e == ERR_NONE && postgrey_to_record(&arena, &entry, &rules, 86400, (struct wall){1}, &record) == ERR_NONE)
            check_record(&arena, &record);
        arena_clear(&arena);
    }
    buf_fini(&r.key);
    arena_fini(&arena);
    return 0;
}
