/* journal.c - rows of the decision journal, there and back, and what a question finds. */
#include "port/journal.h"
#include "test.h"

#include <string.h>

static const struct journal_entry example = {
    .at = {1795500000},
    .what = JOURNAL_LEFT,
    .suspicion = JOURNAL_GENERIC_RDNS,
    .sec = 40,
    .connection = {"s-4gk2m9xq-17", 13},
    .address = {"192.0.2.7", 9},
    .name = {"dhcp-12-34.isp.example", 22},
    .helo = {"x\ty\n", 4},
    .sender = {"<a@example.org>", 15},
    .recipient = {"<b\\@sub.example.net>", 20},
    .line = {"64", 2},
    .why = {"", 0},
};

static void a_row_comes_back_as_it_was(void)
{
    struct buf row = {0}, again = {0};
    struct arena arena = {0};
    struct journal_entry e;
    journal_put_row(&row, &example);
    CHECK_SLICE(buf_slice(&row),
                "1795500000\tleft\tgeneric_rdns\t-\t40\ts-4gk2m9xq-17\t\t192.0.2.7\tdhcp-12-34.isp.example\t"
                "x\\x09y\\x0a\t<a@example.org>\t<b\\x5c@sub.example.net>\t64\t\n");
    CHECK_INT(journal_parse_row(slice_trim(buf_slice(&row), "\n"), &e, &arena), ERR_NONE);
    CHECK_SLICE(e.helo, "x\ty\n");
    CHECK_SLICE(e.recipient, "<b\\@sub.example.net>");
    CHECK_INT(e.sec, 40);
    journal_put_row(&again, &e);
    CHECK_SLICE(buf_slice(&again), buf_cstr(&row));
    arena_fini(&arena);
    buf_fini(&row);
    buf_fini(&again);
}

static void every_word_comes_back(void)
{
    for (int what = 0; what < JOURNAL_MAX_; what++)
        for (int suspicion = 0; suspicion < JOURNAL_SUSPICION_MAX_; suspicion++) {
            struct journal_entry e = {.what = (enum journal_what)what,
                                      .suspicion = (enum journal_suspicion)suspicion,
                                      .evaluation = what & 1,
                                      .sec = -1},
                                 back;
            struct buf row = {0};
            struct arena arena = {0};
            journal_put_row(&row, &e);
            CHECK_INT(journal_parse_row(slice_trim(buf_slice(&row), "\n"), &back, &arena), ERR_NONE);
            CHECK(back.what == e.what && back.suspicion == e.suspicion && back.evaluation == e.evaluation && back.sec == -1);
            arena_fini(&arena);
            buf_fini(&row);
        }
}

static void a_long_field_is_cut(void)
{
    char text[5000];
    memset(text, 'x', sizeof(text));
    struct journal_entry e = {.sec = -1, .sender = slice_of(text, sizeof(text))}, back;
    struct buf row = {0};
    struct arena arena = {0};
    journal_put_row(&row, &e);
    CHECK(row.len < JOURNAL_ROW_MAX_BYTES);
    CHECK_INT(journal_parse_row(slice_trim(buf_slice(&row), "\n"), &back, &arena), ERR_NONE);
    CHECK_INT(back.sender.len, 1024);
    arena_fini(&arena);
    buf_fini(&row);
}

static void what_is_no_row_is_refused(void)
{
    static const char *const bad[] = {
        "",
        "1",
        "x\theld\t-\t-\t\t\t\t\t\t\t\t\t\t",
        "1\tHELD\t-\t-\t\t\t\t\t\t\t\t\t\t",
        "1\theld\tx\t-\t\t\t\t\t\t\t\t\t\t",
        "1\theld\t-\tx\t\t\t\t\t\t\t\t\t\t",
        "1\theld\t-\t-\t-1\t\t\t\t\t\t\t\t\t",
        "1\theld\t-\t-\t\t\\\t\t\t\t\t\t\t\t",
        "1\theld\t-\t-\t\t\\xg0\t\t\t\t\t\t\t\t",
        "1\theld\t-\t-\t\t\t\t\t\t\t\t\t\t\t",
        "1\theld\t-\t-\t\t\t\t\t\t\t\t\t",
        "99999999999999999999\theld\t-\t-\t\t\t\t\t\t\t\t\t\t",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct journal_entry e;
        struct arena arena = {0};
        CHECK_INT(journal_parse_row(slice_cstr(bad[i]), &e, &arena), ERR_SYNTAX);
        arena_fini(&arena);
    }
}

