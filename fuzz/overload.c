/* overload.c - any bytes to the least possible milter, at once and in pieces: the answers are the same. */
#include "base/buf.h"
#include "daemon/overload.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What it answers to the bytes, fed in pieces of this size; *closed: it has hung up. */
static void converse(struct overload *all, owner_id session, struct slice bytes, size_t piece, enum overload_answer answer,
                     struct buf *said, bool *closed)
{
    struct effects out;
    effects_init(&out);
    *closed = false;
    while (bytes.len > 0 && !*closed) {
        size_t n = bytes.len < piece ? bytes.len : piece;
        struct event e = {.kind = EVENT_BYTES, .owner = session};
        e.u.bytes = slice_of(bytes.ptr, n);
        bytes = slice_from(bytes, n);
        overload_step(all, &e, answer, &out);
        for (size_t i = 0; i < out.count; i++) {
            if (out.items[i].owner != session)
                abort();
            *closed |= out.items[i].kind == EFFECT_CLOSE;
            if (out.items[i].kind == EFFECT_SEND)
                buf_put_slice(said, out.items[i].u.bytes);
        }
        effects_clear(&out);
    }
    effects_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct overload *all = overload_new();
    struct buf whole = {0}, pieces = {0};
    bool whole_closed, pieces_closed;
    enum overload_answer answer = (enum overload_answer)(size % 4);
    converse(all, 1, slice_of(data, size), size, answer, &whole, &whole_closed);
    converse(all, 2, slice_of(data, size), size / 7 + 1, answer, &pieces, &pieces_closed);
    if (whole_closed != pieces_closed || !slice_eq(buf_slice(&whole), buf_slice(&pieces)))
        abort();
    buf_fini(&whole);
    buf_fini(&pieces);
    overload_free(all);
    return 0;
}
