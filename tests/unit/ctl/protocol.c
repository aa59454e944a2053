/* protocol.c - requests and rows, both ways; what may come in and what may not. */
#include "ctl/protocol.h"
#include "test.h"

#include <string.h>

static enum err parse(const char *line, struct ctl_words *w)
{
    return ctl_request_parse(slice_cstr(line), w);
}

static void cuts_a_request_into_words(void)
{
    struct ctl_words w;
    CHECK_INT(parse("holds\trelease 17", &w), ERR_NONE);
    CHECK_INT(w.count, 3);
    CHECK_SLICE(w.word[1], "release");
    CHECK_SLICE(w.word[2], "17");
    CHECK_INT(parse("allow\tadd\ta\\x20b\\x5c\\x0Ac\r", &w), ERR_NONE);
    CHECK_SLICE(w.word[2], "a b\\\nc");
    CHECK_INT(parse("a\t\tb\t", &w), ERR_NONE); /* two separators: an empty word between them */
    CHECK_INT(w.count, 4);
    CHECK_SLICE(w.word[1], "");
    CHECK_SLICE(w.word[3], "");
    CHECK_INT(parse("", &w), ERR_NONE);
    CHECK_INT(w.count, 0);
    CHECK_INT(parse("caf\xc3\xa9", &w), ERR_NONE);
    CHECK_SLICE(w.word[0], "caf\xc3\xa9");
}

static void refuses_what_is_no_request(void)
{
    static const char *const bad[] = {"a\x01", "a\\", "a\\x", "a\\x4", "a\\xg0", "a\\n", "\x7f", "a\rb"};
    struct ctl_words w;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_INT(parse(bad[i], &w), ERR_SYNTAX);
    CHECK_INT(ctl_request_parse(SLICE_LIT("a\0b"), &w), ERR_SYNTAX);
    char line[CTL_REQUEST_MAX_BYTES + 1];
    memset(line, 'a', sizeof(line));
    CHECK_INT(ctl_request_parse(slice_of(line, CTL_REQUEST_MAX_BYTES), &w), ERR_LIMIT);
    CHECK_INT(ctl_request_parse(slice_of(line, CTL_REQUEST_MAX_BYTES - 1), &w), ERR_NONE);
    CHECK_INT(w.word[0].len, CTL_REQUEST_MAX_BYTES - 1);
    memset(line, ' ', sizeof(line));
    CHECK_INT(ctl_request_parse(slice_of(line, CTL_WORDS_MAX), &w), ERR_LIMIT);
    CHECK_INT(ctl_request_parse(slice_of(line, CTL_WORDS_MAX - 1), &w), ERR_NONE);
}

static void reads_back_what_it_wrote(void)
{
    char every[256];
    for (int i = 0; i < 256; i++)
        every[i] = (char)i;
    struct slice words[] = {SLICE_LIT(""), slice_of(every, sizeof(every)), SLICE_LIT("two words")};
    struct buf line = {0};
    struct ctl_words w;
    CHECK_INT(ctl_request_put(&line, words, 3), ERR_NONE);
    CHECK_INT(slice_find(buf_slice(&line), '\n'), line.len - 1);
    CHECK_INT(ctl_request_parse(slice_upto(buf_slice(&line), line.len - 1), &w), ERR_NONE);
    CHECK_INT(w.count, 3);
    for (size_t i = 0; i < 3; i++)
        CHECK(slice_eq(w.word[i], words[i]));
    buf_clear(&line);
    ctl_put_row(&line, words, 3);
    struct ctl_line row;
    CHECK_INT(ctl_line_parse(line.ptr, line.len - 1, &row), ERR_NONE);
    CHECK_INT(row.kind, CTL_LINE_ROW);
    CHECK_INT(row.count, 3);
    for (size_t i = 0; i < 3; i++)
        CHECK(slice_eq(row.fields[i], words[i]));
    CHECK_SLICE(ctl_field(&row, 3), "");
    static char large[CTL_REQUEST_MAX_BYTES];
    memset(large, 'a', sizeof(large));
    buf_clear(&line);
    buf_put_cstr(&line, "before");
    CHECK_INT(ctl_request_put(&line, (struct slice[]){slice_of(large, sizeof(large))}, 1), ERR_LIMIT);
    CHECK_SLICE(buf_slice(&line), "before");
    buf_fini(&line);
}

/* A row whose text looks like an end is a row all the same. */
static void tells_rows_from_ends(void)
{
    static const char *const texts[] = {".", "error usage no", "error ", "..", "errors", ""};
    struct buf line = {0};
    struct ctl_line row;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct slice field = slice_cstr(texts[i]);
        buf_clear(&line);
        ctl_put_row(&line, &field, 1);
        CHECK_INT(ctl_line_parse(line.ptr, line.len - 1, &row), ERR_NONE);
        CHECK_INT(row.kind, CTL_LINE_ROW);
        CHECK_SLICE(row.fields[0], texts[i]);
    }
    buf_clear(&line);
    ctl_put_end(&line);
    CHECK_INT(ctl_line_parse(line.ptr, line.len - 1, &row), ERR_NONE);
    CHECK_INT(row.kind, CTL_LINE_END);
    buf_clear(&line);
    ctl_put_error(&line, CTL_CODE_DENIED, SLICE_LIT("not\nfor you"));
    CHECK_INT(ctl_line_parse(line.ptr, line.len - 1, &row), ERR_NONE);
    CHECK_INT(row.kind, CTL_LINE_ERROR);
    CHECK_SLICE(ctl_field(&row, 0), "denied");
    CHECK_SLICE(ctl_field(&row, 1), "not?for you");
    char many[CTL_FIELDS_MAX + 1];
    memset(many, '\t', sizeof(many));
    CHECK_INT(ctl_line_parse(many, CTL_FIELDS_MAX, &row), ERR_LIMIT);
    buf_fini(&line);
}

int main(void)
{
    TEST(cuts_a_request_into_words);
    TEST(refuses_what_is_no_request);
    TEST(reads_back_what_it_wrote);
    TEST(tells_rows_from_ends);
    return TEST_END();
}
