/* latency.c - times in buckets: 64 to each power of two of nanoseconds. */
#include "latency.h"

static unsigned bucket_of(uint64_t ns)
{
    if (ns < 1u << LATENCY_SUB_BITS)
        return (unsigned)ns;
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - LATENCY_SUB_BITS;
    return ((shift + 1) << LATENCY_SUB_BITS) + (unsigned)((ns >> shift) & ((1u << LATENCY_SUB_BITS) - 1));
}

/* The middle of a bucket. */
static double ns_of(unsigned bucket)
{
    unsigned shift = bucket >> LATENCY_SUB_BITS, sub = bucket & ((1u << LATENCY_SUB_BITS) - 1);
    if (shift == 0)
        return bucket;
    return ((double)(sub + (1u << LATENCY_SUB_BITS)) + 0.5) * (double)(1ull << (shift - 1));
}

void latency_add(struct latency *l, uint64_t ns)
{
    l->count++;
    if (ns > l->max_ns)
        l->max_ns = ns;
    l->buckets[bucket_of(ns)]++;
}

double latency_quantile_us(const struct latency *l, double fraction)
{
    uint64_t seen = 0, want = (uint64_t)(fraction * (double)l->count);
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += l->buckets[i];
        if (l->buckets[i] > 0 && seen >= want) {
            double us = ns_of(i) / 1000, max_us = (double)l->max_ns / 1000;
            return us < max_us ? us : max_us;
        }
    }
    return 0;
}