static bool finds(const char *text, const struct journal_entry *e)
{
    struct journal_query q;
    return journal_query_parse(slice_cstr(text), &q) == ERR_NONE && journal_matches(&q, e);
}

static void a_question_finds_what_it_names(void)
{
    static const char *const yes[] = {"192.0.2.7",     "192.0.2.0/24", "a@example.org", "<A@Example.org>",
                                      "@example.org",  "@example.net", "isp.example",   "dhcp-12-34.isp.example",
                                      "s-4gk2m9xq-17", "4BxyZ"};
    static const char *const no[] = {"192.0.2.8",  "192.0.3.0/24", "b@example.org", "@xample.org", "@ple.net",
                                     "sp.example", "s-4gk2m9xq-1", "4BxyY",         "<>",          "::1"};
    struct journal_entry e = example;
    e.queue_id = SLICE_LIT("4BxyZ");
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        if (!CHECK(finds(yes[i], &e)))
            printf("# %s\n", yes[i]);
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        if (!CHECK(!finds(no[i], &e)))
            printf("# %s\n", no[i]);
    e.sender = SLICE_LIT("<>");
    CHECK(finds("<>", &e));
    e.sender = SLICE_NONE;
    e.recipient = SLICE_NONE;
    CHECK(!finds("<>", &e)); /* no sender is known: that is not the null sender */
}

static void a_question_has_a_form(void)
{
    struct journal_query q;
    CHECK_INT(journal_query_parse(slice_cstr(" "), &q), ERR_SYNTAX);
    CHECK_INT(journal_query_parse(slice_cstr("192.0.2.0/33"), &q), ERR_SYNTAX);
    CHECK_INT(journal_query_parse(slice_cstr("192.0.2.0/x"), &q), ERR_SYNTAX);
    CHECK_INT(journal_query_parse(slice_cstr("2001:db8::/32"), &q), ERR_NONE);
    CHECK_INT(q.subject, JOURNAL_BY_ADDRESS);
    CHECK_INT(q.bits, 32);
    CHECK_INT(journal_query_parse(slice_cstr("4cXy2k1Zb7z3Q"), &q), ERR_NONE);
    CHECK_INT(q.subject, JOURNAL_BY_QUEUE_ID);
    CHECK_INT(journal_query_parse(slice_cstr("localhost"), &q), ERR_NONE);
    CHECK_INT(q.subject, JOURNAL_BY_NAME);
}

static void what_is_older_is_left_out(void)
{
    struct journal_query q;
    CHECK_INT(journal_query_parse(slice_cstr("192.0.2.7"), &q), ERR_NONE);
    q.since_sec = example.at.sec;
    CHECK(journal_matches(&q, &example));
    q.since_sec++;
    CHECK(!journal_matches(&q, &example));
}

static void members_are_json(void)
{
    struct buf b = {0};
    struct journal_entry e = {.what = JOURNAL_PASSED, .sec = -1};
    journal_put_members(&b, &example);
    CHECK_SLICE(buf_slice(&b),
                "\"what\":\"left\",\"suspicion\":\"generic_rdns\",\"seconds\":40,\"connection\":\"s-4gk2m9xq-17\","
                "\"address\":\"192.0.2.7\",\"name\":\"dhcp-12-34.isp.example\",\"helo\":\"x\\u0009y\\u000a\","
                "\"sender\":\"<a@example.org>\",\"recipient\":\"<b\\\\@sub.example.net>\",\"line\":\"64\"");
    buf_clear(&b);
    e.evaluation = true;
    journal_put_members(&b, &e);
    CHECK_SLICE(buf_slice(&b), "\"what\":\"passed\",\"evaluation\":true");
    buf_fini(&b);
}

int main(void)
{
    TEST(a_row_comes_back_as_it_was);
    TEST(members_are_json);
    TEST(every_word_comes_back);
    TEST(a_long_field_is_cut);
    TEST(what_is_no_row_is_refused);
    TEST(a_question_finds_what_it_names);
    TEST(a_question_has_a_form);
    TEST(what_is_older_is_left_out);
    return TEST_END();
}
