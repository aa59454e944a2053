/* How DNS has done in the last hour, on a virtual clock. */
#include "fetch/dns/recent.h"
#include "../test.h"

enum { MINUTE = 60 * 1000 };

static void end(struct dns_recent *r, enum dns_end how, int64_t took_ms, int64_t now_ms)
{
    dns_recent_add(r, how, (struct mono){now_ms - took_ms}, (struct mono){now_ms});
}

static struct dns_stats sum(const struct dns_recent *r, int64_t now_ms)
{
    struct dns_stats s = {0};
    dns_recent_sum(r, (struct mono){now_ms}, &s);
    return s;
}

static void an_hour_is_counted_and_then_forgotten(void)
{
    struct dns_recent r = {0};
    int64_t start = 1000 * MINUTE;
    CHECK_INT(sum(&r, start).hour.asked, 0);
    end(&r, DNS_END_ANSWER, 5, start);
    end(&r, DNS_END_TIMEOUT, 8000, start + 1);
    end(&r, DNS_END_FAILED, 7, start + 30 * MINUTE);
    struct dns_stats s = sum(&r, start + 59 * MINUTE);
    CHECK_INT(s.hour.asked, 3);
    CHECK_INT(s.hour.timeouts, 1);
    CHECK_INT(s.hour.failed, 1);
    CHECK_INT(s.median_ms, 7);
    s = sum(&r, start + 60 * MINUTE); /* the first minute is an hour ago */
    CHECK_INT(s.hour.asked, 1);
    CHECK_INT(s.hour.timeouts, 0);
    CHECK_INT(sum(&r, start + 90 * MINUTE).hour.asked, 0);
    end(&r, DNS_END_ANSWER, 5, start + 5000 * MINUTE); /* after a long time of nothing */
    CHECK_INT(sum(&r, start + 5000 * MINUTE).hour.asked, 1);
}

static void the_median_is_of_the_last_ones(void)
{
    struct dns_recent r = {0};
    for (int i = 0; i < 1000; i++)
        end(&r, DNS_END_ANSWER, 4, MINUTE);
    CHECK_INT(sum(&r, MINUTE).median_ms, 4);
    for (int i = 0; i < RECENT_TIMES; i++)
        end(&r, DNS_END_ANSWER, i % 2 ? 90 : 80, MINUTE);
    CHECK(sum(&r, MINUTE).median_ms >= 80);
    CHECK_INT(sum(&r, MINUTE).hour.asked, 1000 + RECENT_TIMES);
}

int main(void)
{
    TEST(an_hour_is_counted_and_then_forgotten);
    TEST(the_median_is_of_the_last_ones);
    return TEST_END();
}
