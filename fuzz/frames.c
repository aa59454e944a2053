/* frames.c - wire_next over any bytes: the same packets whether they come whole or a few at a time, and built back as they came. */
#include "base/mem.h"
#include "milter/wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All packets of the stream, built again into out. */
static enum wire_result cut_whole(struct slice in, struct buf *out)
{
    struct wire_packet p;
    enum wire_result r;
    while ((r = wire_next(&in, WIRE_PACKET_MAX_BYTES, &p)) == WIRE_OK)
        wire_put(out, p.cmd, p.body);
    return r;
}

/* The same, as a socket would hand them over: `step` bytes at a time, the unfinished part kept. */
static enum wire_result cut_in_steps(struct slice in, size_t step, struct buf *out)
{
    struct buf kept = {0};
    enum wire_result r = WIRE_MORE;
    while (in.len > 0 && r != WIRE_BAD) {
        buf_put_slice(&kept, slice_upto(in, step));
        in = slice_from(in, step);
        struct slice rest = buf_slice(&kept);
        struct wire_packet p;
        while ((r = wire_next(&rest, WIRE_PACKET_MAX_BYTES, &p)) == WIRE_OK)
            wire_put(out, p.cmd, p.body);
        buf_drop(&kept, kept.len - rest.len);
    }
    buf_fini(&kept);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = {0}, steps = {0};
    struct slice in = slice_of(data, size);
    enum wire_result r = cut_whole(in, &whole);
    if (r == WIRE_OK || whole.len > size)
        PANIC("more was cut than came");
    if (whole.len > 0 && memcmp(whole.ptr, data, whole.len) != 0)
        PANIC("built packets differ from those that came");
    size_t step = size > 0 ? data[size - 1] % 7u + 1 : 1;
    if (size < 4096 && (cut_in_steps(in, step, &steps) != r || !slice_eq(buf_slice(&whole), buf_slice(&steps))))
        PANIC("packets depend on how the bytes arrive");
    buf_fini(&whole);
    buf_fini(&steps);
    return 0;
}
