/* histogram.h - how many values lay below each of a few bounds. A zeroed one is empty. */
#ifndef TARSIER_BASE_HISTOGRAM_H
#define TARSIER_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_BOUNDS = 10 };

struct histogram {
    uint64_t bins[HISTOGRAM_BOUNDS + 1]; /* up to bounds[i], and above the bin before; the last: above all bounds */
    int64_t sum_ms;
};

/* Ascending. */
struct histogram_bounds {
    int64_t ms[HISTOGRAM_BOUNDS];
};

static inline void histogram_add(struct histogram *h, const struct histogram_bounds *bounds, int64_t ms)
{
    size_t i = 0;
    while (i < HISTOGRAM_BOUNDS && ms > bounds->ms[i])
        i++;
    h->bins[i]++;
    h->sum_ms += ms;
}

#endif
