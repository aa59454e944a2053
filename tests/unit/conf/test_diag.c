/* test_diag.c - messages: their form, what of them is kept, what of a broken file reaches a terminal; suggestions. */
#include "../test.h"
#include "base/mem.h"
#include "conf/diag.h"

#include <string.h>

static const char text[] = "quiet\n"
                           "  when remote and s25\r\n"
                           "\tmsg \"h\xc3\xa9llo\" x\n"
                           "\x1b[31mred \xff\n";

static void check_printed(const struct diags *d, const char *want)
{
    struct buf out = {0};
    diags_print(d, &out);
    CHECK_STR(buf_cstr(&out), want);
    buf_fini(&out);
}

static void form(void)
{
    struct diags d;
    diags_init(&d);
    diags_add_source(&d, "a.conf", slice_cstr(text));
    diags_add(&d, DIAG_ERROR, (struct conf_where){"a.conf", 2, 19, 3}, "did you mean \"s25r\"?\nor not", "unknown \"%s\"",
              "s25");
    diags_add(&d, DIAG_WARNING, (struct conf_where){"a.conf", 3, 14, 1}, NULL, "behind é");
    diags_add(&d, DIAG_NOTE, (struct conf_where){"a.conf", 1, 0, 1}, NULL, "the line");
    diags_add(&d, DIAG_NOTE, (struct conf_where){"a.conf", 0, 0, 1}, NULL, "the file");
    diags_add(&d, DIAG_NOTE, (struct conf_where){"b.conf", 7, 1, 1}, NULL, "not known");
    diags_add(&d, DIAG_NOTE, (struct conf_where){0}, NULL, "nowhere");
    diags_add(&d, DIAG_NOTE, (struct conf_where){"a.conf", 99, 1, 1}, NULL, "no such line");
    CHECK_INT(d.errors, 1);
    CHECK_INT(d.warnings, 1);
    check_printed(&d, "a.conf:2:19: error: unknown \"s25\"\n"
                      "    when remote and s25\n"
                      "                    ^~~\n"
                      "  did you mean \"s25r\"?\n"
                      "  or not\n"
                      "a.conf:3:14: warning: behind é\n"
                      "   msg \"h\xc3\xa9llo\" x\n"
                      "              ^\n"
                      "a.conf:1: note: the line\n"
                      "  quiet\n"
                      "a.conf: note: the file\n"
                      "b.conf:7:1: note: not known\n"
                      "note: nowhere\n"
                      "a.conf:99:1: note: no such line\n");
    diags_fini(&d);
}

/* A configuration may be somebody else's: its bytes steer no terminal. */
static void harmless(void)
{
    struct diags d;
    diags_init(&d);
    diags_add_source(&d, "a.conf", slice_cstr(text));
    diags_add(&d, DIAG_ERROR, (struct conf_where){"a.conf", 4, 1, 2},
              "\x1b"
              "c",
              "\x1b[2J \xc2\x9b \xed\xa0\x80 \n x");
    diags_add(&d, DIAG_ERROR, (struct conf_where){"\n\x1b", 4, 1, 2}, NULL, "x");
    check_printed(&d, "a.conf:4:1: error: ?[2J ?? ??? ? x\n"
                      "  ?[31mred ?\n"
                      "  ^~\n"
                      "  ?c\n"
                      "??:4:1: error: x\n");
    diags_fini(&d);
}

/* The file's name and text may go before the messages do. */
static void copies(void)
{
    struct diags d;
    char file[] = "a.conf", hint[] = "hint", source[] = "line";
    diags_init(&d);
    diags_add_source(&d, file, slice_cstr(source));
    diags_add(&d, DIAG_ERROR, (struct conf_where){file, 1, 1, 1}, hint, "m");
    memset(file, 'x', 6);
    memset(hint, 'x', 4);
    memset(source, 'x', 4);
    check_printed(&d, "a.conf:1:1: error: m\n  line\n  ^\n  hint\n");
    diags_fini(&d);
}

static void long_lines(void)
{
    struct diags d;
    struct buf line = {0};
    for (int i = 0; i < 1000; i++)
        buf_put_byte(&line, (char)('0' + i % 10));
    diags_init(&d);
    diags_add_source(&d, "a", buf_slice(&line));
    diags_add(&d, DIAG_ERROR, (struct conf_where){"a", 1, 501, 900}, NULL, "m");
    CHECK_INT(strlen(d.items[0].source), 160);
    CHECK_INT(d.items[0].source_column, 421);
    struct buf out = {0};
    diags_print(&d, &out);
    CHECK(out.len < 500);
    buf_fini(&out);
    buf_fini(&line);
    diags_fini(&d);
}

static void errors_first(void)
{
    struct diags d;
    diags_init(&d);
    for (int i = 0; i < 60; i++)
        diags_add(&d, DIAG_NOTE, (struct conf_where){0}, NULL, "note %d", i);
    for (int i = 0; i < 80; i++)
        diags_add(&d, DIAG_ERROR, (struct conf_where){0}, NULL, "error %d", i);
    diags_add(&d, DIAG_WARNING, (struct conf_where){0}, NULL, "warning");
    CHECK_INT(d.count, DIAGS_MAX);
    CHECK_INT(d.errors, 80);
    CHECK_INT(d.warnings, 1);
    CHECK_INT(d.dropped, 41);
    CHECK_STR(d.items[0].message, "note 0");
    CHECK_STR(d.items[19].message, "note 19");
    CHECK_STR(d.items[20].message, "error 0");
    CHECK_STR(d.items[99].message, "error 79");
    diags_fini(&d);
}

static void suggestions(void)
{
    static const char *const words[] = {"greylist", "whitelist", "s25r", "rcpt", "mx"};
    static const struct {
        const char *word, *want;
    } cases[] = {
        {"grelist", "greylist"},
        {"greylsit", "greylist"},
        {"WHITLIST", "whitelist"},
        {"s25", "s25r"},
        {"rctp", "rcpt"},
        {"frobnicate", NULL},
        {"x", NULL},
        {"", NULL},
        {"mxx", "mx"},
        {"rc", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        CHECK_STR(diag_suggest(slice_cstr(cases[i].word), words, COUNT_OF(words)), cases[i].want);
    char huge[500] = {0};
    memset(huge, 'a', sizeof(huge) - 1);
    CHECK_STR(diag_suggest(slice_cstr(huge), words, COUNT_OF(words)), NULL);
}

int main(void)
{
    TEST(form);
    TEST(harmless);
    TEST(copies);
    TEST(long_lines);
    TEST(errors_first);
    TEST(suggestions);
    return TEST_END();
}
