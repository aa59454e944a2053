/* tally.c - numbers hour by hour: what is counted, summed, kept as text, and forgotten. */
#include "port/tally.h"
#include "test.h"

#include <string.h>

enum { HOUR = 3600 };

static void count(struct tally *t, int64_t at, enum journal_what what, int64_t sec, bool evaluation)
{
    struct journal_entry e = {
        .at = {at}, .what = what, .sec = sec, .suspicion = JOURNAL_GENERIC_RDNS, .evaluation = evaluation};
    tally_count(t, &e);
}

static struct tally_row sum(const struct tally *t, int64_t from, int64_t until)
{
    struct tally_row row;
    tally_sum(t, (struct wall){from}, (struct wall){until}, &row);
    return row;
}

static void hours_are_summed(void)
{
    struct tally *t = tally_new();
    count(t, 10 * HOUR, JOURNAL_HELD, 125, false);
    count(t, 10 * HOUR + 3599, JOURNAL_LEFT, 9, false);
    count(t, 11 * HOUR, JOURNAL_LEFT, 125, false);
    count(t, 12 * HOUR, JOURNAL_HELD, 125, true);
    struct tally_row row = sum(t, 10 * HOUR, 12 * HOUR);
    CHECK_INT(row.what[0][JOURNAL_HELD], 1);
    CHECK_INT(row.held_for[0][JOURNAL_GENERIC_RDNS], 1);
    CHECK_INT(row.what[0][JOURNAL_LEFT], 2);
    CHECK_INT(row.left[0], 1);
    CHECK_INT(row.left[4], 1);
    CHECK_INT(row.what[1][JOURNAL_HELD], 0);
    row = sum(t, 12 * HOUR, 13 * HOUR);
    CHECK_INT(row.what[1][JOURNAL_HELD], 1);
    CHECK_INT(row.what[0][JOURNAL_HELD], 0);
    tally_free(t);
}

static void the_oldest_hour_goes(void)
{
    struct tally *t = tally_new();
    for (int64_t hour = 1; hour <= TALLY_HOURS + 2; hour++)
        count(t, hour * HOUR, JOURNAL_PASSED, -1, false);
    CHECK_INT(sum(t, 0, INT64_MAX).what[0][JOURNAL_PASSED], TALLY_HOURS);
    CHECK_INT(sum(t, 0, 3 * HOUR).what[0][JOURNAL_PASSED], 0);
    count(t, HOUR, JOURNAL_PASSED, -1, false); /* a clock that was set back: too old to count */
    CHECK_INT(sum(t, 0, INT64_MAX).what[0][JOURNAL_PASSED], TALLY_HOURS);
    count(t, 10 * HOUR, JOURNAL_PASSED, -1, false); /* and within what is kept */
    CHECK_INT(sum(t, 10 * HOUR, 11 * HOUR).what[0][JOURNAL_PASSED], 2);
    tally_free(t);
}

static void quantiles_are_upper_bounds(void)
{
    struct tally *t = tally_new();
    CHECK_INT(tally_delay_quantile_sec(&(struct tally_row){0}, 0.5), -1);
    for (int i = 0; i < 95; i++)
        count(t, HOUR, JOURNAL_LET_IN, 1800, false);
    for (int i = 0; i < 5; i++)
        count(t, HOUR, JOURNAL_LET_IN, 36000, false);
    struct tally_row row = sum(t, 0, 2 * HOUR);
    int64_t p50 = tally_delay_quantile_sec(&row, 0.5), p99 = tally_delay_quantile_sec(&row, 0.99);
    CHECK(p50 >= 1800 && p50 < 1800 * 1.2);
    CHECK(p99 >= 36000 && p99 < 36000 * 1.2);
    tally_free(t);
}

static void text_comes_back(void)
{
    struct tally *t = tally_new(), *back = tally_new();
    struct buf text = {0}, again = {0};
    unsigned line;
    for (int what = 0; what < JOURNAL_MAX_; what++) {
        count(t, 5 * HOUR, (enum journal_what)what, 100000000, false);
        count(t, 7 * HOUR, (enum journal_what)what, what * 13, true);
    }
    tally_put(t, &text);
    CHECK_INT(tally_parse(back, buf_slice(&text), &line), ERR_NONE);
    tally_put(back, &again);
    CHECK_SLICE(buf_slice(&again), buf_cstr(&text));
    CHECK_INT(tally_parse(back, buf_slice(&text), &line), ERR_NONE); /* what is read is added */
    CHECK_INT(sum(back, 0, 6 * HOUR).what[0][JOURNAL_HELD], 2);
    tally_free(t);
    tally_free(back);
    buf_fini(&text);
    buf_fini(&again);
}

static void a_damaged_text_changes_nothing(void)
{
    static const char *const bad[] = {
        "x", "5 held", "5 held=", "5 held=x", "5 held=1\n-6 left=2", "5  held=1", "99999999999999999999 held=1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct tally *t = tally_new();
        unsigned line;
        if (!CHECK_INT(tally_parse(t, slice_cstr(bad[i]), &line), ERR_SYNTAX))
            printf("# %s\n", bad[i]);
        CHECK_INT(sum(t, 0, INT64_MAX).what[0][JOURNAL_HELD], 0);
        tally_free(t);
    }
}

static void what_a_later_version_counts_is_passed_over(void)
{
    struct tally *t = tally_new();
    unsigned line;
    CHECK_INT(tally_parse(t, SLICE_LIT("5 left=2 teleported=9 held=3\n"), &line), ERR_NONE);
    CHECK_INT(sum(t, 0, INT64_MAX).what[0][JOURNAL_HELD], 3);
    CHECK_INT(sum(t, 0, INT64_MAX).what[0][JOURNAL_LEFT], 2);
    tally_free(t);
}

int main(void)
{
    TEST(hours_are_summed);
    TEST(the_oldest_hour_goes);
    TEST(quantiles_are_upper_bounds);
    TEST(text_comes_back);
    TEST(a_damaged_text_changes_nothing);
    TEST(what_a_later_version_counts_is_passed_over);
    return TEST_END();
}
