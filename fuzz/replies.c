/*
 * replies.c - any bytes as what a filter says: what is taken is built byte for byte as it came. And any bytes as status, enhanced
 * code and text (the first three strings): whatever they are, what is built is a reply that every MTA takes.
 */
#include "base/mem.h"
#include "milter/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parse(struct slice in)
{
    struct wire_packet p;
    while (wire_next(&in, WIRE_PACKET_MAX_BYTES, &p) == WIRE_OK) {
        struct milter_reply r;
        if (milter_parse_reply(&p, &r) != ERR_NONE)
            continue;
        struct buf want = {0}, got = {0};
        wire_put(&want, p.cmd, p.body);
        milter_put_reply(&got, &r);
        if (!slice_eq(buf_slice(&want), buf_slice(&got)))
            PANIC("a reply changed on its way through the builder");
        if (r.code == SMFIR_REPLYCODE && (r.u.replycode.status < 400 || r.u.replycode.status > 599))
            PANIC("a reply code that is no refusal");
        buf_fini(&want);
        buf_fini(&got);
    }
}

static void check_build(struct slice in)
{
    struct slice status = slice_cut(&in, '\0'), enhanced = slice_cut(&in, '\0');
    struct buf b = {0};
    milter_put_replycode(&b, status, enhanced, in);
    struct slice packet = buf_slice(&b);
    struct wire_packet p;
    struct milter_reply r;
    if (wire_next(&packet, WIRE_PACKET_MAX_BYTES, &p) != WIRE_OK || packet.len != 0 ||
        milter_parse_reply(&p, &r) != ERR_NONE)
        PANIC("a built reply is not taken");
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_parse(slice_of(data, size));
    check_build(slice_of(data, size));
    return 0;
}
