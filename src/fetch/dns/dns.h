/*
 * dns.h - questions to DNS: c-ares behind a cache. One query serves all who wait for the same name; bounded in flight and in
 * memory. Knows no session: answers go to whoever asked, by the numbers of the question.
 *
 * Everything but dns_resolver_new is called on the loop's thread, and nothing there blocks. c-ares' sockets are watched
 * through hooks (io_watch_fd), also while dns_close runs.
 */
#ifndef TARSIER_FETCH_DNS_DNS_H
#define TARSIER_FETCH_DNS_DNS_H

#include "base/err.h"
#include "port/effect.h"

struct dns;
struct dns_resolver; /* servers to ask, as resolv.conf names them */

/*
 * Called for each answer; addresses and name are borrowed for the call. event.kind is EVENT_DNS, owner and request are
 * the question's.
 */
typedef void dns_answered(void *ctx, const struct event *answer);

struct dns_hooks {
    void *ctx;
    dns_answered *answered; /* from within dns_deliver only */
    /* Watch a descriptor for reading and writing; both false: no more. dns_ready is to be called then. */
    void (*watch)(void *ctx, int fd, bool read, bool write);
    /* An answer is ready: call dns_deliver soon, not from within the function that called this. */
    void (*wake)(void *ctx);
};

struct dns_limits {
    int64_t deadline_ms;                            /* of a question, 8000 */
    int try_ms, tries;                              /* 2000, 2; the second try waits twice as long */
    unsigned in_flight_max;                         /* 1000; more: DNS_FAILED at once */
    unsigned cache_max;                             /* 10,000 names */
    int64_t ttl_min_sec, ttl_max_sec, negative_sec; /* 5, 3600; negative: at most 300 */
};
extern const struct dns_limits dns_limits_default;

/*
 * server: "192.0.2.1:53" instead of resolv.conf's, for tests; NULL. Reads resolv.conf, at the start only.
 * Errors: ERR_IO. Owner: dns_close.
 */
MUST_CHECK enum err dns_open(struct dns **out, const struct dns_hooks *hooks, const struct dns_limits *limits,
                             const char *server);
struct dns_stats {
    uint64_t queries[3][3]; /* by enum dns_type and enum dns_status: what was asked of servers, since the start */
    struct {
        uint64_t asked, timeouts, failed; /* failed: by SERVFAIL and the like; both are DNS_FAILED */
    } hour;                               /* the last one */
    unsigned median_ms;                   /* how long the last few hundred took */
};
void dns_get_stats(const struct dns *d, struct mono now, struct dns_stats *out);
/* How many owners wait for an answer now. */
unsigned dns_waiting(const struct dns *d);

void dns_close(struct dns *d); /* nobody is answered any more; NULL is harmless */

/*
 * Read resolv.conf (or take server, as above). Blocks; any thread.
 * Errors: ERR_IO. Owner: dns_switch or dns_resolver_free.
 */
MUST_CHECK enum err dns_resolver_new(const struct dns_limits *limits, const char *server, struct dns_resolver **out);
void dns_resolver_free(struct dns_resolver *r); /* NULL is harmless */
/* From now on r's servers are asked, also what is under way; what was known is forgotten. Takes r over. */
void dns_switch(struct dns *d, struct dns_resolver *r, struct mono now);

/*
 * EFFECT_DNS. Answered later, always: found, absent or failed. A name that cannot be a host's (a label too long, a blank,
 * ...) is absent without being asked for; localhost is 127.0.0.1 and ::1 (RFC 6761). /etc/hosts is not read.
 */
void dns_ask(struct dns *d, const struct effect *question, struct mono now);
void dns_ready(struct dns *d, int fd, bool readable, bool writable, struct mono now);
void dns_deliver(struct dns *d, struct mono now);
/*
 * Time-outs; returns ms to the next call, -1: none is needed. What dns_ask or dns_ready did may have made that time
 * shorter.
 */
int64_t dns_tick(struct dns *d, struct mono now);

#endif
