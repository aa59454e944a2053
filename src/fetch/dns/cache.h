/*
 * cache.h - what is known of DNS, what is being asked, and who waits for it. One query serves all who ask for the same;
 * each of them waits no longer than the deadline. Pure: sends nothing and reads no clock; the caller sends what it is told
 * to send.
 *
 * Known names are at most limits.cache_max, those that were not used for longest leave first; queries under way are at most
 * limits.in_flight_max. A failure is not remembered. Answers are queued here and taken one by one.
 */
#ifndef TARSIER_FETCH_DNS_CACHE_H
#define TARSIER_FETCH_DNS_CACHE_H

#include "base/siphash.h"
#include "fetch/dns/answer.h"
#include "fetch/dns/dns.h"

struct dns_cache;
struct dns_query; /* under way */

/* key: secret of the process, so that nobody can aim at one bucket. Owner: dns_cache_free, which answers nobody. */
struct dns_cache *dns_cache_new(const struct dns_limits *limits, struct siphash_key key);
void dns_cache_free(struct dns_cache *c);

enum dns_asked {
    DNS_ASKED_READY, /* the answer is queued: known, or too many queries are under way */
    DNS_ASKED_WAITS, /* another's query will answer it */
    DNS_ASKED_SEND,  /* *query is new: to be sent, and dns_cache_answer owed for it */
};
MUST_CHECK enum dns_asked dns_cache_ask(struct dns_cache *c, const struct dns_key *key, owner_id owner, uint32_t request,
                                        struct mono now, struct dns_query **query);
/* Queue an answer that needs no query: DNS_ABSENT, DNS_FAILED, or DNS_FOUND with *address. */
void dns_cache_tell(struct dns_cache *c, owner_id owner, uint32_t request, enum dns_status status, const struct ip *address);

/* Its query's end: query is gone then, whoever waits has the answer. */
void dns_cache_answer(struct dns_cache *c, struct dns_query *query, const struct dns_answer *answer, struct mono now);
/* Those whose deadline has come have failed; the query they waited for goes on, and what it finds will be known. */
void dns_cache_expire(struct dns_cache *c, struct mono now);
/* When dns_cache_expire has something to do next. False: never. */
bool dns_cache_next_due(const struct dns_cache *c, struct mono *due);

size_t dns_cache_ready(const struct dns_cache *c); /* answers queued */
/* Take the oldest: an EVENT_DNS whose addresses and name are borrowed until the next call. False: none is there. */
bool dns_cache_take(struct dns_cache *c, struct event *out);

/* Nothing is known any more; queries under way and answers queued stay. */
void dns_cache_forget(struct dns_cache *c);
size_t dns_cache_known(const struct dns_cache *c);
size_t dns_cache_in_flight(const struct dns_cache *c);
/* How many owners wait for a query under way, each counted once. */
unsigned dns_cache_waiting(const struct dns_cache *c);
/* The query that stands first, which goes to the end of the line: as often as there are queries, each comes once. */
struct dns_query *dns_cache_rotate(struct dns_cache *c);
void dns_query_key(const struct dns_query *q, struct dns_key *out);

#endif
