/* Replies: literal bytes as libmilter sends them, cut, built back, and every form that must be refused. */
#include "bytes.h"
#include "milter/reply.h"

static struct milter_reply parse(struct slice packet)
{
    struct wire_packet p = only_packet(packet);
    struct milter_reply r;
    if (!CHECK_INT(milter_parse_reply(&p, &r), ERR_NONE))
        print_bytes("packet", packet);
    return r;
}

static void check_builds(const struct milter_reply *r, struct slice packet, int line)
{
    struct buf b = {0};
    milter_put_reply(&b, r);
    test_bytes(buf_slice(&b), packet, "built packet", __FILE__, line);
    buf_fini(&b);
}
#define CHECK_BUILDS(r, packet) check_builds(&(r), (packet), __LINE__)

static void codes_without_a_body(void)
{
    static const char codes[] = {'4', 'a', 'c', 'd', 'f', 'p', 'r', 's', 't'};
    for (size_t i = 0; i < sizeof(codes); i++) {
        char packet[] = {0, 0, 0, 1, codes[i]};
        struct milter_reply r = parse(slice_of(packet, sizeof(packet)));
        CHECK_INT(r.code, codes[i]);
        CHECK_BUILDS(r, slice_of(packet, sizeof(packet)));

        struct buf b = {0};
        milter_put_code(&b, (uint8_t)codes[i]);
        CHECK(slice_eq(buf_slice(&b), slice_of(packet, sizeof(packet))));
        buf_fini(&b);

        struct wire_packet surplus = {(uint8_t)codes[i], BYTES("\0")};
        CHECK_INT(milter_parse_reply(&surplus, &r), ERR_SYNTAX);
    }
}

static void headers(void)
{
    struct slice in = BYTES("\0\0\0\13hX-Spam\0no\0");
    struct milter_reply r = parse(in);
    CHECK_SLICE(r.u.header.name, "X-Spam");
    CHECK_SLICE(r.u.header.value, "no");
    CHECK_BUILDS(r, in);

    in = BYTES("\0\0\0\17i\0\0\1\2X-A\0 b\n c\0");
    r = parse(in);
    CHECK_INT(r.u.header.index, 0x102);
    CHECK_SLICE(r.u.header.name, "X-A");
    CHECK_SLICE(r.u.header.value, " b\n c");
    CHECK_BUILDS(r, in);

    in = BYTES("\0\0\0\13m\0\0\0\1Date\0\0"); /* removes it */
    r = parse(in);
    CHECK_INT(r.u.header.index, 1);
    CHECK_SLICE(r.u.header.value, "");
    CHECK_BUILDS(r, in);

    struct buf b = {0};
    milter_put_header(&b, SMFIR_ADDHEADER, 7, SLICE_LIT("X-Spam"), SLICE_LIT("no"));
    milter_put_header(&b, SMFIR_INSHEADER, 1, SLICE_LIT("A"), SLICE_LIT("b"));
    milter_put_header(&b, SMFIR_CHGHEADER, 2, SLICE_LIT("A"), BYTES("b\0c"));
    CHECK_BYTES(buf_slice(&b), "\0\0\0\13hX-Spam\0no\0"
                               "\0\0\0\11i\0\0\0\1A\0b\0"
                               "\0\0\0\11m\0\0\0\2A\0b\0");
    buf_fini(&b);
}

static void addresses(void)
{
    struct slice in = BYTES("\0\0\0\21+<a@example.org>\0");
    struct milter_reply r = parse(in);
    CHECK_SLICE(r.u.address.address, "<a@example.org>");
    CHECK(r.u.address.esmtp.ptr == NULL);
    CHECK_BUILDS(r, in);

    in = BYTES("\0\0\0\21-<a@example.org>\0");
    r = parse(in);
    CHECK_BUILDS(r, in);

    in = BYTES("\0\0\0\11"
               "2<a>\0A=1\0");
    r = parse(in);
    CHECK_INT(r.code, SMFIR_ADDRCPT_PAR);
    CHECK_SLICE(r.u.address.esmtp, "A=1");
    CHECK_BUILDS(r, in);

    in = BYTES("\0\0\0\4e<>\0");
    r = parse(in);
    CHECK_SLICE(r.u.address.address, "<>");
    CHECK(r.u.address.esmtp.ptr == NULL);
    CHECK_BUILDS(r, in);

    in = BYTES("\0\0\0\5e<>\0\0");
    r = parse(in);
    CHECK_SLICE(r.u.address.esmtp, "");
    CHECK_BUILDS(r, in);
}

