/* trim.c - at most once a minute, and only when much was freed. */
#include "daemon/trim.h"

bool trim_wanted(struct trim *t, uint64_t used_bytes)
{
    if (used_bytes > t->peak_bytes)
        t->peak_bytes = used_bytes;
    return t->peak_bytes - used_bytes >= TRIM_LEAST_BYTES && used_bytes <= t->peak_bytes / 2;
}

bool trim_due(struct trim *t, uint64_t used_bytes, struct mono now)
{
    if (!trim_wanted(t, used_bytes) || (t->last.ms != 0 && now.ms - t->last.ms < TRIM_EVERY_MS))
        return false;
    t->last = now;
    t->peak_bytes = used_bytes;
    return true;
}
