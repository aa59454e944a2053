/* dump.c - unit tests of milter-greylist's dump file. */
#include "formats/dump.h"
#include "base/mem.h"
#include "../test.h"

#include <stdlib.h>

static const struct dump_rules rules = {.delay_sec = 1800, .timeout_sec = 432000, .bits_v4 = 24, .bits_v6 = 64};

static void reads_lines(void)
{
    static const struct {
        const char *text, *addr, *sender, *recipient;
        enum dump_kind kind;
        int64_t date, waited;
    } rows[] = {
        {"198.51.100.7\t<a@s.example>\t<b@r.example>\t1795485418 # 2026-11-24 01:56:58", "198.51.100.7", "<a@s.example>",
         "<b@r.example>", DUMP_GREY, 1795485418, 0},
        {"198.51.100.7\t<a@s.example>\t<b@r.example>\t1795489018 AUTO # 2026-11-24 02:56:58", "198.51.100.7",
         "<a@s.example>", "<b@r.example>", DUMP_AUTO, 1795489018, 0},
        {"198.51.100.9\t<a@s.example>\t<c@r.example>\t1795485465\t0 TARPIT # 2026-11-24 01:57:45", "198.51.100.9",
         "<a@s.example>", "<c@r.example>", DUMP_TARPIT, 1795485465, 0},
        {"198.51.100.9\t<a@s.example>\t<c@r.example>\t1795485465\t40 TARPIT", "198.51.100.9", "<a@s.example>",
         "<c@r.example>", DUMP_TARPIT, 1795485465, 40},
        {"2001:db8::1 a@s.example b@r.example 17", "2001:db8::1", "a@s.example", "b@r.example", DUMP_GREY, 17, 0},
        {"  198.51.100.9  <>  <c@r.example>  17  auto  \r", "198.51.100.9", "<>", "<c@r.example>", DUMP_AUTO, 17, 0},
        {"198.51.100.9\t<\"a b\"@s.example>\t<c@r.example>\t17", "198.51.100.9", "<\"a b\"@s.example>", "<c@r.example>",
         DUMP_GREY, 17, 0},
        {"198.51.100.9\t#odd,:()[]\\@s.example\t<@x,@y:c@r.example>\t17# x", "", "", "", DUMP_GREY, -1, 0},
        {"198.51.100.9\t#odd,:()[]\\@s.example\t<@x,@y:c@r.example>\t17 # x", "198.51.100.9", "#odd,:()[]\\@s.example",
         "<@x,@y:c@r.example>", DUMP_GREY, 17, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct dump_line line;
        const char *why;
        char addr[IP_TEXT_MAX];
        enum err e = dump_parse_line(slice_cstr(rows[i].text), &line, &why);
        if (rows[i].date < 0) {
            CHECK_INT(e, ERR_SYNTAX);
            continue;
        }
        if (!CHECK_INT(e, ERR_NONE)) {
            printf("# %s: %s\n", rows[i].text, why ? why : "");
            continue;
        }
        CHECK_STR(ip_format(&line.addr, addr), rows[i].addr);
        CHECK_SLICE(line.sender, rows[i].sender);
        CHECK_SLICE(line.recipient, rows[i].recipient);
        CHECK_INT(line.kind, rows[i].kind);
        CHECK_INT(line.date.sec, rows[i].date);
        CHECK_INT(line.waited_sec, rows[i].waited);
    }
}

static void tells_what_is_wrong(void)
{
    static const struct {
        const char *text;
        enum err want;
        const char *why;
    } rows[] = {
        {"", ERR_NOT_FOUND, NULL},
        {"   \t", ERR_NOT_FOUND, NULL},
        {" # comment", ERR_NOT_FOUND, NULL},
        {"nonsense", ERR_SYNTAX, "does not begin with an address"},
        {"192.0.2.1", ERR_SYNTAX, "no sender"},
        {"192.0.2.1\t<a>", ERR_SYNTAX, "no recipient"},
        {"192.0.2.1\t<a>\t<b>", ERR_SYNTAX, "no date behind the recipient"},
        {"192.0.2.1\t<a>\t<b>\tx", ERR_SYNTAX, "no date behind the recipient"},
        {"192.0.2.1\t<a>\t<b>\t-5", ERR_SYNTAX, "no date behind the recipient"},
        {"192.0.2.1\t<a>\t<b>\t99999999999999", ERR_RANGE, "the date is out of range"},
        {"192.0.2.1\t<a>\t<b>\t99999999999999999999999", ERR_RANGE, "the date is out of range"},
        {"192.0.2.1\t<a>\t<b>\t5 WHITE", ERR_SYNTAX, "neither AUTO nor TARPIT behind the date"},
        {"192.0.2.1\t<a>\t<b>\t5 6", ERR_SYNTAX, "a number without TARPIT behind the date"},
        {"192.0.2.1\t<a>\t<b>\t5 6 AUTO", ERR_SYNTAX, "a number without TARPIT behind the date"},
        {"192.0.2.1\t<a>\t<b>\t5 99999999999 TARPIT", ERR_RANGE, "the seconds of TARPIT are out of range"},
        {"192.0.2.1\t<a>\t<b>\t5 AUTO x", ERR_SYNTAX, "something unknown at the end of the line"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct dump_line line;
        const char *why;
        CHECK_INT(dump_parse_line(slice_cstr(rows[i].text), &line, &why), rows[i].want);
        CHECK_STR(why, rows[i].why);
    }
}

static void numbers_its_lines(void)
{
    struct dump_reader r = {.text = SLICE_LIT("# head\n\n192.0.2.1\t<a>\t<b>\t5\nbad\n192.0.2.2\t<a>\t<b>\t6")};
    struct dump_line line;
    CHECK_INT(dump_next(&r, &line), ERR_NONE);
    CHECK_INT(r.line, 3);
    CHECK_INT(dump_next(&r, &line), ERR_SYNTAX);
    CHECK_INT(r.line, 4);
    CHECK_STR(r.why, "does not begin with an address");
    CHECK_INT(dump_next(&r, &line), ERR_NONE);
    CHECK_INT(r.line, 5);
    CHECK_INT(line.date.sec, 6);
    CHECK_INT(dump_next(&r, &line), ERR_NOT_FOUND);
    CHECK_INT(dump_next(&r, &line), ERR_NOT_FOUND);
}

static enum err convert(struct arena *arena, const char *text, int64_t now, struct grey_tuple *tuple,
                        struct grey_record *record)
{
    struct dump_line line;
    const char *why;
    enum err e = dump_parse_line(slice_cstr(text), &line, &why);
    return e != ERR_NONE ? e : dump_to_record(arena, &line, &rules, (struct wall){now}, tuple, record);
}

static void becomes_records(void)
{
    struct arena arena = {0};
    struct grey_tuple t;
    struct grey_record r;
    CHECK_INT(convert(&arena, "192.0.2.1\tPRVS=1=A@s.example\t<B@r.example>\t1000000", 999000, &t, &r), ERR_NONE);
    CHECK_SLICE(t.sender, "<a@s.example>");
    CHECK_SLICE(t.recipient, "<b@r.example>");
    CHECK_INT(t.addr_bits, 24);
    CHECK_INT(r.first_seen.sec, 1000000 - 1800);
    CHECK_INT(r.expires.sec, 1000000 + 432000);
    CHECK_INT(r.left_sec, -1);
    CHECK(!r.is_auto);
    CHECK_INT(convert(&arena, "192.0.2.1\t<a>\t<b>\t1000000", 1432001, &t, &r), ERR_NOT_FOUND);
    CHECK_INT(convert(&arena, "192.0.2.1\t<a>\t<b>\t1000000 AUTO", 999000, &t, &r), ERR_NONE);
    CHECK(r.is_auto && !r.by_hold);
    CHECK_INT(r.expires.sec, 1000000);
    CHECK_INT(convert(&arena, "192.0.2.1\t<a>\t<b>\t1000000 AUTO", 1000001, &t, &r), ERR_NOT_FOUND);
    CHECK_INT(convert(&arena, "2001:db8::1\t<a>\t<b>\t1000000\t3 TARPIT", 999000, &t, &r), ERR_NONE);
    CHECK_INT(t.addr_bits, 64);
    CHECK_INT(r.left_sec, 3);
    CHECK_INT(r.left_until.sec, 1432000);
    CHECK_INT(r.first_seen.sec, 1000000 - 1800);
    arena_fini(&arena);
}

static void writes_what_it_reads(void)
{
    static const char *lines[] = {"192.0.2.1\t<a@s.example>\t<b@r.example>\t1000000",
                                  "192.0.2.1\t<a@s.example>\t<b@r.example>\t1000000 AUTO",
                                  "2001:db8::1\t<>\t<b@r.example>\t1000000\t0 TARPIT"};
    struct arena arena = {0};
    struct buf out = {0}, want = {0};
    struct dump_summary sum = {0};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct grey_tuple t;
        struct grey_record r;
        struct dump_line line;
        CHECK_INT(convert(&arena, lines[i], 1, &t, &r), ERR_NONE);
        CHECK_INT(dump_from_record(&r, &rules, &line), ERR_NONE);
        dump_put_line(&out, &line);
        dump_summary_add(&sum, &line);
        buf_printf(&want, "%s\n", lines[i]);
    }
    CHECK_SLICE(buf_slice(&out), buf_cstr(&want));
    buf_clear(&out);
    dump_put_summary(&out, &sum);
    CHECK_SLICE(buf_slice(&out), "#\n# Summary: 3 records, 1 greylisted, 1 whitelisted, 1 tarpitted\n");
    struct grey_record client = {.type = GREY_RECORD_CLIENT};
    struct dump_line line;
    CHECK_INT(dump_from_record(&client, &rules, &line), ERR_UNSUPPORTED);
    struct grey_record served = {
        .type = GREY_RECORD_TUPLE, .first_seen = {100}, .served_since = {225}, .served_until = {900}, .left_sec = -1};
    CHECK_INT(dump_from_record(&served, &rules, &line), ERR_UNSUPPORTED);
    CHECK(!grey_record_settle(&served, (struct wall){224}));
    CHECK(grey_record_settle(&served, (struct wall){225}));
    CHECK_INT(dump_from_record(&served, &rules, &line), ERR_NONE);
    CHECK_INT(line.kind, DUMP_AUTO);
    CHECK_INT(line.date.sec, 900);
    buf_clear(&out);
    dump_put_header(&out);
    struct dump_reader reader = {.text = buf_slice(&out)};
    CHECK_INT(dump_next(&reader, &line), ERR_NOT_FOUND);
    buf_fini(&out);
    buf_fini(&want);
    arena_fini(&arena);
}

int main(void)
{
    TEST(reads_lines);
    TEST(tells_what_is_wrong);
    TEST(numbers_its_lines);
    TEST(becomes_records);
    TEST(writes_what_it_reads);
    return TEST_END();
}
