/* trim.c - when free memory is given back to the system. */
#include "daemon/trim.h"
#include "test.h"

enum { MIB = 1024 * 1024 };

static void gives_back_when_much_is_free(void)
{
    struct trim t = {0};
    CHECK(!trim_due(&t, 0, (struct mono){1000}));
    CHECK(!trim_due(&t, 40 * MIB, (struct mono){1000}));
    CHECK(!trim_due(&t, 21 * MIB, (struct mono){2000})); /* less than half is free */
    CHECK(trim_due(&t, 20 * MIB, (struct mono){3000}));
    CHECK(!trim_due(&t, 20 * MIB, (struct mono){200000}));
}

static void little_is_not_worth_it(void)
{
    struct trim t = {0};
    CHECK(!trim_due(&t, TRIM_LEAST_BYTES - 1, (struct mono){1000}));
    CHECK(!trim_due(&t, 0, (struct mono){2000}));
    CHECK(!trim_due(&t, TRIM_LEAST_BYTES, (struct mono){3000}));
    CHECK(trim_due(&t, 0, (struct mono){4000}));
}

static void once_a_minute(void)
{
    struct trim t = {0};
    CHECK(!trim_due(&t, 100 * MIB, (struct mono){1000}));
    CHECK(trim_due(&t, 0, (struct mono){2000}));
    CHECK(!trim_due(&t, 100 * MIB, (struct mono){3000}));
    CHECK(!trim_due(&t, 0, (struct mono){2000 + TRIM_EVERY_MS - 1}));
    CHECK(trim_wanted(&t, 0)); /* so that somebody asks again */
    CHECK(trim_due(&t, 0, (struct mono){2000 + TRIM_EVERY_MS}));
    CHECK(!trim_wanted(&t, 0));
}

int main(void)
{
    TEST(gives_back_when_much_is_free);
    TEST(little_is_not_worth_it);
    TEST(once_a_minute);
    return test_end();
}