static void the_rest(void)
{
    struct slice in = BYTES("\0\0\0\5ba\0b\n");
    struct milter_reply r = parse(in);
    CHECK_BYTES(r.u.body, "a\0b\n");
    CHECK_BUILDS(r, in);

    in = BYTES("\0\0\0\5qspa\0");
    r = parse(in);
    CHECK_SLICE(r.u.reason, "spa");
    CHECK_BUILDS(r, in);

    in = BYTES("\0\0\0\14l\0\0\0\3i {v}x\0");
    r = parse(in);
    CHECK_INT(r.u.symlist.stage, SMFIM_ENVRCPT);
    CHECK_SLICE(r.u.symlist.names, "i {v}x");
    CHECK_BUILDS(r, in);
}

static void reply_codes(void)
{
    struct slice in = BYTES("\0\0\0\30y451 4.7.1 try again %%\0");
    struct milter_reply r = parse(in);
    CHECK_INT(r.u.replycode.status, 451);
    CHECK_SLICE(r.u.replycode.text, "451 4.7.1 try again %%");
    CHECK_BUILDS(r, in);

    in = BYTES("\0\0\0\44y550-5.1.1 no\r\n550-\r\n550 5.1.1 body\0");
    r = parse(in);
    CHECK_INT(r.u.replycode.status, 550);
    CHECK_BUILDS(r, in);

    in = BYTES("\0\0\0\6y421 \0");
    r = parse(in);
    CHECK_INT(r.u.replycode.status, 421);
    CHECK_BUILDS(r, in);
}

