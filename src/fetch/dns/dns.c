/*
 * dns.c - c-ares asks: numbers of messages, tries, servers, TCP where an answer is cut off. What is asked only once and how
 * long anything is known is the cache's (cache.c), what a message says is answer.c's.
 *
 * c-ares may call back from within ares_query (no server can be reached), so an answer is only queued there.
 */
#include "fetch/dns/dns.h"
#include "base/mem.h"
#include "fetch/dns/answer.h"
#include "fetch/dns/cache.h"
#include "fetch/dns/recent.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>

struct dns_resolver {
    ares_channel channel;
    struct dns *d; /* NULL: not in use */
};

struct dns {
    struct dns_hooks hooks;
    struct dns_limits limits;
    struct dns_resolver *resolver;
    struct dns_cache *cache;
    struct dns_stats stats;
    struct dns_recent recent;
    struct mono now; /* of the call that runs */
    bool woken;      /* and not yet delivered */
};

/* A query in c-ares' hands. */
struct asked {
    struct dns *d;
    struct dns_query *query;
    struct mono at; /* when it was sent */
};

const struct dns_limits dns_limits_default = {.deadline_ms = 8000,
                                              .try_ms = 2000,
                                              .tries = 2,
                                              .in_flight_max = 1000,
                                              .cache_max = 10000,
                                              .ttl_min_sec = 5,
                                              .ttl_max_sec = 3600,
                                              .negative_sec = 300};

/* ---- servers ---- */

static void socket_changed(void *ctx, ares_socket_t fd, int readable, int writable)
{
    const struct dns_resolver *r = ctx;
    r->d->hooks.watch(r->d->hooks.ctx, fd, readable != 0, writable != 0);
}

enum err dns_resolver_new(const struct dns_limits *limits, const char *server, struct dns_resolver **out)
{
    struct dns_resolver *r = mem_zalloc(sizeof(*r));
    struct ares_options options = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
                                   .timeout = limits->try_ms,
                                   .tries = limits->tries,
                                   .sock_state_cb = socket_changed,
                                   .sock_state_cb_data = r};
    int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    *out = NULL;
    if (ares_init_options(&r->channel, &options, given) != ARES_SUCCESS) {
        free(r);
        return ERR_IO;
    }
    if (server && ares_set_servers_ports_csv(r->channel, server) != ARES_SUCCESS) {
        dns_resolver_free(r);
        errno = EINVAL;
        return ERR_IO;
    }
    *out = r;
    return ERR_NONE;
}

void dns_resolver_free(struct dns_resolver *r)
{
    if (!r)
        return;
    ares_destroy(r->channel); /* calls back for all that is under way: ARES_EDESTRUCTION */
    free(r);
}

