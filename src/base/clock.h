/* clock.h - two clocks, two types. Waiting is measured on the monotonic clock, records on the wall clock. Nothing here reads one. */
#ifndef TARSIER_BASE_CLOCK_H
#define TARSIER_BASE_CLOCK_H

#include <stdint.h>

struct mono {
    int64_t ms; /* since some start; never jumps */
};

struct wall {
    int64_t sec; /* since 1970 UTC; may jump */
};

struct instant {
    struct mono mono;
    struct wall wall;
};

#endif
