/*
 * cache.c - a chained hash of names. An entry is either known (it has a value and stands in `used`, the last used in front)
 * or a query under way (it stands in `flying` and may have waiters). All deadlines are equally long, so `due` is in order.
 */
#include "fetch/dns/cache.h"
#include "base/list.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* What was found: shared by the cache and those who are still to be told. */
struct value {
    unsigned refs;
    enum dns_status status;
    size_t n_addresses, name_len;
    struct ip *addresses; /* behind this, and the name behind them */
    char *name;
};

struct dns_query {
    struct dns_query *next; /* in its bucket */
    struct list node;       /* in used or flying */
    struct list waiters;
    struct value *value; /* NULL: under way */
    struct mono expires;
    uint8_t type, len;
    uint8_t wire[]; /* struct dns_key's */
};

struct waiter {
    struct list node; /* of a query, or in ready */
    struct list due_node;
    owner_id owner;
    uint32_t request;
    struct mono due;
    struct value *value; /* in ready; NULL: failed */
};

struct dns_cache {
    struct dns_limits limits;
    struct siphash_key key;
    struct dns_query **buckets;
    size_t n_buckets; /* a power of two */
    struct list used, flying, ready, due;
    size_t n_used, n_flying, n_ready;
    struct value *taken; /* lent to who took it */
};

enum { BUCKETS_MIN = 64, BUCKETS_MAX = 65536 };

struct dns_cache *dns_cache_new(const struct dns_limits *limits, struct siphash_key key)
{
    struct dns_cache *c = mem_zalloc(sizeof(*c));
    c->limits = *limits;
    c->key = key;
    for (c->n_buckets = BUCKETS_MIN; c->n_buckets < limits->cache_max && c->n_buckets < BUCKETS_MAX;)
        c->n_buckets *= 2;
    c->buckets = mem_zalloc(c->n_buckets * sizeof(struct dns_query *));
    list_init(&c->used);
    list_init(&c->flying);
    list_init(&c->ready);
    list_init(&c->due);
    return c;
}

/* ---- values ---- */

static struct value *value_new(enum dns_status status, const struct ip *addresses, size_t n, struct slice name)
{
    struct value *v = mem_alloc(sizeof(*v) + n * sizeof(*addresses) + name.len);
    *v = (struct value){.refs = 1, .status = status, .n_addresses = n, .name_len = name.len};
    v->addresses = (struct ip *)(v + 1);
    v->name = (char *)(v->addresses + n);
    if (n > 0)
        memcpy(v->addresses, addresses, n * sizeof(*addresses));
    if (name.len > 0)
        memcpy(v->name, name.ptr, name.len);
    return v;
}

static struct value *value_ref(struct value *v)
{
    if (v)
        v->refs++;
    return v;
}

static void value_unref(struct value *v)
{
    if (v && --v->refs == 0)
        free(v);
}

/* ---- entries ---- */

static struct dns_query **bucket_of(const struct dns_cache *c, unsigned type, const uint8_t *wire, size_t len)
{
    uint64_t hash = siphash64(&c->key, slice_of(wire, len)) + type;
    return &c->buckets[hash & (c->n_buckets - 1)];
}

static struct dns_query *find(const struct dns_cache *c, const struct dns_key *key)
{
    struct dns_query *q = *bucket_of(c, key->type, key->wire, key->len);
    while (q && !(q->type == key->type && q->len == key->len && memcmp(q->wire, key->wire, key->len) == 0))
        q = q->next;
    return q;
}

static struct dns_query *add(struct dns_cache *c, const struct dns_key *key)
{
    struct dns_query *q = mem_zalloc(sizeof(*q) + key->len);
    struct dns_query **b = bucket_of(c, key->type, key->wire, key->len);
    q->next = *b;
    *b = q;
    list_init(&q->node);
    list_init(&q->waiters);
    q->type = (uint8_t)key->type;
    q->len = key->len;
    memcpy(q->wire, key->wire, key->len);
    return q;
}

