/* random.h - numbers for tests that draw their inputs: from TARSIER_SEED or the time, and printed, so that a failure comes back. */
#ifndef TARSIER_TESTS_RANDOM_H
#define TARSIER_TESTS_RANDOM_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t random_state;

static inline void random_begin(void)
{
    const char *given = getenv("TARSIER_SEED");
    random_state = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("# TARSIER_SEED=%" PRIu64 "\n", random_state);
}

/* 0 to below-1. splitmix64 (Steele, Lea, Flood 2014). */
static inline unsigned random_below(unsigned below)
{
    uint64_t z = (random_state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (unsigned)((z ^ (z >> 31)) >> 33) % below;
}

#endif
