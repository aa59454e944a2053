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
    buf_put_visible(&b, SLICE_LIT("%n"));
    CHECK_SLICE(buf_slice(&b), "a?b??c??? \xc3\xa9~%n");
    buf_fini(&b);
}

int main(void)
{
    TEST(makes_control_bytes_visible);
    return TEST_END();
}
