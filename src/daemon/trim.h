/*
 * trim.h - when memory that is free is given back to the system. glibc keeps what a flood has used, for the next one, however long
 * that may take to come. Knows no loop and no malloc: says only when.
 */
#ifndef TARSIER_DAEMON_TRIM_H
#define TARSIER_DAEMON_TRIM_H

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

/* A zeroed one is ready. */
struct trim {
    uint64_t peak_bytes; /* the most that was used since memory was given back last */
    struct mono last;    /* when it was; ms 0: never */
};

enum { TRIM_LEAST_BYTES = 16 * 1024 * 1024, TRIM_EVERY_MS = 60 * 1000 };

/* So much is used now. True: at least TRIM_LEAST_BYTES and half of the peak are free again. */
bool trim_wanted(struct trim *t, uint64_t used_bytes);
/* The same, and the last time is long enough ago: it is to be done now, and counts as done. */
bool trim_due(struct trim *t, uint64_t used_bytes, struct mono now);

#endif
