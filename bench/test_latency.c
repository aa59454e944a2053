/* The histogram of latencies: quantiles within a bucket's width, from nanoseconds to hours. */
#include "latency.h"
#include "../tests/unit/test.h"

#include <stdlib.h>

static bool near(double got, double want)
{
    return got >= want * 0.984 && got <= want * 1.016;
}

static void quantiles(void)
{
    struct latency *l = calloc(1, sizeof(*l));
    CHECK(latency_quantile_us(l, 0.5) == 0);
    for (uint64_t i = 1; i <= 100000; i++)
        latency_add(l, i * 1000);
    CHECK_INT(l->count, 100000);
    CHECK_INT(l->max_ns, 100000000);
    CHECK(near(latency_quantile_us(l, 0.5), 50000));
    CHECK(near(latency_quantile_us(l, 0.9), 90000));
    CHECK(near(latency_quantile_us(l, 0.99), 99000));
    CHECK(near(latency_quantile_us(l, 1), 100000));
    free(l);
}

static void every_size(void)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int delta = -1; delta <= 1; delta++) {
            struct latency *l = calloc(1, sizeof(*l));
            uint64_t ns = (1ull << bit) + (uint64_t)delta;
            latency_add(l, ns);
            CHECK(near(latency_quantile_us(l, 0.5), (double)ns / 1000));
            free(l);
        }
    }
}

int main(void)
{
    TEST(quantiles);
    TEST(every_size);
    return TEST_END();
}
