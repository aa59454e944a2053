/* latency.h - times counted into buckets of about 1.5 %: any number of them in one fixed table. */
#ifndef TARSIER_BENCH_LATENCY_H
#define TARSIER_BENCH_LATENCY_H

#include <stdint.h>

enum { LATENCY_SUB_BITS = 6, LATENCY_BUCKETS = (64 - LATENCY_SUB_BITS + 1) << LATENCY_SUB_BITS };

/* A zeroed struct is empty. */
struct latency {
    uint64_t count, max_ns;
    uint32_t buckets[LATENCY_BUCKETS];
};

void latency_add(struct latency *l, uint64_t ns);

/* The time that `fraction` (0 to 1) of them do not exceed, in microseconds; 0 when there are none. */
double latency_quantile_us(const struct latency *l, double fraction);

#endif
