/* hold.c - the table of held clients: chained hash of groups, each a ring of holds. */
#include "hold/hold.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct hold_group {
    struct hold_group *next; /* in its bucket */
    struct list members;     /* oldest first */
    unsigned count;
    struct ip client;
};

struct hold_table {
    struct hold_group **buckets;
    size_t n_buckets; /* a power of two */
    size_t n_groups;
    unsigned n_holds;
    struct siphash_key key;
};

enum { BUCKETS_MIN = 64 };

struct hold_table *hold_table_new(struct siphash_key key)
{
    struct hold_table *t = mem_zalloc(sizeof(*t));
    t->key = key;
    t->n_buckets = BUCKETS_MIN;
    t->buckets = mem_zalloc(t->n_buckets * sizeof(*t->buckets));
    return t;
}

void hold_table_free(struct hold_table *t)
{
    if (!t)
        return;
    if (t->n_groups > 0)
        PANIC("table of holds freed while clients are held");
    free(t->buckets);
    free(t);
}

static struct hold_group **bucket_of(const struct hold_table *t, const struct ip *client)
{
    uint8_t text[1 + sizeof(client->bytes)];
    text[0] = client->family;
    memcpy(text + 1, client->bytes, sizeof(client->bytes));
    return &t->buckets[siphash64(&t->key, slice_of(text, sizeof(text))) & (t->n_buckets - 1)];
}

static struct hold_group *find(const struct hold_table *t, const struct ip *client)
{
    struct hold_group *g = *bucket_of(t, client);
    while (g && !ip_eq(&g->client, client))
        g = g->next;
    return g;
}

static void resize(struct hold_table *t, size_t n)
{
    struct hold_group **old = t->buckets;
    size_t n_old = t->n_buckets;
    t->buckets = mem_zalloc(n * sizeof(*t->buckets));
    t->n_buckets = n;
    for (size_t i = 0; i < n_old; i++)
        for (struct hold_group *g = old[i], *next; g; g = next) {
            next = g->next;
            struct hold_group **b = bucket_of(t, &g->client);
            g->next = *b;
            *b = g;
        }
    free(old);
}

static struct hold_group *find_or_add(struct hold_table *t, const struct ip *client)
{
    struct hold_group *g = find(t, client);
    if (g)
        return g;
    if (t->n_groups >= t->n_buckets)
        resize(t, t->n_buckets * 2);
    g = mem_zalloc(sizeof(*g));
    list_init(&g->members);
    g->client = *client;
    struct hold_group **b = bucket_of(t, client);
    g->next = *b;
    *b = g;
    t->n_groups++;
    return g;
}

static void remove_group(struct hold_table *t, struct hold_group *g)
{
    struct hold_group **at = bucket_of(t, &g->client);
    while (*at != g)
        at = &(*at)->next;
    *at = g->next;
    free(g);
    t->n_groups--;
    if (t->n_buckets > BUCKETS_MIN && t->n_groups < t->n_buckets / 8)
        resize(t, t->n_buckets / 2);
}

unsigned hold_count(const struct hold_table *t)
{
    return t->n_holds;
}

unsigned hold_count_client(const struct hold_table *t, const struct ip *client)
{
    const struct hold_group *g = find(t, client);
    return g ? g->count : 0;
}

void hold_begin(struct hold_table *t, struct hold *h, const struct ip *client, struct mono now, int64_t duration_ms)
{
    if (h->group)
        PANIC("held twice");
    struct hold_group *g = find_or_add(t, client);
    list_push_back(&g->members, &h->node);
    h->group = g;
    h->started = now;
    h->due.ms = now.ms + duration_ms;
    g->count++;
    t->n_holds++;
}

void hold_end(struct hold_table *t, struct hold *h)
{
    struct hold_group *g = h->group;
    if (!g)
        return;
    list_remove(&h->node);
    h->group = NULL;
    t->n_holds--;
    if (--g->count == 0)
        remove_group(t, g);
}

bool hold_is_held(const struct hold *h)
{
    return h->group != NULL;
}

struct hold *hold_next(const struct hold *h)
{
    if (!h->group || h->node.next == &h->group->members)
        return NULL;
    return CONTAINER_OF(h->node.next, struct hold, node);
}

struct hold *hold_first(const struct hold_table *t, const struct ip *client)
{
    struct hold_group *g = find(t, client);
    return g ? CONTAINER_OF(g->members.next, struct hold, node) : NULL;
}

void hold_each(struct hold_table *t, void (*fn)(void *ctx, struct hold *h), void *ctx)
{
    for (size_t i = 0; i < t->n_buckets; i++)
        for (struct hold_group *g = t->buckets[i]; g; g = g->next)
            for (struct list *node = g->members.next; node != &g->members; node = node->next)
                fn(ctx, CONTAINER_OF(node, struct hold, node));
}

int64_t hold_waited_ms(const struct hold *h, struct mono now)
{
    return now.ms - h->started.ms;
}
