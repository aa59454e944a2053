/* allow.c - fuzz: any bytes as a list of allows. What is taken is written, read again and found again. */
#include "policy/allow.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct allows *a = allows_new(), *b = allows_new();
    struct buf once = {0}, twice = {0};
    size_t unknown;
    if (allows_parse(a, slice_of(data, size), &unknown) != ERR_NONE)
        abort(); /* no input of a fuzzer has a hundred thousand lines */
    allows_put(a, (struct wall){1000}, &once);
    if (allows_parse(b, buf_slice(&once), &unknown) != ERR_NONE)
        abort();
    allows_put(b, (struct wall){1000}, &twice);
    if (!slice_eq(buf_slice(&once), buf_slice(&twice)))
        abort();
    allows_index(b);
    for (size_t i = 0; i < allows_count(b); i++) {
        const struct allow_entry *e = allows_at(b, i);
        struct buf from = {0};
        if (e->sender.len && e->sender.ptr[0] == '@')
            buf_put_byte(&from, 'x');
        buf_put_slice(&from, e->sender);
        struct allow_question q = {.client = e->net, .name = e->name, .sender = buf_slice(&from), .now = {1000}};
        if (e->recipient.len == 0 && !allows_find(b, &q))
            abort();
        buf_fini(&from);
    }
    allows_unref(a);
    allows_unref(b);
    buf_fini(&once);
    buf_fini(&twice);
    return 0;
}
