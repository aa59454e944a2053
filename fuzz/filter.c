/* filter.c - fuzz: lines "name=value" are a filter, which is asked about a few records. */
#include "grey/filter.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size);
    struct grey_filter f;
    struct grey_record r = {.type = GREY_RECORD_TUPLE,
                            .first_seen = {1000},
                            .expires = {9000},
                            .left_sec = -1,
                            .addr = {.family = IP_V4, .bytes = {192, 0, 2, 7}},
                            .sender = SLICE_LIT("<aaaaaaaaaaaaaaaaaaaaaaaab@example.org>"),
                            .recipient = SLICE_LIT("<c@example.net>")};
    struct grey_key from, to;
    grey_filter_init(&f, (struct wall){2000});
    while (rest.len > 0) {
        struct slice value = slice_cut(&rest, '\n'), name = slice_cut(&value, '=');
        char text[16] = {0};
        const char *why = NULL;
        memcpy(text, name.ptr, name.len < 15 ? name.len : 15);
        if (grey_filter_add(&f, text, value.ptr ? value : SLICE_LIT(""), &why) != ERR_NONE && !why)
            abort();
    }
    (void)grey_filter_match(&f, &r);
    for (unsigned n = 0; grey_filter_range(&f, n, &from, &to); n++)
        if (memcmp(&from, &to, sizeof(from)) > 0)
            abort();
    return 0;
}
