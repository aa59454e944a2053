/* Frames: cut at every byte, at the limits, and put together. */
#include "bytes.h"

static void cuts_packets(void)
{
    struct slice in = BYTES("\0\0\0\1A"
                            "\0\0\0\6Hhelo\0"
                            "\0\0\0\2B\0");
    struct wire_packet p;
    CHECK_INT(wire_next(&in, 100, &p), WIRE_OK);
    CHECK_INT(p.cmd, 'A');
    CHECK_BYTES(p.body, "");
    CHECK(p.body.ptr != NULL);
    CHECK_INT(wire_next(&in, 100, &p), WIRE_OK);
    CHECK_INT(p.cmd, 'H');
    CHECK_BYTES(p.body, "helo\0");
    CHECK_INT(wire_next(&in, 100, &p), WIRE_OK);
    CHECK_BYTES(p.body, "\0");
    CHECK_INT(wire_next(&in, 100, &p), WIRE_MORE);
    CHECK_INT(in.len, 0);
}

static void waits_at_every_byte(void)
{
    struct slice whole = BYTES("\0\0\0\6Hhelo\0");
    for (size_t n = 0; n < whole.len; n++) {
        char *copy = exact_copy(slice_upto(whole, n));
        struct slice in = slice_of(copy, n);
        struct wire_packet p = {.cmd = '!'};
        CHECK_INT(wire_next(&in, 6, &p), WIRE_MORE);
        CHECK(in.ptr == copy && in.len == n);
        CHECK_INT(p.cmd, '!');
        free(copy);
    }
}

static void refuses_lengths(void)
{
    const struct {
        struct slice in;
        uint32_t max;
        enum wire_result want;
    } rows[] = {
        {BYTES("\0\0\0\0"), 100, WIRE_BAD},
        {BYTES("\0\0\0\0A"), 100, WIRE_BAD},
        {BYTES("\0\0\0\7"), 6, WIRE_BAD}, /* before its bytes have come */
        {BYTES("\0\0\0\6"), 6, WIRE_MORE},
        {BYTES("\0\1\0\0"), WIRE_PACKET_MAX_BYTES, WIRE_MORE},
        {BYTES("\0\1\0\1"), WIRE_PACKET_MAX_BYTES, WIRE_BAD},
        {BYTES("\377\377\377\377B"), WIRE_PACKET_MAX_BYTES, WIRE_BAD},
        {BYTES("\200\0\0\1B"), WIRE_PACKET_MAX_BYTES, WIRE_BAD},
        {BYTES("\377\377\377\377B"), UINT32_MAX, WIRE_MORE},
        {BYTES("GET / HTTP/1.1\r\n"), WIRE_PACKET_MAX_BYTES, WIRE_BAD},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice in = rows[i].in;
        struct wire_packet p;
        if (!CHECK_INT(wire_next(&in, rows[i].max, &p), rows[i].want))
            print_bytes("row", rows[i].in);
        CHECK(in.ptr == rows[i].in.ptr && in.len == rows[i].in.len);
    }
}

/* Postfix 3.7 sends bodies in frames of 65,536 bytes with their command byte: one more than libmilter's chunk. */
static void takes_the_longest_body(void)
{
    struct buf b = {0};
    buf_put(&b, "\0\1\0\0B", 5);
    for (unsigned i = 0; i < 65535; i++)
        buf_put_byte(&b, (char)i);
    struct wire_packet p = only_packet(buf_slice(&b));
    CHECK_INT(p.cmd, 'B');
    CHECK_INT(p.body.len, 65535);
    CHECK_INT((uint8_t)p.body.ptr[65534], 65534 & 255);

    struct buf built = {0};
    wire_put(&built, 'B', p.body);
    CHECK(slice_eq(buf_slice(&built), buf_slice(&b)));
    buf_fini(&built);
    buf_fini(&b);
}

static void puts_packets(void)
{
    struct buf b = {0};
    wire_put(&b, 'c', SLICE_NONE);
    wire_put(&b, 'y', BYTES("451 a\0"));
    size_t mark = wire_begin(&b, 'h');
    wire_put_string(&b, SLICE_LIT("X"));
    wire_put_string(&b, BYTES("cut\0 here"));
    wire_put_string(&b, SLICE_NONE);
    wire_end(&b, mark);
    CHECK_BYTES(buf_slice(&b), "\0\0\0\1c"
                               "\0\0\0\7y451 a\0"
                               "\0\0\0\10hX\0cut\0\0");
    buf_fini(&b);
}

static void takes_numbers(void)
{
    struct slice in = BYTES("\377\0\1\2\3\4\5");
    uint32_t v = 7;
    CHECK(wire_take_u32(&in, &v));
    CHECK_INT(v, 0xff000102);
    CHECK(!wire_take_u32(&in, &v));
    CHECK_INT(v, 0xff000102);
    CHECK_BYTES(in, "\3\4\5");
}

int main(void)
{
    TEST(cuts_packets);
    TEST(waits_at_every_byte);
    TEST(refuses_lengths);
    TEST(takes_the_longest_body);
    TEST(puts_packets);
    TEST(takes_numbers);
    return TEST_END();
}
