/* postgrey.c - fuzz: any bytes as db_dump's text. */
#include "formats/postgrey.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
        if (e == ERR_NONE && postgrey_to_record(&arena, &entry, &rules, 86400, (struct wall){1}, &record) == ERR_NONE &&
            (grey_record_end(&record).sec < 1 || record.type > GREY_RECORD_PAIR))
            abort();
        arena_clear(&arena);
    }
    buf_fini(&r.key);
    arena_fini(&arena);
    return 0;
}
