/* senders.c - an open hash table of clients, never thinned out. */
#include "replay/senders.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/siphash.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 2 * SENDERS_MAX };

struct senders {
    struct sender *slots[SLOTS];
    uint64_t count, beyond;
    struct arena arena;
};

struct senders *senders_new(void)
{
    return mem_zalloc(sizeof(struct senders));
}

void senders_free(struct senders *s)
{
    if (!s)
        return;
    arena_fini(&s->arena);
    free(s);
}

static struct sender **place(struct senders *s, const struct ip *client)
{
    size_t i = siphash64(&(struct siphash_key){{4}}, slice_of(client, sizeof(*client))) % SLOTS;
    while (s->slots[i] && !ip_eq(&s->slots[i]->client, client))
        i = (i + 1) % SLOTS;
    return &s->slots[i];
}

void senders_note(struct senders *s, const struct delivery *d, const char *rule, int points, bool is_written_to)
{
    struct sender **at = place(s, &d->client);
    if (!*at && s->count >= SENDERS_MAX) {
        s->beyond++;
        return;
    }
    if (!*at) {
        *at = arena_zalloc(&s->arena, sizeof(**at));
        (*at)->client = d->client;
        (*at)->name = arena_slice(&s->arena, d->resolve == RESOLVE_OK ? d->name : SLICE_NONE);
        (*at)->from = arena_slice(&s->arena, d->sender);
        (*at)->rule = rule;
        (*at)->points = points;
        s->count++;
    }
    (*at)->mails++;
    (*at)->is_written_to |= is_written_to;
}

void senders_mark(struct senders *s, bool (*is_known)(const void *ctx, struct slice address), const void *ctx)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (s->slots[i] && is_known(ctx, s->slots[i]->from))
            s->slots[i]->is_written_to = true;
}

static int compare(const void *a, const void *b)
{
    const struct sender *x = a, *y = b;
    if (x->is_written_to != y->is_written_to)
        return x->is_written_to ? -1 : 1;
    if (x->mails != y->mails)
        return x->mails > y->mails ? -1 : 1;
    return ip_cmp(&x->client, &y->client);
}

size_t senders_top(const struct senders *s, size_t n, struct sender **out)
{
    struct sender *all = mem_alloc((s->count + 1) * sizeof(*all));
    size_t count = 0;
    for (size_t i = 0; i < SLOTS; i++)
        if (s->slots[i])
            all[count++] = *s->slots[i];
    qsort(all, count, sizeof(*all), compare);
    *out = all;
    return count < n ? count : n;
}

uint64_t senders_count(const struct senders *s)
{
    return s->count;
}

uint64_t senders_beyond(const struct senders *s)
{
    return s->beyond;
}
