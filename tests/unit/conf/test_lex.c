/* test_lex.c - every token as the parser asks for it, and where a broken statement ends. */
#include "../test.h"
#include "base/buf.h"
#include "base/mem.h"
#include "conf/lex.h"

#include <string.h>

/* All tokens of a text as "kind:text", blanks between. */
static void lex_all(const char *text, unsigned mode, struct buf *out)
{
    static const char *const kinds[] = {
        [TOKEN_END] = "end",   [TOKEN_NEWLINE] = "nl", [TOKEN_WORD] = "word",   [TOKEN_STRING] = "str", [TOKEN_REGEX] = "re",
        [TOKEN_CIDR] = "cidr", [TOKEN_EMAIL] = "mail", [TOKEN_PUNCT] = "punct", [TOKEN_BAD] = "bad"};
    struct lexer lx;
    lex_init(&lx, "x", slice_cstr(text));
    for (;;) {
        struct token t = lex_next(&lx, mode);
        if (t.kind == TOKEN_END)
            return;
        buf_printf(out, out->len ? " %s" : "%s", kinds[t.kind]);
        if (t.kind != TOKEN_NEWLINE)
            buf_printf(out, ":%.*s", SLICE_ARG(t.text));
    }
}

static void tokens(void)
{
    static const struct {
        const char *text;
        unsigned mode;
        const char *want;
    } cases[] = {
        {"", 0, ""},
        {"racl greylist\n", 0, "word:racl word:greylist nl"},
        {"a\\ dropped # all\nb", 0, "word:a word:b"},
        {"a # b \\\nc", 0, "word:a nl word:c"},
        {"a\nb", LEX_FREE, "word:a word:b"},
        {"a\r\nb\rc", 0, "word:a nl word:b bad:\r word:c"},
        {"addr:10.0.0.0/8", 0, "word:addr punct:: word:10.0.0.0 cidr:8"},
        {"addr ::1 /128", 0, "word:addr word:::1 cidr:128"},
        {"from:2001:db8::1", 0, "word:from punct:: word:2001:db8::1"},
        {"addr:::1 :x:", 0, "word:addr punct:: word:::1 punct:: word:x punct::"},
        {"fe80::1x", 0, "word:fe80 punct:: punct:: word:1x"},
        {"-1 5k 10.5s", 0, "word:-1 word:5k word:10.5s"},
        {"/a/", 0, "punct:/ word:a punct:/"},
        {"/a/", LEX_REGEX, "re:a"},
        {"/a\\/b/ /c/", LEX_REGEX, "re:a\\/b re:c"},
        {"/a\\/", LEX_REGEX, "re:a\\"},
        {"/a\\/ /b/", LEX_REGEX, "re:a\\/  word:b bad:/"},
        {"/a\n", LEX_REGEX, "bad:/a nl"},
        {"//", LEX_REGEX, "bad://"},
        {"\"a b\" \"\"", 0, "str:a b str:"},
        {"\"a\\\"b\" c", 0, "str:a\\\"b word:c"},
        {"\"a\\\" c", 0, "str:a\\ word:c"},
        {"\"a\\\" c \"d", 0, "str:a\\\" c  word:d"},
        {"\"a\nb", 0, "bad:\"a nl word:b"},
        {"a@example.org", 0, "word:a punct:@ word:example.org"},
        {"a@example.org}", LEX_EMAIL, "mail:a@example.org punct:}"},
        {"{a@b c}@d }", LEX_EMAIL, "mail:{a@b mail:c}@d punct:}"},
        {"a#b@c #d@e", LEX_EMAIL, "mail:a#b@c"},
        {"\"a b\"@c \"x\"", LEX_EMAIL, "mail:\"a b\"@c str:x"},
        {"a@ @b a@b@c", LEX_EMAIL, "word:a punct:@ punct:@ word:b mail:a@b punct:@ word:c"},
        {"/a/b@c /a/ /x@y/", LEX_EMAIL | LEX_REGEX, "mail:/a/b@c re:a re:x@y"},
        {"!{},()$x == *", 0, "punct:! punct:{ punct:} punct:, punct:( punct:) punct:$ word:x punct:= punct:= punct:*"},
        {"\xef\xbb\xbf"
         "a",
         0, "word:a"},
        {"a\xc2\xa0"
         "b",
         0, "word:a bad:\xc2\xa0 word:b"},
        {"\x01\x7f", 0, "bad:\x01 bad:\x7f"},
        {"\"a\x01\"", 0, "bad:\"a\x01\""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf got = {0};
        lex_all(cases[i].text, cases[i].mode, &got);
        if (strcmp(buf_cstr(&got), cases[i].want) != 0)
            CHECK_STR(buf_cstr(&got), cases[i].want);
        buf_fini(&got);
    }
}

static void places(void)
{
    struct lexer lx;
    lex_init(&lx, "f", slice_cstr("a  bcd \\\n  e\n\"x y\""));
    struct token t = lex_next(&lx, 0);
    CHECK(t.is_first);
    CHECK_INT(t.where.column, 1);
    t = lex_next(&lx, 0);
    CHECK(!t.is_first);
    CHECK_INT(t.where.column, 4);
    CHECK_INT(t.where.width, 3);
    t = lex_next(&lx, 0);
    CHECK(t.is_first);
    CHECK_INT(t.where.line, 2);
    CHECK_INT(t.where.column, 3);
    t = lex_next(&lx, 0);
    CHECK_INT(t.kind, TOKEN_NEWLINE);
    CHECK_INT(t.where.line, 2);
    t = lex_next(&lx, 0);
    CHECK_INT(t.where.line, 3);
    CHECK_INT(t.where.width, 5);
    t = lex_next(&lx, 0);
    CHECK_INT(t.kind, TOKEN_END);
    t = lex_next(&lx, 0);
    CHECK_INT(t.kind, TOKEN_END);
}

/* The word that the statement behind the broken one begins with. */
static void check_next(const char *text, size_t beyond, const char *want)
{
    struct lexer lx;
    lex_init(&lx, "f", slice_cstr(text));
    lex_skip_statement(&lx, lx.place, beyond);
    struct token t = lex_next(&lx, 0);
    if (!slice_eq_cstr(t.text, want))
        CHECK_SLICE(t.text, want);
}

static void skips(void)
{
    check_next("x\nnext", 0, "next");
    check_next("x", 0, "");
    check_next("x \\\n y\nnext", 0, "next");
    check_next("x { a\n b\n}\nnext", 0, "next");
    check_next("x { \"}\" # }\n b\n}\nnext", 0, "next");
    check_next("x \"{\nnext", 0, "next");
    check_next("header /a{/ b\nnext", 0, "next");
    check_next("header /a\\/{/ \"#\"\nnext", 0, "next");
    check_next("x a/{/ b }\nnext }", 0, "next");
    check_next("x \"a\" b\" {\nnext", 0, "next");
    check_next("from {a@b\nnext }", 0, "");
    check_next("from a{@b\nnext", 0, "next");
    check_next("from a@b mx /24 /{ \nnext", 0, "");
    check_next("$x /{/\nnext", 0, "next");
    check_next("x {\n a\nracl greylist default\n", 0, "racl");
    check_next("x {\n list\n list \"a\" addr\n", 0, "list");
    /* what may also be a condition's term */
    check_next("x {\n a and\n list \"a\" and\n filter \"b\" reject }\nnext", 0, "next");
    check_next("x {\n a\nfilter \"b\" {\n}\n", 0, "filter");
    check_next("x {\n a\nfilter {\n}\n", 0, "filter");
    check_next("x {\n a\ncondition \"b\" {\n}\n", 0, "condition");
    check_next("x {\n a\ntrust {\n}\n", 0, "trust");
    check_next("macro \"x\" /{/\nnext", 0, "next");
    check_next("x\ny\nnext", 3, "next");
}

static void chunks(void)
{
    struct lexer lx;
    lex_init(&lx, "f", slice_cstr("a@b/c}d"));
    struct token t = lex_next(&lx, 0);
    CHECK_SLICE(lex_chunk(&lx, &t), "a@b/c");
}

static void limits(void)
{
    struct buf text = {0};
    buf_put_byte(&text, '"');
    for (int i = 0; i < LEX_STRING_MAX_BYTES; i++)
        buf_put_byte(&text, 'x');
    buf_put_byte(&text, '"');
    struct lexer lx;
    lex_init(&lx, "f", buf_slice(&text));
    CHECK_INT(lex_next(&lx, 0).kind, TOKEN_STRING);
    text.ptr[text.len - 1] = 'x';
    buf_put_byte(&text, '"');
    lex_init(&lx, "f", buf_slice(&text));
    CHECK_INT(lex_next(&lx, 0).kind, TOKEN_BAD);
    CHECK_INT(lex_next(&lx, 0).kind, TOKEN_END);
    buf_fini(&text);
}

int main(void)
{
    TEST(tokens);
    TEST(places);
    TEST(skips);
    TEST(chunks);
    TEST(limits);
    return TEST_END();
}