/* It is in no list any more and nobody waits. */
static void remove_entry(struct dns_cache *c, struct dns_query *q)
{
    struct dns_query **at = bucket_of(c, q->type, q->wire, q->len);
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    value_unref(q->value);
    free(q);
}

static void forget(struct dns_cache *c, struct dns_query *q)
{
    list_remove(&q->node);
    c->n_used--;
    remove_entry(c, q);
}

static void fly(struct dns_cache *c, struct dns_query *q)
{
    if (q->value) {
        list_remove(&q->node);
        c->n_used--;
        value_unref(q->value);
        q->value = NULL;
    }
    list_push_back(&c->flying, &q->node);
    c->n_flying++;
}

void dns_cache_forget(struct dns_cache *c)
{
    while (!list_is_empty(&c->used))
        forget(c, CONTAINER_OF(c->used.next, struct dns_query, node));
}

/* ---- asking ---- */

static struct waiter *waiter_new(owner_id owner, uint32_t request)
{
    struct waiter *w = mem_zalloc(sizeof(*w));
    list_init(&w->node);
    list_init(&w->due_node);
    w->owner = owner;
    w->request = request;
    return w;
}

/* Takes over a reference to v. */
static void make_ready(struct dns_cache *c, struct waiter *w, struct value *v)
{
    list_remove(&w->node);
    list_remove(&w->due_node);
    w->value = v;
    list_push_back(&c->ready, &w->node);
    c->n_ready++;
}

enum dns_asked dns_cache_ask(struct dns_cache *c, const struct dns_key *key, owner_id owner, uint32_t request,
                             struct mono now, struct dns_query **query)
{
    struct waiter *w = waiter_new(owner, request);
    struct dns_query *q = find(c, key);
    *query = NULL;
    if (q && q->value && q->expires.ms > now.ms) {
        list_remove(&q->node);
        list_push_front(&c->used, &q->node);
        make_ready(c, w, value_ref(q->value));
        return DNS_ASKED_READY;
    }
    bool is_new = !q || q->value;
    if (is_new && c->n_flying >= c->limits.in_flight_max) {
        make_ready(c, w, NULL);
        return DNS_ASKED_READY;
    }
    if (is_new) {
        q = q ? q : add(c, key);
        fly(c, q);
        *query = q;
    }
    w->due.ms = now.ms + c->limits.deadline_ms;
    list_push_back(&q->waiters, &w->node);
    list_push_back(&c->due, &w->due_node);
    return is_new ? DNS_ASKED_SEND : DNS_ASKED_WAITS;
}

void dns_cache_tell(struct dns_cache *c, owner_id owner, uint32_t request, enum dns_status status, const struct ip *address)
{
    struct value *v = NULL;
    if (status != DNS_FAILED)
        v = value_new(status, address, address ? 1 : 0, SLICE_NONE);
    make_ready(c, waiter_new(owner, request), v);
}

/* ---- answers ---- */

static int64_t clamp(int64_t v, int64_t min, int64_t max)
{
    v = v < min ? min : v;
    return v > max ? max : v;
}

static int64_t lifetime_sec(const struct dns_limits *l, const struct dns_answer *a)
{
    int64_t max_sec = a->status == DNS_ABSENT ? l->negative_sec : l->ttl_max_sec;
    return clamp(a->has_ttl ? (int64_t)a->ttl_sec : 0, l->ttl_min_sec, max_sec);
}

void dns_cache_answer(struct dns_cache *c, struct dns_query *q, const struct dns_answer *answer, struct mono now)
{
    struct value *v = NULL;
    if (answer->status != DNS_FAILED)
        v = value_new(answer->status, answer->addresses, answer->n_addresses, slice_of(answer->name, answer->name_len));
    while (!list_is_empty(&q->waiters))
        make_ready(c, CONTAINER_OF(q->waiters.next, struct waiter, node), value_ref(v));
    list_remove(&q->node);
    c->n_flying--;
    if (!v) {
        remove_entry(c, q);
        return;
    }
    q->value = v;
    q->expires.ms = now.ms + lifetime_sec(&c->limits, answer) * 1000;
    list_push_front(&c->used, &q->node);
    c->n_used++;
    while (c->n_used > c->limits.cache_max)
        forget(c, CONTAINER_OF(c->used.prev, struct dns_query, node));
}

