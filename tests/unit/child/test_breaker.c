/* breaker.h: when it opens, how long, who may probe, and what late news do. */
#include "../test.h"
#include "child/breaker.h"

static const struct breaker_limits limits = {.failures = 3, .pause_max_ms = 5000};

static struct mono at(int64_t ms)
{
    return (struct mono){ms};
}

/* Of the last session that was let try. */
static uint32_t probe;

static bool may_try(struct breaker *b, struct mono now)
{
    uint32_t number;
    bool may = breaker_may_try(b, now, &number);
    if (may)
        probe = number;
    CHECK((number != 0) == (may && b->state == BREAKER_PROBING));
    return may;
}

static struct breaker opened(int64_t ms)
{
    struct breaker b = {0};
    for (int i = 0; i < 3; i++)
        (void)breaker_failed(&b, probe, &limits, at(ms));
    CHECK_INT(b.state, BREAKER_OPEN);
    return b;
}

static void only_failures_in_a_row_open_it(void)
{
    struct breaker b = {0};
    for (int i = 0; i < 10; i++) {
        CHECK(!breaker_failed(&b, probe, &limits, at(i)));
        CHECK(!breaker_failed(&b, probe, &limits, at(i)));
        CHECK(!breaker_succeeded(&b, probe));
        CHECK(may_try(&b, at(i)));
    }
    CHECK(!breaker_failed(&b, probe, &limits, at(100)));
    CHECK(!breaker_failed(&b, probe, &limits, at(100)));
    CHECK(breaker_failed(&b, probe, &limits, at(100)));
    CHECK_INT(b.state, BREAKER_OPEN);
    CHECK_INT(b.failures, 3);
    CHECK(!may_try(&b, at(100)));
    CHECK(!may_try(&b, at(1099)));
    CHECK_INT(b.since.ms, 100);
    CHECK(may_try(&b, at(1100)));
    CHECK(breaker_failed(&b, probe, &limits, at(1200)));
    CHECK_INT(b.since.ms, 100); /* a probe that fails does not begin it anew */
}

static void one_session_probes(void)
{
    struct breaker b = opened(100);
    CHECK(may_try(&b, at(1100)));
    CHECK_INT(b.state, BREAKER_PROBING);
    CHECK(!may_try(&b, at(1100)));
    CHECK(breaker_succeeded(&b, probe));
    CHECK_INT(b.state, BREAKER_CLOSED);
    CHECK_INT(b.failures, 0);
    CHECK(may_try(&b, at(1100)) && may_try(&b, at(1100)));
    /* and the next time its pause is the first one again */
    b = opened(2000);
    CHECK(!may_try(&b, at(2999)));
    CHECK(may_try(&b, at(3000)));
}

static void the_pause_doubles_to_its_maximum(void)
{
    static const int64_t pauses[] = {1000, 2000, 4000, 5000, 5000};
    struct breaker b = opened(0);
    int64_t now = 0;
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        CHECK_INT(b.pause_ms, pauses[i]);
        CHECK(!may_try(&b, at(now + pauses[i] - 1)));
        now += pauses[i];
        CHECK(may_try(&b, at(now)));
        CHECK(breaker_failed(&b, probe, &limits, at(now)));
        CHECK_INT(b.state, BREAKER_OPEN);
    }
    struct breaker_limits never_long = {.failures = 1, .pause_max_ms = 200};
    b = (struct breaker){0};
    CHECK(breaker_failed(&b, probe, &never_long, at(0)));
    CHECK_INT(b.pause_ms, 200);
    struct breaker_limits huge = {.failures = 1, .pause_max_ms = INT64_MAX / 2};
    for (int i = 0; i < 100; i++) {
        CHECK(may_try(&b, b.until));
        CHECK(breaker_failed(&b, probe, &huge, at(0)));
        CHECK(b.pause_ms > 0 && b.pause_ms <= huge.pause_max_ms);
    }
}

static void a_probe_that_is_lost_does_not_lock_it(void)
{
    struct breaker b = opened(0);
    CHECK(may_try(&b, at(1000)));
    CHECK(!may_try(&b, at(b.until.ms - 1)));
    CHECK(b.until.ms > 1000);
    CHECK(may_try(&b, b.until));
    CHECK(!may_try(&b, at(b.until.ms - 1)));
}

static void nobody_else_proves_or_fails_for_the_probe(void)
{
    struct breaker b = opened(0);
    CHECK(may_try(&b, at(1000)));
    uint32_t lost = probe;
    CHECK(may_try(&b, b.until));
    struct breaker before = b;
    for (int i = 0; i < 2; i++) {
        uint32_t other = i ? lost : 0;
        CHECK(!breaker_succeeded(&b, other));
        CHECK(!breaker_failed(&b, other, &limits, at(40000)));
        breaker_unproven(&b, other, at(40000));
        CHECK_INT(b.state, BREAKER_PROBING);
        CHECK_INT(b.until.ms, before.until.ms);
        CHECK_INT(b.pause_ms, before.pause_ms);
    }
    CHECK(breaker_succeeded(&b, probe));
}

static void after_a_probe_without_result_the_next_one_probes(void)
{
    struct breaker b = opened(0);
    CHECK(may_try(&b, at(1000)));
    CHECK(!may_try(&b, at(1500)));
    breaker_unproven(&b, probe, at(1500));
    CHECK(may_try(&b, at(1500)));
    CHECK(!may_try(&b, at(1500)));
    CHECK(breaker_failed(&b, probe, &limits, at(1600)));
    CHECK_INT(b.pause_ms, 2000);
    breaker_unproven(&b, probe, at(1600)); /* too late: it has failed */
    CHECK(!may_try(&b, at(1600)));
}

static void sessions_from_before_do_not_count(void)
{
    struct breaker b = opened(0), before = b;
    probe = 0;
    CHECK(!breaker_failed(&b, probe, &limits, at(500)));
    CHECK(!breaker_succeeded(&b, probe));
    CHECK_INT(b.state, BREAKER_OPEN);
    CHECK_INT(b.until.ms, before.until.ms);
    CHECK_INT(b.pause_ms, before.pause_ms);
}

static void zero_is_never(void)
{
    struct breaker_limits never = {.failures = 0, .pause_max_ms = 1000};
    struct breaker b = {0};
    for (int i = 0; i < 1000; i++) {
        CHECK(!breaker_failed(&b, probe, &never, at(0)));
        CHECK(may_try(&b, at(0)));
    }
    b = opened(0); /* and then the setting is changed */
    CHECK(may_try(&b, at(1000)));
    CHECK(breaker_failed(&b, probe, &never, at(1000)));
    CHECK_INT(b.state, BREAKER_CLOSED);
}

int main(void)
{
    TEST(only_failures_in_a_row_open_it);
    TEST(one_session_probes);
    TEST(the_pause_doubles_to_its_maximum);
    TEST(a_probe_that_is_lost_does_not_lock_it);
    TEST(nobody_else_proves_or_fails_for_the_probe);
    TEST(after_a_probe_without_result_the_next_one_probes);
    TEST(sessions_from_before_do_not_count);
    TEST(zero_is_never);
    return TEST_END();
}
