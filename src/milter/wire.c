/* wire.c - cut a byte stream into milter packets and put them together. Knows lengths, no command. */
#include "milter/wire.h"
#include "base/mem.h"

enum { LENGTH_BYTES = 4 };

bool wire_take_u32(struct slice *rest, uint32_t *out)
{
    if (rest->len < 4)
        return false;
    const uint8_t *b = (const uint8_t *)rest->ptr;
    *out = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    *rest = slice_from(*rest, 4);
    return true;
}

enum wire_result wire_next(struct slice *in, uint32_t max, struct wire_packet *out)
{
    struct slice rest = *in;
    uint32_t length;
    if (!wire_take_u32(&rest, &length))
        return WIRE_MORE;
    /* the length is judged before the rest has come: nobody is to wait for a gigabyte that will not be taken */
    if (length == 0 || length > max)
        return WIRE_BAD;
    if (rest.len < length)
        return WIRE_MORE;
    out->cmd = (uint8_t)rest.ptr[0];
    out->body = slice_of(rest.ptr + 1, length - 1);
    *in = slice_from(rest, length);
    return WIRE_OK;
}

void wire_put(struct buf *out, uint8_t cmd, struct slice body)
{
    buf_reserve(out, LENGTH_BYTES + 1 + body.len);
    size_t mark = wire_begin(out, cmd);
    buf_put_slice(out, body);
    wire_end(out, mark);
}

size_t wire_begin(struct buf *out, uint8_t cmd)
{
    buf_put_u32be(out, 0);
    buf_put_byte(out, (char)cmd);
    return out->len - 1;
}

void wire_end(struct buf *out, size_t mark)
{
    size_t length = out->len - mark;
    if (length > UINT32_MAX)
        PANIC("a milter packet of 4 GiB");
    for (unsigned i = 0; i < LENGTH_BYTES; i++)
        out->ptr[mark - LENGTH_BYTES + i] = (char)(uint8_t)(length >> (8 * (LENGTH_BYTES - 1 - i)));
}

void wire_put_string(struct buf *out, struct slice s)
{
    buf_put_slice(out, slice_upto(s, slice_find(s, '\0')));
    buf_put_byte(out, '\0');
}
