/*
 * recent.h - how DNS has done lately: questions of the last hour, minute by minute, and how long the last of them took. No clock of its
 * own. A zeroed one is empty.
 */
#ifndef TARSIER_FETCH_DNS_RECENT_H
#define TARSIER_FETCH_DNS_RECENT_H

#include "fetch/dns/dns.h"

enum { RECENT_MINUTES = 60, RECENT_TIMES = 256 };

struct dns_recent {
    int64_t minute; /* the newest one that was counted in */
    struct {
        uint32_t asked, timeouts, failed;
    } minutes[RECENT_MINUTES]; /* by minute % RECENT_MINUTES */
    uint16_t took_ms[RECENT_TIMES];
    uint64_t n_times; /* all of them; the last RECENT_TIMES are there */
};

enum dns_end { DNS_END_ANSWER, DNS_END_TIMEOUT, DNS_END_FAILED };

/* A question has ended, started long ago. */
void dns_recent_add(struct dns_recent *r, enum dns_end end, struct mono started, struct mono now);
/* Fills in hour and median_ms. */
void dns_recent_sum(const struct dns_recent *r, struct mono now, struct dns_stats *out);

#endif
