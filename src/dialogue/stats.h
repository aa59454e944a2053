/* stats.h - counters of one engine. */
#ifndef TARSIER_DIALOGUE_STATS_H
#define TARSIER_DIALOGUE_STATS_H

#include <stdint.h>

struct engine_stats {
    uint64_t sessions;                                                 /* all since start */
    uint32_t open, held;                                               /* now */
    uint64_t held_all, served, left, cut, siblings, released, dropped; /* holds, and how they ended */
    uint64_t unwatchable, bound_max, bound_client, stressed;           /* tarpit lines that did not hold, and why */
    uint64_t passed;                       /* sessions and messages that the filter was not asked for */
    uint64_t accepted, deferred, rejected; /* recipients */
    uint64_t first_sights;                 /* of those that were deferred: nothing was known of them */
    uint64_t gone;                         /* clients found gone before any hold */
    uint64_t child_failures;               /* of children, told in the log each */
    uint64_t store_failures, protocol_errors;
    uint64_t regex_runs, regex_limits; /* matches begun; and that came to no end, or had no effort left to begin */
};

#endif
