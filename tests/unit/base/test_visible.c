/* What may stand in one line. */
#include "../test.h"
#include "base/buf.h"

static void makes_control_bytes_visible(void)
{
    struct buf b = {0};
    buf_put_visible(&b, SLICE_NONE);
    CHECK_INT(b.len, 0);
    buf_put_visible(&b, SLICE_LIT("a\0b\r\nc\x1b\x7f\t \xc3\xa9~"));
    CHECK_SLICE(buf_slice(&b), "a?b??c??? \xc3\xa9~");
    buf_clear(&b);
    buf_put_visible(&b, SLICE_LIT("\xc2\x80 \xc2\x9b\x33m \xc2\xa0 \xc3\x9b \xc2")); /* U+009B begins what ESC [ does */
    CHECK_SLICE(buf_slice(&b), "? ?3m \xc2\xa0 \xc3\x9b \xc2");
    buf_clear(&b);
    buf_put_visible(&b, SLICE_LIT("a?b??c??? \xc3\xa9~"));
    buf_put_visible(&b, SLICE_LIT("%n"));
    CHECK_SLICE(buf_slice(&b), "a?b??c??? \xc3\xa9~%n");
    buf_fini(&b);
}

int main(void)
{
    TEST(makes_control_bytes_visible);
    return TEST_END();
}
