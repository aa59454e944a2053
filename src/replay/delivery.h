/* delivery.h - one message that a client brought, as a log or a trace tells it. Plain values; all text is borrowed. */
#ifndef TARSIER_REPLAY_DELIVERY_H
#define TARSIER_REPLAY_DELIVERY_H

#include "base/clock.h"
#include "base/ip.h"
#include "policy/policy.h"

/* More recipients of one message are not kept: the memory of tuples is no different for them. */
enum { DELIVERY_RECIPIENTS_MAX = 16 };

struct delivery {
    struct wall time; /* when the client named its first recipient */
    struct ip client;
    enum policy_resolve resolve; /* never ABSENT */
    bool is_unnamed;             /* FAIL, and nobody had looked the name up: postscreen, or what a trace does not tell */
    bool perhaps_temp;           /* FAIL, and the log cannot tell it from TEMP */
    struct slice name;           /* OK: the verified name; FORGED, TEMP: the unverified one; else NONE */
    struct slice helo;           /* NONE: not known */
    struct slice sender;         /* without angle brackets; NONE: not known */
    struct slice recipients[DELIVERY_RECIPIENTS_MAX];
    size_t n_recipients;
    bool refused;      /* not accepted, or refused by a milter later */
    unsigned times;    /* refused, and so often in a row; else 1 */
    int64_t retry_sec; /* how long this client took to come back when it was deferred; 0: not known */
};

#endif
