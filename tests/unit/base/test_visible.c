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

static void writes_strings_of_json(void)
{
    struct buf b = {0};
    buf_put_json(&b, SLICE_NONE);
    CHECK_SLICE(buf_slice(&b), "\"\"");
    buf_clear(&b);
    buf_put_json(&b, SLICE_LIT("a\0\n\x1f\x7f \"q\" \\ /"));
    CHECK_SLICE(buf_slice(&b), "\"a\\u0000\\u000a\\u001f\\u007f \\\"q\\\" \\\\ /\"");
    buf_clear(&b);
    buf_put_json(&b, SLICE_LIT("\xc3\xa9 \xc2\x9b \xe2\x82\xac \xf0\x9f\x90\x92"));
    CHECK_SLICE(buf_slice(&b), "\"\xc3\xa9 \\u009b \xe2\x82\xac \xf0\x9f\x90\x92\"");
    buf_clear(&b);
    /* no UTF-8: a lone byte, one cut off, too long a form, a surrogate, beyond U+10FFFF */
    buf_put_json(&b, SLICE_LIT("\xff|\xc3|\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80"));
    CHECK_SLICE(buf_slice(&b), "\"\\ufffd|\\ufffd|\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd\\ufffd\"");
    buf_fini(&b);
}

int main(void)
{
    TEST(makes_control_bytes_visible);
    TEST(writes_strings_of_json);
    return TEST_END();
}