static void broken_forms(void)
{
    const struct {
        uint8_t code;
        enum err want;
        struct slice body;
    } rows[] = {
        {'y', ERR_SYNTAX, BYTES("")},
        {'y', ERR_SYNTAX, BYTES("\0")},
        {'y', ERR_SYNTAX, BYTES("451 a")}, /* no NUL */
        {'y', ERR_SYNTAX, BYTES("451 a\0b\0")},
        {'y', ERR_SYNTAX, BYTES("451 a\0\0")},
        {'y', ERR_SYNTAX, BYTES("451\0")}, /* Postfix wants the blank */
        {'y', ERR_SYNTAX, BYTES("451-a\0")},
        {'y', ERR_SYNTAX, BYTES("45 a\0")},
        {'y', ERR_SYNTAX, BYTES("4x1 a\0")},
        {'y', ERR_SYNTAX, BYTES("250 2.0.0 ok\0")},
        {'y', ERR_SYNTAX, BYTES("354 go on\0")},
        {'y', ERR_SYNTAX, BYTES("600 a\0")},
        {'y', ERR_SYNTAX, BYTES("451 5.7.1 a\0")},
        {'y', ERR_SYNTAX, BYTES("550 4.7.1 a\0")},
        {'y', ERR_SYNTAX, BYTES("451 20 s\0")},
        {'y', ERR_SYNTAX, BYTES("451-a\r\n451-b\0")},
        {'y', ERR_SYNTAX, BYTES("451 a\r\n451 b\0")},
        {'y', ERR_SYNTAX, BYTES("451-a\r\n550 b\0")},
        {'y', ERR_SYNTAX, BYTES("451-a\r\n452 b\0")},
        {'y', ERR_SYNTAX, BYTES("451-a\r\n451 5.7.1 b\0")},
        {'y', ERR_SYNTAX, BYTES("451-a\r\n\0")},
        {'y', ERR_SYNTAX, BYTES("451-a\n451 b\0")},
        {'y', ERR_SYNTAX, BYTES("451-a\r451 b\0")},
        {'y', ERR_SYNTAX, BYTES("451 a\n\0")},
        {'y', ERR_SYNTAX, BYTES("451 a\rb\0")},
        {'y', ERR_SYNTAX, BYTES("451 a\r\0")},
        {'y', ERR_SYNTAX, BYTES("\n451 a\0")},
        {'y', ERR_NONE, BYTES("451 4 apples\0")},
        {'y', ERR_NONE, BYTES("499 \0")},
        {'h', ERR_SYNTAX, BYTES("")},
        {'h', ERR_SYNTAX, BYTES("\0v\0")},
        {'h', ERR_SYNTAX, BYTES("A\0v")},
        {'h', ERR_SYNTAX, BYTES("A\0")},
        {'h', ERR_SYNTAX, BYTES("A\0v\0w\0")},
        {'h', ERR_SYNTAX, BYTES("A:\0v\0")},
        {'h', ERR_SYNTAX, BYTES("A B\0v\0")},
        {'h', ERR_SYNTAX, BYTES("A\nB\0v\0")},
        {'h', ERR_SYNTAX, BYTES("\303\244\0v\0")},
        {'h', ERR_NONE, BYTES("A\0\0")},
        {'i', ERR_SYNTAX, BYTES("\0\0\0")},
        {'i', ERR_SYNTAX, BYTES("\0\0\0\1")},
        {'i', ERR_SYNTAX, BYTES("\0\0\0\1\0v\0")},
        {'m', ERR_SYNTAX, BYTES("\0\0\0\1A\0v")},
        {'m', ERR_SYNTAX, BYTES("\0\0\0\1A\0v\0\0")},
        {'+', ERR_SYNTAX, BYTES("")},
        {'+', ERR_SYNTAX, BYTES("<a>")},
        {'+', ERR_SYNTAX, BYTES("<a>\0A=1\0")},
        {'-', ERR_SYNTAX, BYTES("<a>\0\0")},
        {'2', ERR_SYNTAX, BYTES("<a>\0A=1")},
        {'2', ERR_SYNTAX, BYTES("<a>\0A=1\0B=2\0")},
        {'2', ERR_NONE, BYTES("<a>\0")},
        {'e', ERR_SYNTAX, BYTES("<a>")},
        {'e', ERR_SYNTAX, BYTES("<a>\0\0\0")},
        {'q', ERR_SYNTAX, BYTES("spam")},
        {'q', ERR_SYNTAX, BYTES("sp\0am\0")},
        {'q', ERR_NONE, BYTES("\0")},
        {'l', ERR_SYNTAX, BYTES("\0\0\0\3")},
        {'l', ERR_SYNTAX, BYTES("\0\0\0\3i")},
        {'l', ERR_SYNTAX, BYTES("\0\0\0\3i\0j\0")},
        {'b', ERR_NONE, BYTES("")},
        {'O', ERR_UNSUPPORTED, BYTES("\0\0\0\6\0\0\1\377\0\37\377\377")},
        {'C', ERR_UNSUPPORTED, BYTES("")},
        {0, ERR_UNSUPPORTED, BYTES("")},
        {255, ERR_UNSUPPORTED, BYTES("")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *copy = exact_copy(rows[i].body);
        struct wire_packet p = {rows[i].code, slice_of(copy, rows[i].body.len)};
        struct milter_reply r;
        if (!CHECK_INT(milter_parse_reply(&p, &r), rows[i].want))
            print_bytes("row", rows[i].body);
        free(copy);
    }
}

static void truncated_at_every_byte(void)
{
    const struct {
        uint8_t code;
        struct slice body;
        const char *taken;
    } rows[] = {
        {'y', BYTES("451-a\r\n451 b\0"), "0000000000000"},
        {'h', BYTES("A\0v\0"), "0000"},
        {'i', BYTES("\0\0\0\1A\0v\0"), "00000000"},
        {'+', BYTES("ab\0"), "000"},
        {'2', BYTES("ab\0c\0"), "00010"},
        {'q', BYTES("ab\0"), "000"},
        {'l', BYTES("\0\0\0\1i\0"), "000000"},
        {'b', BYTES("ab"), "11"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK_INT(strlen(rows[i].taken), rows[i].body.len);
        for (size_t n = 0; n < rows[i].body.len; n++) {
            char *copy = exact_copy(slice_upto(rows[i].body, n));
            struct wire_packet p = {rows[i].code, slice_of(copy, n)};
            struct milter_reply r;
            bool taken = milter_parse_reply(&p, &r) == ERR_NONE;
            if (!CHECK_INT(taken, rows[i].taken[n] == '1'))
                printf("# row %zu, code %c, %zu bytes\n", i, rows[i].code, n);
            free(copy);
        }
    }
}

static enum err parse_lines(unsigned lines, size_t text_bytes)
{
    struct buf b = {0};
    for (unsigned i = 0; i < lines; i++) {
        buf_put_cstr(&b, i + 1 < lines ? "451-4.7.100 " : "451 4.7.100 ");
        for (size_t n = 0; n < text_bytes; n++)
            buf_put_byte(&b, 'x');
        if (i + 1 < lines)
            buf_put_cstr(&b, "\r\n");
    }
    buf_put_byte(&b, '\0');
    struct wire_packet p = {SMFIR_REPLYCODE, buf_slice(&b)};
    struct milter_reply r;
    enum err e = milter_parse_reply(&p, &r);
    buf_fini(&b);
    return e;
}

static void limits_of_reply_codes(void)
{
    CHECK_INT(parse_lines(32, 10), ERR_NONE);
    CHECK_INT(parse_lines(33, 10), ERR_LIMIT);
    CHECK_INT(parse_lines(1, 980), ERR_NONE);
    CHECK_INT(parse_lines(2, 984), ERR_LIMIT);
    CHECK_INT(parse_lines(1, 60000), ERR_LIMIT);
}

/* The builder. */

static void builds_reply_codes(void)
{
    const struct {
        struct slice status, enhanced, text;
        const char *want;
    } rows[] = {
        {SLICE_LIT("451"), SLICE_LIT("4.7.1"), SLICE_LIT("wait"), "451 4.7.1 wait"},
        {SLICE_LIT("451"), SLICE_NONE, SLICE_LIT("wait"), "451 wait"},
        {SLICE_LIT("451"), SLICE_NONE, SLICE_NONE, "451 "},
        {SLICE_LIT("550"), SLICE_LIT("5.7.999"), SLICE_LIT("no"), "550 5.7.999 no"},
        {SLICE_LIT("550"), SLICE_LIT("4.7.1"), SLICE_LIT("no"), "550 no"},
        {SLICE_LIT("451"), SLICE_LIT("5.7.1"), SLICE_LIT("no"), "451 no"},
        {SLICE_LIT("451"), SLICE_LIT("4.7"), SLICE_LIT("no"), "451 no"},
        {SLICE_LIT("451"), SLICE_LIT("4.7.1.1"), SLICE_LIT("no"), "451 no"},
        {SLICE_LIT("451"), SLICE_LIT("4.7.1000"), SLICE_LIT("no"), "451 no"},
        {SLICE_LIT("451"), SLICE_LIT("4..1"), SLICE_LIT("no"), "451 no"},
        {SLICE_LIT("451"), SLICE_LIT("4"), SLICE_LIT("no"), "451 no"},
        {SLICE_LIT("250"), SLICE_LIT("2.0.0"), SLICE_LIT("no"), "451 no"},
        {SLICE_LIT("45"), SLICE_LIT("4.7.1"), SLICE_LIT("no"), "451 4.7.1 no"},
        {SLICE_LIT("4510"), SLICE_NONE, SLICE_LIT("no"), "451 no"},
        {SLICE_LIT("5x0"), SLICE_NONE, SLICE_LIT("no"), "451 no"},
        {SLICE_NONE, SLICE_NONE, SLICE_LIT("no"), "451 no"},
        {SLICE_LIT("451"), SLICE_LIT("4.7.1"), SLICE_LIT("100% sure"), "451 4.7.1 100%% sure"},
        {SLICE_LIT("451"), SLICE_LIT("4.7.1"), SLICE_LIT("a\nb"), "451-4.7.1 a\r\n451 4.7.1 b"},
        {SLICE_LIT("451"), SLICE_LIT("4.7.1"), SLICE_LIT("a\r\n\r\nb\r\n"), "451-4.7.1 a\r\n451-4.7.1 \r\n451 4.7.1 b"},
        {SLICE_LIT("451"), SLICE_LIT("4.7.1"), SLICE_LIT("\n"), "451 4.7.1 "},
        {SLICE_LIT("451"), SLICE_LIT("4.7.1"), BYTES("a\0b\tc\rd\177e"), "451 4.7.1 a b c d e"},
        {SLICE_LIT("451"), SLICE_NONE, SLICE_LIT("20 minutes\n4 more\n5"),
         "451-4.0.0 20 minutes\r\n451-4 more\r\n451 4.0.0 5"},
        {SLICE_LIT("550"), SLICE_NONE, SLICE_LIT("20 minutes"), "550 5.0.0 20 minutes"},
        {SLICE_LIT("421"), SLICE_LIT("4.7.0"), SLICE_LIT("gr\303\274n"), "421 4.7.0 gr\303\274n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b = {0};
        milter_put_replycode(&b, rows[i].status, rows[i].enhanced, rows[i].text);
        struct milter_reply r = parse(buf_slice(&b));
        CHECK_INT(r.code, SMFIR_REPLYCODE);
        CHECK_SLICE(r.u.replycode.text, rows[i].want);
        buf_fini(&b);
    }
}

/* The lines' texts of a built reply; returns how many there are. */
static unsigned built_lines(struct buf *b, struct slice text, struct slice lines[MILTER_REPLY_LINES_MAX])
{
    milter_put_replycode(b, SLICE_LIT("451"), SLICE_LIT("4.7.1"), text);
    struct milter_reply r = parse(buf_slice(b));
    unsigned n = 0;
    for (struct slice rest = r.u.replycode.text; rest.ptr && n < MILTER_REPLY_LINES_MAX; n++) {
        lines[n] = slice_cut(&rest, '\n');
        if (rest.ptr)
            lines[n].len--;
        lines[n] = slice_from(lines[n], strlen("451-4.7.1 "));
        CHECK(lines[n].len <= MILTER_REPLY_TEXT_MAX_BYTES);
    }
    return n;
}

static void put_times(struct buf *b, const char *s, unsigned times)
{
    while (times-- > 0)
        buf_put_cstr(b, s);
}

static void cuts_long_lines(void)
{
    struct slice lines[MILTER_REPLY_LINES_MAX];
    struct buf text = {0}, b = {0};

    put_times(&text, "x", 980);
    CHECK_INT(built_lines(&b, buf_slice(&text), lines), 1);
    buf_clear(&b);
    put_times(&text, "y", 1);
    CHECK_INT(built_lines(&b, buf_slice(&text), lines), 2);
    CHECK_INT(lines[0].len, 980);
    CHECK_SLICE(lines[1], "y");

    buf_clear(&b);
    buf_clear(&text); /* at the blank, which goes */
    put_times(&text, "123456789 ", 100);
    CHECK_INT(built_lines(&b, buf_slice(&text), lines), 2);
    CHECK_INT(lines[0].len, 979);
    CHECK_INT(lines[1].ptr[0], '1');

    buf_clear(&b);
    buf_clear(&text); /* no half of a doubled percent sign */
    put_times(&text, "x", 979);
    put_times(&text, "%", 2);
    CHECK_INT(built_lines(&b, buf_slice(&text), lines), 2);
    CHECK_INT(lines[0].len, 979);
    CHECK_SLICE(lines[1], "%%%%");

    buf_clear(&b);
    buf_clear(&text); /* no half of a character */
    put_times(&text, "x", 978);
    put_times(&text, "\342\202\254", 2);
    CHECK_INT(built_lines(&b, buf_slice(&text), lines), 2);
    CHECK_INT(lines[0].len, 978);
    CHECK_SLICE(lines[1], "\342\202\254\342\202\254");

    buf_clear(&b);
    buf_clear(&text); /* bytes that are no UTF-8 end all the same */
    put_times(&text, "\200", 2000);
    CHECK_INT(built_lines(&b, buf_slice(&text), lines), 3);

    buf_fini(&text);
    buf_fini(&b);
}

static void drops_what_is_beyond_the_last_line(void)
{
    struct slice lines[MILTER_REPLY_LINES_MAX];
    struct buf text = {0}, b = {0};
    put_times(&text, "line\n", 40);
    CHECK_INT(built_lines(&b, buf_slice(&text), lines), 32);
    buf_clear(&b);
    buf_clear(&text);
    put_times(&text, "x", 100000);
    CHECK_INT(built_lines(&b, buf_slice(&text), lines), 32);
    CHECK_INT(lines[31].len, 980);
    buf_fini(&text);
    buf_fini(&b);
}

int main(void)
{
    TEST(codes_without_a_body);
    TEST(headers);
    TEST(addresses);
    TEST(the_rest);
    TEST(reply_codes);
    TEST(broken_forms);
    TEST(truncated_at_every_byte);
    TEST(limits_of_reply_codes);
    TEST(builds_reply_codes);
    TEST(cuts_long_lines);
    TEST(drops_what_is_beyond_the_last_line);
    return TEST_END();
}
