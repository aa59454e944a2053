/* join_parts.c - the join's tables and texts. */
#include "replay/join_internal.h"

#include "base/mem.h"
#include "base/siphash.h"

#include <stdlib.h>
#include <string.h>

/* ---- tables ---- */

struct join_node *join_find(const struct join_table *t, uint64_t key)
{
    struct join_node *n = t->buckets[key % JOIN_BUCKETS];
    while (n && n->key != key)
        n = n->next;
    return n;
}

void join_insert(struct join_table *t, struct join_node *node)
{
    struct join_node **bucket = &t->buckets[node->key % JOIN_BUCKETS];
    node->next = *bucket;
    *bucket = node;
    t->count++;
}

void join_remove(struct join_table *t, struct join_node *node)
{
    struct join_node **at = &t->buckets[node->key % JOIN_BUCKETS];
    while (*at && *at != node)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = node->next;
    t->count--;
}

/* ---- texts ---- */

struct slice join_text(struct slice text)
{
    if (!text.ptr)
        return SLICE_NONE;
    struct slice part = slice_upto(text, JOIN_TEXT_MAX);
    char *copy = mem_alloc(part.len + 1);
    memcpy(copy, part.ptr, part.len);
    copy[part.len] = '\0';
    return slice_of(copy, part.len);
}

void join_text_free(struct slice *text)
{
    free((void *)(uintptr_t)text->ptr);
    *text = SLICE_NONE;
}

void join_text_set(struct slice *text, struct slice value)
{
    join_text_free(text);
    *text = join_text(value);
}

/* ---- retries ---- */

/* A server may come back from another address of its network. */
static struct ip network_of(const struct ip *client)
{
    return ip_mask(client, client->family == IP_V6 ? 64 : 24);
}

static uint64_t client_key(const struct ip *client)
{
    struct ip net = network_of(client);
    return siphash64(&(struct siphash_key){{6}}, slice_of(net.bytes, sizeof(net.bytes))) | 1;
}

static uint64_t tuple_key(const struct ip *client, struct slice sender, struct slice recipient)
{
    const struct siphash_key key = {{7}};
    uint64_t parts[3] = {client_key(client), siphash64(&key, sender), siphash64(&key, recipient)};
    return siphash64(&key, slice_of(parts, sizeof(parts))) | 1;
}

void retries_note(struct join_retries *r, const struct ip *client, struct slice sender, struct slice recipient,
                  int64_t at_sec)
{
    uint64_t key = tuple_key(client, sender, recipient);
    r->deferred[key / 2 % JOIN_RETRIES].key = key;
    r->deferred[key / 2 % JOIN_RETRIES].at_sec = at_sec;
}

int64_t retries_find(struct join_retries *r, const struct delivery *d)
{
    enum { LONGEST_SEC = 5 * 86400 };
    uint64_t client = client_key(&d->client);
    size_t at = client / 2 % JOIN_RETRIES;
    for (size_t i = 0; i < d->n_recipients; i++) {
        uint64_t key = tuple_key(&d->client, d->sender, d->recipients[i]);
        size_t slot = key / 2 % JOIN_RETRIES;
        int64_t after_sec = d->time.sec - r->deferred[slot].at_sec;
        if (r->deferred[slot].key != key || after_sec <= 0 || after_sec > LONGEST_SEC)
            continue;
        r->clients[at].key = client;
        r->clients[at].after_sec = after_sec;
        return after_sec;
    }
    return r->clients[at].key == client ? r->clients[at].after_sec : 0;
}

/* ---- who was here lately ---- */

static uint64_t address_key(const struct ip *client)
{
    return siphash64(&(struct siphash_key){{9}}, slice_of(client->bytes, sizeof(client->bytes))) | 1;
}

void recent_note(struct join_recent *r, const struct ip *client, int64_t at_sec)
{
    uint64_t key = address_key(client);
    r->clients[key / 2 % JOIN_RECENT].key = key;
    r->clients[key / 2 % JOIN_RECENT].at_sec = at_sec;
}

bool recent_has(const struct join_recent *r, const struct ip *client, int64_t at_sec)
{
    uint64_t key = address_key(client);
    size_t slot = key / 2 % JOIN_RECENT;
    return r->clients[slot].key == key && at_sec - r->clients[slot].at_sec <= JOIN_RECENT_SEC;
}
