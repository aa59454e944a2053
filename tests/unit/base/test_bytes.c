/* Slices, buffers, error texts. */
#include "../test.h"
#include "base/buf.h"

#include <string.h>

/* ---- slices ---- */

static void compares(void)
{
    static const struct {
        const char *a, *b;
        int sign;
        bool nocase;
    } rows[] = {{"", "", 0, true},           {"a", "a", 0, true},        {"a", "A", 1, true},   {"a", "b", -1, false},
                {"ab", "a", 1, false},       {"a", "ab", -1, false},     {"@", "`", -1, false}, {"[", "{", -1, false},
                {"\xc3", "\xe3", -1, false}, {"\x7f", "\x80", -1, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice a = slice_cstr(rows[i].a), b = slice_cstr(rows[i].b);
        int c = slice_cmp(a, b);
        CHECK_INT((c > 0) - (c < 0), rows[i].sign);
        CHECK_INT(slice_eq(a, b), rows[i].sign == 0);
        CHECK_INT(slice_eq_nocase(a, b), rows[i].nocase);
        CHECK_INT(slice_eq_cstr(a, rows[i].b), rows[i].sign == 0);
    }
    CHECK(slice_eq(SLICE_NONE, SLICE_LIT("")));
    CHECK(!slice_eq(SLICE_LIT("a\0b"), SLICE_LIT("a\0c")));
    CHECK_INT(slice_cmp(SLICE_NONE, SLICE_NONE), 0);
}

static void knows_ends(void)
{
    CHECK(slice_has_prefix(SLICE_LIT("hello"), "he"));
    CHECK(slice_has_prefix(SLICE_NONE, ""));
    CHECK(!slice_has_prefix(SLICE_LIT("h"), "he"));
    CHECK(slice_has_suffix_nocase(SLICE_LIT("mail.Example.ORG"), SLICE_LIT(".example.org")));
    CHECK(!slice_has_suffix_nocase(SLICE_LIT("org"), SLICE_LIT(".example.org")));
    CHECK(slice_has_suffix_nocase(SLICE_LIT("x"), SLICE_NONE));
}

static void cuts(void)
{
    struct slice s = SLICE_LIT("hello");
    CHECK_SLICE(slice_from(s, 2), "llo");
    CHECK_SLICE(slice_from(s, 5), "");
    CHECK_SLICE(slice_from(s, 99), "");
    CHECK_SLICE(slice_upto(s, 2), "he");
    CHECK_SLICE(slice_upto(s, 99), "hello");
    CHECK(slice_from(SLICE_NONE, 3).ptr == NULL);
    CHECK_SLICE(slice_trim(SLICE_LIT(" \tx y\t "), " \t"), "x y");
    CHECK_SLICE(slice_trim(SLICE_LIT("   "), " "), "");
    CHECK_INT(slice_trim(SLICE_LIT("\0x\0"), " ").len, 3);
    CHECK_INT(slice_find(SLICE_LIT("a@b@c"), '@'), 1);
    CHECK_INT(slice_rfind(SLICE_LIT("a@b@c"), '@'), 3);
    CHECK_INT(slice_find(SLICE_LIT("abc"), '@'), 3);
    CHECK_INT(slice_rfind(SLICE_LIT("abc"), '@'), 3);
    CHECK_INT(slice_find(SLICE_NONE, '@'), 0);
}

static void cuts_at_separators(void)
{
    struct slice rest = SLICE_LIT("a,,b,");
    CHECK_SLICE(slice_cut(&rest, ','), "a");
    CHECK_SLICE(slice_cut(&rest, ','), "");
    CHECK_SLICE(slice_cut(&rest, ','), "b");
    CHECK(rest.ptr != NULL);
    CHECK_SLICE(slice_cut(&rest, ','), "");
    CHECK(rest.ptr == NULL);
    rest = SLICE_LIT("");
    CHECK_SLICE(slice_cut(&rest, ','), "");
    CHECK(rest.ptr == NULL);
}

static void reads_numbers(void)
{
    static const struct {
        const char *text;
        enum err err;
        uint64_t value;
    } rows[] = {{"0", ERR_NONE, 0},
                {"007", ERR_NONE, 7},
                {"18446744073709551615", ERR_NONE, UINT64_MAX},
                {"18446744073709551616", ERR_RANGE, 0},
                {"99999999999999999999999", ERR_RANGE, 0},
                {"", ERR_SYNTAX, 0},
                {"-1", ERR_SYNTAX, 0},
                {"+1", ERR_SYNTAX, 0},
                {" 1", ERR_SYNTAX, 0},
                {"1x", ERR_SYNTAX, 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t v = 0;
        CHECK_INT(slice_to_u64(slice_cstr(rows[i].text), &v), rows[i].err);
        if (rows[i].err == ERR_NONE)
            CHECK(v == rows[i].value);
    }
    uint64_t v;
    CHECK_INT(slice_to_u64(SLICE_LIT("1\0"), &v), ERR_SYNTAX);
}

static void folds_ascii_only(void)
{
    CHECK_INT(ascii_lower('A'), 'a');
    CHECK_INT(ascii_lower('Z'), 'z');
    CHECK_INT(ascii_lower('@'), '@');
    CHECK_INT(ascii_lower('['), '[');
    CHECK_INT(ascii_lower('\xc4'), '\xc4');
    CHECK(ascii_is_alpha('z') && ascii_is_alpha('A') && !ascii_is_alpha('\xe4') && !ascii_is_alpha('1'));
    CHECK(ascii_is_digit('0') && ascii_is_digit('9') && !ascii_is_digit('a') && !ascii_is_digit('/'));
}

/* ---- buffers ---- */

static void puts_bytes(void)
{
    struct buf b;
    buf_init(&b);
    CHECK_INT(buf_slice(&b).len, 0);
    CHECK_STR(buf_cstr(&b), "");
    buf_put_cstr(&b, "ab");
    buf_put_byte(&b, 'c');
    buf_put_slice(&b, SLICE_LIT("de"));
    buf_put_slice(&b, SLICE_NONE);
    buf_put(&b, NULL, 0);
    CHECK_STR(buf_cstr(&b), "abcde");
    CHECK_INT(b.len, 5);
    buf_clear(&b);
    buf_put_u16be(&b, 0x0102);
    buf_put_u32be(&b, 0x030405ffu);
    CHECK(slice_eq(buf_slice(&b), SLICE_LIT("\1\2\3\4\5\xff")));
    static const struct {
        uint64_t n;
        const char *text;
    } numbers[] = {{0, "0"}, {9, "9"}, {10, "10"}, {1234567890, "1234567890"}, {UINT64_MAX, "18446744073709551615"}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        buf_clear(&b);
        buf_put_u64(&b, numbers[i].n);
        CHECK_SLICE(buf_slice(&b), numbers[i].text);
    }
    buf_fini(&b);
    CHECK(b.ptr == NULL);
}

static void prints(void)
{
    struct buf b = {0};
    buf_printf(&b, "%s", "");
    CHECK_INT(b.len, 0);
    buf_printf(&b, "%d:", 42);
    /* a text that exactly fills, and one that outgrows what is there */
    for (int i = 0; i < 300; i++) {
        size_t before = b.len;
        buf_printf(&b, "%*d", i, 7);
        CHECK_INT(b.len - before, i < 1 ? 1 : i);
    }
    CHECK_INT(strlen(buf_cstr(&b)), b.len);
    CHECK(slice_has_prefix(buf_slice(&b), "42:"));
    buf_fini(&b);
}

static void drops_from_the_front(void)
{
    struct buf b = {0};
    buf_put_cstr(&b, "hello");
    buf_drop(&b, 0);
    CHECK_STR(buf_cstr(&b), "hello");
    buf_drop(&b, 2);
    CHECK_STR(buf_cstr(&b), "llo");
    buf_drop(&b, 99);
    CHECK_INT(b.len, 0);
    buf_put_cstr(&b, "x");
    CHECK_STR(buf_cstr(&b), "x");
    buf_fini(&b);
    buf_drop(&b, 1);
    CHECK_INT(b.len, 0);
}

static void reserves(void)
{
    struct buf b = {0};
    memset(buf_reserve(&b, 100000), 'x', 100000);
    b.len += 100000;
    buf_put_byte(&b, 'y');
    CHECK_INT(b.ptr[99999], 'x');
    CHECK_INT(b.ptr[100000], 'y');
    CHECK(b.cap >= 100001);
    buf_fini(&b);
}

static void names_every_error(void)
{
    for (int e = ERR_NONE; e < ERR_MAX_; e++) {
        const char *text = err_text((enum err)e);
        CHECK(text && *text);
        for (int f = ERR_NONE; f < e; f++)
            CHECK(strcmp(text, err_text((enum err)f)) != 0);
    }
    CHECK(err_text(ERR_MAX_) != NULL);
}

int main(void)
{
    TEST(compares);
    TEST(knows_ends);
    TEST(cuts);
    TEST(cuts_at_separators);
    TEST(reads_numbers);
    TEST(folds_ascii_only);
    TEST(puts_bytes);
    TEST(prints);
    TEST(drops_from_the_front);
    TEST(reserves);
    TEST(names_every_error);
    return TEST_END();
}
