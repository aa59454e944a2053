/* lines.c - fuzz: any bytes as lines of an export. What is taken is written and read again, and says the same. */
#include "formats/lines.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_record(struct arena *arena, const struct grey_record *r)
{
    struct buf text = {0};
    struct line again;
    const char *why;
    size_t bytes = grey_record_size(r);
    uint8_t *stored = mem_alloc(bytes);
    struct grey_record back;
    line_put_record(&text, r);
    if (line_parse(arena, slice_upto(buf_slice(&text), text.len - 1), &again, &why) != ERR_NONE)
        abort();
    grey_record_encode(&again.record, stored);
    if (grey_record_size(&again.record) != bytes || grey_record_decode(slice_of(stored, bytes), &back) != ERR_NONE ||
        !ip_eq(&back.addr, &r->addr) || !slice_eq(back.sender, r->sender) || !slice_eq(back.recipient, r->recipient) ||
        back.expires.sec != r->expires.sec || back.left_sec != r->left_sec)
        abort();
    free(stored);
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size);
    struct arena arena = {0};
    while (rest.len > 0) {
        struct line line;
        const char *why = NULL;
        enum err e = line_parse(&arena, slice_cut(&rest, '\n'), &line, &why);
        if (e == ERR_NONE && line.kind == LINE_RECORD)
            check_record(&arena, &line.record);
        else if (e != ERR_NONE && !why)
            abort();
        arena_clear(&arena);
    }
    arena_fini(&arena);
    return 0;
}
