/* dump.c - fuzz: any bytes as a dump file. Each line taken is written and read again, and becomes a record. */
#include "formats/dump.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const struct dump_line *line)
{
    struct dump_rules rules = {.delay_sec = 1800, .timeout_sec = 432000, .bits_v4 = 24, .bits_v6 = 64};
    struct arena arena = {0};
    struct buf text = {0};
    struct grey_tuple tuple;
    struct grey_record record;
    struct dump_line again;
    const char *why;
    if (dump_to_record(&arena, line, &rules, (struct wall){1}, &tuple, &record) == ERR_NONE) {
        if (dump_from_record(&record, &rules, &again) != ERR_NONE)
            abort();
        if (again.kind != line->kind || !ip_eq(&again.addr, &line->addr))
            abort();
        dump_put_line(&text, &again);
        if (dump_parse_line(slice_upto(buf_slice(&text), text.len - 1), &again, &why) != ERR_NONE)
            abort();
        if (again.kind != line->kind || again.waited_sec != line->waited_sec || !slice_eq(again.sender, record.sender) ||
            !slice_eq(again.recipient, record.recipient))
            abort();
    }
    buf_fini(&text);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dump_reader r = {.text = slice_of(data, size)};
    struct dump_line line;
    for (enum err e; (e = dump_next(&r, &line)) != ERR_NOT_FOUND;) {
        if (e == ERR_NONE)
            check_line(&line);
        else if (!r.why)
            abort();
    }
    return 0;
}
