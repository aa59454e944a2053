/* pairs.c - fuzz: any bytes as another program's configuration, in the form that the first byte names. */
#include "formats/address.h"
#include "formats/pairs.h"

#include "base/buf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(struct slice text)
{
    struct buf first = {0}, second = {0};
    if (address_put(text, true, &first) == ERR_NONE &&
        (address_put(buf_slice(&first), true, &second) != ERR_NONE || !slice_eq(buf_slice(&first), buf_slice(&second))))
        abort(); /* what it has written it reads as the same */
    buf_clear(&first);
    if (address_put_host_port(text, &first) == ERR_NONE && !address_is_quotable(buf_slice(&first)))
        abort();
    buf_fini(&first);
    buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct arena arena = {0};
    struct vars vars = {0};
    struct pairs p = {.form = (enum pairs_form)(data[0] & 3), .text = slice_of(data + 1, size - 1), .line = 1};
    struct pair pair;
    for (size_t n = 0; pairs_next(&p, &arena, &pair); n++) {
        if (n > size || pair.key.len > PAIRS_VALUE_MAX_BYTES || pair.value.len > PAIRS_VALUE_MAX_BYTES)
            abort();
        struct slice value = vars_expand(&vars, &arena, pair.value);
        vars_set(&vars, &arena, pair.key, value);
        check_address(value);
        check_address(command_option(value, &arena, 'p'));
        vars_read_words(&vars, &arena, value);
    }
    vars_read(&vars, &arena, slice_of(data + 1, size - 1));
    if (vars.n > PAIRS_VARS_MAX)
        abort();
    arena_fini(&arena);
    return 0;
}