void dns_cache_expire(struct dns_cache *c, struct mono now)
{
    struct mono due;
    while (dns_cache_next_due(c, &due) && due.ms <= now.ms)
        make_ready(c, CONTAINER_OF(c->due.next, struct waiter, due_node), NULL);
}

bool dns_cache_next_due(const struct dns_cache *c, struct mono *due)
{
    if (list_is_empty(&c->due))
        return false;
    *due = CONTAINER_OF(c->due.next, struct waiter, due_node)->due;
    return true;
}

size_t dns_cache_ready(const struct dns_cache *c)
{
    return c->n_ready;
}

bool dns_cache_take(struct dns_cache *c, struct event *out)
{
    value_unref(c->taken);
    c->taken = NULL;
    if (list_is_empty(&c->ready))
        return false;
    struct waiter *w = CONTAINER_OF(c->ready.next, struct waiter, node);
    list_remove(&w->node);
    c->n_ready--;
    struct value *v = c->taken = w->value;
    *out = (struct event){.kind = EVENT_DNS, .owner = w->owner, .request = w->request};
    out->u.dns.status = v ? v->status : DNS_FAILED;
    if (v && v->n_addresses > 0) {
        out->u.dns.addresses = v->addresses;
        out->u.dns.n_addresses = v->n_addresses;
    }
    if (v && v->name_len > 0)
        out->u.dns.name = slice_of(v->name, v->name_len);
    free(w);
    return true;
}

/* ---- what is there ---- */

size_t dns_cache_known(const struct dns_cache *c)
{
    return c->n_used;
}

size_t dns_cache_in_flight(const struct dns_cache *c)
{
    return c->n_flying;
}

static int by_owner(const void *a, const void *b)
{
    owner_id x = *(const owner_id *)a, y = *(const owner_id *)b;
    return (x > y) - (x < y);
}

unsigned dns_cache_waiting(const struct dns_cache *c)
{
    size_t n = 0, cap = 0;
    unsigned distinct = 0;
    owner_id *owners = NULL;
    for (const struct list *at = c->due.next; at != &c->due; at = at->next) {
        owners = mem_grow(owners, &cap, n + 1, sizeof(*owners));
        owners[n++] = CONTAINER_OF(at, struct waiter, due_node)->owner;
    }
    if (n > 0)
        qsort(owners, n, sizeof(*owners), by_owner);
    for (size_t i = 0; i < n; i++)
        distinct += i == 0 || owners[i] != owners[i - 1];
    free(owners);
    return distinct;
}

struct dns_query *dns_cache_rotate(struct dns_cache *c)
{
    if (list_is_empty(&c->flying))
        PANIC("no query is under way");
    struct list *node = c->flying.next;
    list_remove(node);
    list_push_back(&c->flying, node);
    return CONTAINER_OF(node, struct dns_query, node);
}

void dns_query_key(const struct dns_query *q, struct dns_key *out)
{
    out->type = (enum dns_type)q->type;
    out->len = q->len;
    memcpy(out->wire, q->wire, q->len);
}

void dns_cache_free(struct dns_cache *c)
{
    if (!c)
        return;
    dns_cache_forget(c);
    struct event ignored;
    while (!list_is_empty(&c->due))
        make_ready(c, CONTAINER_OF(c->due.next, struct waiter, due_node), NULL);
    while (dns_cache_take(c, &ignored))
        ;
    while (!list_is_empty(&c->flying)) {
        struct dns_query *q = CONTAINER_OF(c->flying.next, struct dns_query, node);
        list_remove(&q->node);
        remove_entry(c, q);
    }
    free(c->buckets);
    free(c);
}
