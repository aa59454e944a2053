/* surplus.c - any bytes to the least possible milter. */
#include "daemon/surplus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct effects out;
    effects_init(&out);
    struct event e = {.kind = EVENT_BYTES, .session = 1};
    e.u.bytes = slice_of(data, size);
    surplus_step(&e, (enum surplus_answer)(size % 4), &out);
    effects_fini(&out);
    return 0;
}
