/* repeat.c - which lines are said, on a clock of the test's own. */
#include "log/repeat.h"
#include "test.h"

enum { QUIET_MS = REPEAT_QUIET_SEC * 1000, WARNING = 4, ERROR = 3 };

static struct repeats r;

static bool take(const char *text, int64_t now_ms)
{
    return repeats_take(&r, WARNING, slice_cstr(text), now_ms);
}

static void begin(void)
{
    repeats_fini(&r);
    r = (struct repeats){0};
}

static void counts_within_the_time(void)
{
    struct repeat_due due;
    begin();
    CHECK(take("a", 0));
    CHECK_INT(repeats_next_ms(&r), -1);
    CHECK(!take("a", 1));
    CHECK(!take("a", QUIET_MS - 1));
    CHECK(take("b", 5));
    CHECK_INT(repeats_next_ms(&r), QUIET_MS);
    CHECK(!repeats_due(&r, QUIET_MS - 1, &due));
    CHECK(repeats_due(&r, QUIET_MS, &due));
    CHECK_SLICE(due.text, "a");
    CHECK_INT(due.times, 2);
    CHECK_INT(due.level, WARNING);
    CHECK(!repeats_due(&r, QUIET_MS, &due));
    CHECK_INT(repeats_next_ms(&r), -1);
}

/* While it goes on, one line a minute tells of it. */
static void goes_on_counting(void)
{
    struct repeat_due due;
    begin();
    CHECK(take("a", 0));
    CHECK(!take("a", 10));
    CHECK(repeats_due(&r, QUIET_MS, &due));
    CHECK(!take("a", QUIET_MS + 1));
    CHECK(repeats_due(&r, 2 * QUIET_MS, &due));
    CHECK_INT(due.times, 1);
    CHECK(take("a", 3 * QUIET_MS)); /* a quiet minute: as new */
}

static void says_it_again_after_the_time(void)
{
    struct repeat_due due;
    begin();
    CHECK(take("a", 0));
    CHECK(take("a", QUIET_MS));
    CHECK(!take("a", QUIET_MS + 1));
    CHECK(repeats_due(&r, INT64_MAX, &due));
    CHECK_INT(due.times, 1);
}

static void tells_lines_apart(void)
{
    begin();
    CHECK(take("a", 0));
    CHECK(take("ab", 0));
    CHECK(take("", 0));
    CHECK(!take("", 0));
    CHECK(repeats_take(&r, ERROR, slice_cstr("a"), 0));
}

/* One that has come again is remembered; others make room. */
static void remembers_so_many(void)
{
    char text[8];
    struct repeat_due due;
    begin();
    CHECK(take("again", 0));
    CHECK(!take("again", 0));
    for (int i = 0; i < 3 * REPEAT_LINES_MAX; i++) {
        snprintf(text, sizeof(text), "%d", i);
        CHECK(take(text, 1 + i));
    }
    CHECK(!take("again", 100));
    CHECK(take("0", 100)); /* was forgotten: said, not lost */
    begin();
    for (int i = 0; i < REPEAT_LINES_MAX; i++) {
        snprintf(text, sizeof(text), "%d", i);
        CHECK(take(text, 0) && !take(text, 0));
    }
    CHECK(take("more", 0) && take("more", 0)); /* no room: said each time */
    for (int i = 0; i < REPEAT_LINES_MAX; i++)
        CHECK(repeats_due(&r, INT64_MAX, &due));
    CHECK(!repeats_due(&r, INT64_MAX, &due));
    begin();
}

int main(void)
{
    TEST(counts_within_the_time);
    TEST(goes_on_counting);
    TEST(says_it_again_after_the_time);
    TEST(tells_lines_apart);
    TEST(remembers_so_many);
    return TEST_END();
}
