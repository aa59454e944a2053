/*
 * filter.c - fuzz: lines "name=value" are a filter, which is asked about a few records. What matches stands in the ranges that a listing
 * walks; a condition that is refused changes nothing.
 */
#include "base/mem.h"
#include "grey/filter.h"
#include "grey/take.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct grey_secret secret = {{{1, 2}}, {{3, 4}}};

static bool is_within(const struct grey_filter *f, const struct grey_key *key)
{
    struct grey_key from, to;
    bool found = false;
    for (unsigned n = 0; grey_filter_range(f, n, &from, &to); n++) {
        if (memcmp(&from, &to, sizeof(from)) > 0)
            abort();
        found = found || (memcmp(&from, key, sizeof(from)) <= 0 && memcmp(key, &to, sizeof(to)) <= 0);
    }
    return found;
}

/* The masks that a configuration may have: subnetmatch and subnetmatch6. */
static void check_ranges(const struct grey_filter *f, const struct grey_record *r)
{
    static const unsigned masks[2][3] = {{32, 24, 16}, {128, 64, 48}};
    for (size_t i = 0; i < COUNT_OF(masks[0]); i++) {
        struct grey_key key;
        grey_record_key(&secret, r, masks[r->addr.family == IP_V6][i], &key);
        if (!is_within(f, &key))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct grey_record records[] = {
        {.type = GREY_RECORD_TUPLE,
         .first_seen = {1000},
         .expires = {9000},
         .left_sec = -1,
         .addr = {.family = IP_V4, .bytes = {192, 0, 2, 7}},
         .sender = SLICE_LIT("<aaaaaaaaaaaaaaaaaaaaaaaab@example.org>"),
         .recipient = SLICE_LIT("<c@example.net>")},
        {.type = GREY_RECORD_TUPLE,
         .is_auto = true,
         .first_seen = {1000},
         .expires = {9000},
         .auto_since = {1500},
         .left_sec = -1,
         .addr = {.family = IP_V6, .bytes = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7}},
         .sender = SLICE_LIT("<aaaaaaaaaaaaaaaaaaaaaaaab@example.org>"),
         .recipient = SLICE_LIT("<c@example.net>")},
        {.type = GREY_RECORD_PAIR,
         .is_auto = true,
         .first_seen = {1990},
         .expires = {9000},
         .auto_since = {1995},
         .left_sec = -1,
         .addr = {.family = IP_V4, .bytes = {192, 0, 2, 255}},
         .sender = SLICE_LIT("example.org")},
        {.type = GREY_RECORD_CLIENT,
         .first_seen = {1000},
         .expires = {9000},
         .left_sec = 30,
         .left_until = {9000},
         .addr = {.family = IP_V4, .bytes = {10, 1, 2, 3}}},
    };
    struct slice rest = slice_of(data, size);
    struct grey_filter f;
    bool before[COUNT_OF(records)];
    grey_filter_init(&f, (struct wall){2000});
    for (size_t i = 0; i < COUNT_OF(records); i++)
        before[i] = true;
    while (rest.len > 0) {
        struct slice value = slice_cut(&rest, '\n'), name = slice_cut(&value, '=');
        char text[16] = {0};
        const char *why = NULL;
        memcpy(text, name.ptr, name.len < 15 ? name.len : 15);
        enum err e = grey_filter_add(&f, text, value.ptr ? value : SLICE_LIT(""), &why);
        if (e != ERR_NONE && !why)
            abort();
        if (e == ERR_NONE && grey_filter_is_empty(&f))
            abort();
        for (size_t i = 0; i < COUNT_OF(records); i++) {
            bool matches = grey_filter_match(&f, &records[i]);
            if (e != ERR_NONE && matches != before[i])
                abort();
            if (matches)
                check_ranges(&f, &records[i]);
            before[i] = matches;
        }
    }
    return 0;
}
