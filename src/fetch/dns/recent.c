/* recent.c - a ring of minutes and a ring of times. */
#include "fetch/dns/recent.h"

#include <stdlib.h>
#include <string.h>

enum { MINUTE_MS = 60 * 1000 };

/* The minutes between are over, and nothing happened in them. */
static void go_to(struct dns_recent *r, int64_t minute)
{
    int64_t passed = minute - r->minute;
    if (passed > RECENT_MINUTES)
        passed = RECENT_MINUTES;
    for (int64_t i = 0; i < passed; i++)
        memset(&r->minutes[(minute - i) % RECENT_MINUTES], 0, sizeof(r->minutes[0]));
    if (passed > 0)
        r->minute = minute;
}

void dns_recent_add(struct dns_recent *r, enum dns_end end, struct mono started, struct mono now)
{
    int64_t took = now.ms - started.ms;
    go_to(r, now.ms / MINUTE_MS);
    size_t at = (size_t)(r->minute % RECENT_MINUTES);
    r->minutes[at].asked++;
    r->minutes[at].timeouts += end == DNS_END_TIMEOUT;
    r->minutes[at].failed += end == DNS_END_FAILED;
    r->took_ms[r->n_times++ % RECENT_TIMES] = took > UINT16_MAX ? UINT16_MAX : (uint16_t)took;
}

static int by_size(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

void dns_recent_sum(const struct dns_recent *r, struct mono now, struct dns_stats *out)
{
    struct dns_recent copy = *r;
    size_t n = r->n_times < RECENT_TIMES ? (size_t)r->n_times : RECENT_TIMES;
    go_to(&copy, now.ms / MINUTE_MS);
    for (size_t i = 0; i < RECENT_MINUTES; i++) {
        out->hour.asked += copy.minutes[i].asked;
        out->hour.timeouts += copy.minutes[i].timeouts;
        out->hour.failed += copy.minutes[i].failed;
    }
    qsort(copy.took_ms, n, sizeof(copy.took_ms[0]), by_size);
    out->median_ms = n > 0 ? copy.took_ms[n / 2] : 0;
}