enum err dns_open(struct dns **out, const struct dns_hooks *hooks, const struct dns_limits *limits, const char *server)
{
    struct siphash_key key;
    *out = NULL;
    if (getrandom(&key, sizeof(key), 0) != (ssize_t)sizeof(key) || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        return ERR_IO;
    struct dns *d = mem_zalloc(sizeof(*d));
    d->hooks = *hooks;
    d->limits = *limits;
    d->cache = dns_cache_new(limits, key);
    enum err e = dns_resolver_new(limits, server, &d->resolver);
    if (e != ERR_NONE) {
        dns_close(d);
        return e;
    }
    d->resolver->d = d;
    *out = d;
    return ERR_NONE;
}

void dns_close(struct dns *d)
{
    if (!d)
        return;
    dns_resolver_free(d->resolver);
    dns_cache_free(d->cache);
    ares_library_cleanup();
    free(d);
}

/* ---- asking ---- */

static void wake(struct dns *d)
{
    if (d->woken || dns_cache_ready(d->cache) == 0)
        return;
    d->woken = true;
    d->hooks.wake(d->hooks.ctx);
}

/*
 * c-ares has looked at the message's number, question and sender; SERVFAIL, REFUSED and the like it has tried at every
 * server.
 */
static void query_ended(void *arg, int status, int timeouts, unsigned char *message, int len)
{
    struct asked asked = *(struct asked *)arg;
    struct dns *d = asked.d;
    (void)timeouts;
    free(arg);
    if (status == ARES_EDESTRUCTION)
        return;
    struct dns_answer answer = {.status = DNS_FAILED};
    struct dns_key key;
    dns_query_key(asked.query, &key);
    if (message && (status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND)) {
        dns_answer_read(&key, slice_of(message, (size_t)len), &answer);
    } else if (status == ARES_ENOTFOUND) {
        answer.status = DNS_ABSENT; /* .onion, which c-ares does not ask for (RFC 7686) */
    }
    d->stats.queries[key.type][answer.status]++;
    dns_recent_add(&d->recent,
                   answer.status != DNS_FAILED ? DNS_END_ANSWER
                   : status == ARES_ETIMEOUT   ? DNS_END_TIMEOUT
                                               : DNS_END_FAILED,
                   asked.at, d->now);
    dns_cache_answer(d->cache, asked.query, &answer, d->now);
}

void dns_get_stats(const struct dns *d, struct mono now, struct dns_stats *out)
{
    *out = d->stats;
    dns_recent_sum(&d->recent, now, out);
}

unsigned dns_waiting(const struct dns *d)
{
    return dns_cache_waiting(d->cache);
}

static void send_query(struct dns *d, struct dns_query *query)
{
    static const int types[] = {[DNS_A] = ns_t_a, [DNS_AAAA] = ns_t_aaaa, [DNS_PTR] = ns_t_ptr};
    struct dns_key key;
    char text[DNS_TEXT_MAX];
    size_t len;
    dns_query_key(query, &key);
    if (dns_wire_text(key.wire, text, &len) != ERR_NONE)
        PANIC("a name that was read cannot be written");
    struct asked *asked = mem_alloc(sizeof(*asked));
    *asked = (struct asked){d, query, d->now};
    ares_query(d->resolver->channel, text, ns_c_in, types[key.type], query_ended, asked);
}

static void ask_key(struct dns *d, const struct dns_key *key, const struct effect *e)
{
    static const struct ip loopback4 = {IP_V4, {127, 0, 0, 1}}, loopback6 = {IP_V6, {[15] = 1}};
    struct dns_query *query;
    if (dns_key_is_localhost(key) && key->type != DNS_PTR)
        dns_cache_tell(d->cache, e->owner, e->request, DNS_FOUND, key->type == DNS_A ? &loopback4 : &loopback6);
    else if (dns_cache_ask(d->cache, key, e->owner, e->request, d->now, &query) == DNS_ASKED_SEND)
        send_query(d, query);
}

void dns_ask(struct dns *d, const struct effect *question, struct mono now)
{
    struct dns_key key;
    d->now = now;
    enum err e = question->u.dns.type == DNS_PTR ? dns_key_reverse(&question->u.dns.address, &key)
                                                 : dns_key_name(question->u.dns.type, question->u.dns.name, &key);
    if (e == ERR_NONE)
        ask_key(d, &key, question);
    else
        dns_cache_tell(d->cache, question->owner, question->request, DNS_ABSENT, NULL);
    wake(d);
}

void dns_switch(struct dns *d, struct dns_resolver *r, struct mono now)
{
    d->now = now;
    dns_resolver_free(d->resolver);
    d->resolver = r;
    r->d = d;
    dns_cache_forget(d->cache);
    for (size_t n = dns_cache_in_flight(d->cache); n > 0; n--)
        send_query(d, dns_cache_rotate(d->cache));
    wake(d);
}

/* ---- what comes back ---- */

void dns_ready(struct dns *d, int fd, bool readable, bool writable, struct mono now)
{
    d->now = now;
    ares_process_fd(d->resolver->channel, readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
    wake(d);
}

void dns_deliver(struct dns *d, struct mono now)
{
    struct event answer;
    d->now = now;
    d->woken = false;
    /* Only those that are there now: what an answer makes somebody ask has its own wake. */
    for (size_t n = dns_cache_ready(d->cache); n > 0 && dns_cache_take(d->cache, &answer); n--)
        d->hooks.answered(d->hooks.ctx, &answer);
    wake(d);
}

int64_t dns_tick(struct dns *d, struct mono now)
{
    struct timeval space, *left;
    struct mono due;
    d->now = now;
    ares_process_fd(d->resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    dns_cache_expire(d->cache, now);
    wake(d);
    int64_t next_ms = -1;
    if (dns_cache_next_due(d->cache, &due))
        next_ms = due.ms - now.ms;
    left = ares_timeout(d->resolver->channel, NULL, &space);
    if (left) {
        int64_t left_ms = (int64_t)left->tv_sec * 1000 + left->tv_usec / 1000 + 1;
        next_ms = next_ms < 0 || left_ms < next_ms ? left_ms : next_ms;
    }
    return next_ms;
}
