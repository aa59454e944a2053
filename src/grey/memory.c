/* memory.c - records in an open hash table. Removal leaves no gap: what follows is moved back (Knuth 6.4, algorithm R). */
#include "grey/memory.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct grey_key key;
    uint8_t *bytes; /* NULL: free */
    size_t len;
};

struct grey_memory {
    struct grey_secret secret;
    struct entry *entries;
    size_t size; /* a power of two */
    size_t count;
    size_t crowd;
};

enum { SIZE_MIN = 64 };

struct grey_memory *grey_memory_new(const struct grey_secret *secret)
{
    struct grey_memory *m = mem_zalloc(sizeof(*m));
    m->secret = *secret;
    m->size = SIZE_MIN;
    m->entries = mem_zalloc(m->size * sizeof(*m->entries));
    return m;
}

void grey_memory_free(struct grey_memory *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->size; i++)
        free(m->entries[i].bytes);
    free(m->entries);
    free(m);
}

struct grey_memory *grey_memory_copy(const struct grey_memory *m)
{
    struct grey_memory *c = mem_alloc(sizeof(*c));
    *c = *m;
    c->entries = mem_alloc(c->size * sizeof(*c->entries));
    memcpy(c->entries, m->entries, c->size * sizeof(*c->entries));
    for (size_t i = 0; i < c->size; i++) {
        struct entry *e = &c->entries[i];
        if (e->bytes)
            e->bytes = memcpy(mem_alloc(e->len), e->bytes, e->len);
    }
    return c;
}

void grey_memory_set_crowd(struct grey_memory *m, size_t tuples)
{
    m->crowd = tuples;
}

size_t grey_memory_count(const struct grey_memory *m)
{
    return m->count;
}

static size_t home(const struct grey_memory *m, const struct grey_key *key)
{
    return siphash64(&m->secret.tail, slice_of(key, sizeof(*key))) & (m->size - 1);
}

/* Where the key is, or the free place where it belongs. */
static size_t place(const struct grey_memory *m, const struct grey_key *key)
{
    size_t i = home(m, key);
    while (m->entries[i].bytes && memcmp(&m->entries[i].key, key, sizeof(*key)) != 0)
        i = (i + 1) & (m->size - 1);
    return i;
}

static void grow(struct grey_memory *m)
{
    struct entry *old = m->entries;
    size_t old_size = m->size;
    m->size *= 2;
    m->entries = mem_zalloc(m->size * sizeof(*m->entries));
    for (size_t i = 0; i < old_size; i++)
        if (old[i].bytes)
            m->entries[place(m, &old[i].key)] = old[i];
    free(old);
}

void grey_memory_put(struct grey_memory *m, const struct grey_key *key, const struct grey_record *record)
{
    size_t len = grey_record_size(record);
    uint8_t *bytes = mem_alloc(len);
    grey_record_encode(record, bytes);
    if ((m->count + 1) * 2 > m->size)
        grow(m);
    struct entry *e = &m->entries[place(m, key)];
    m->count += e->bytes == NULL;
    free(e->bytes);
    *e = (struct entry){*key, bytes, len};
}

void grey_memory_remove(struct grey_memory *m, const struct grey_key *key)
{
    size_t hole = place(m, key), mask = m->size - 1;
    if (!m->entries[hole].bytes)
        return;
    free(m->entries[hole].bytes);
    m->entries[hole].bytes = NULL;
    m->count--;
    for (size_t i = (hole + 1) & mask; m->entries[i].bytes; i = (i + 1) & mask) {
        size_t want = home(m, &m->entries[i].key);
        if (((i - want) & mask) >= ((i - hole) & mask)) {
            m->entries[hole] = m->entries[i];
            m->entries[i].bytes = NULL;
            hole = i;
        }
    }
}

void grey_memory_forget(struct grey_memory *m, struct wall now)
{
    struct entry *old = m->entries;
    size_t old_size = m->size;
    m->entries = mem_zalloc(m->size * sizeof(*m->entries));
    m->count = 0;
    for (size_t i = 0; i < old_size; i++) {
        struct grey_record r;
        if (!old[i].bytes)
            continue;
        if (grey_record_decode(slice_of(old[i].bytes, old[i].len), &r) != ERR_NONE || grey_record_end(&r).sec < now.sec) {
            free(old[i].bytes);
            continue;
        }
        m->entries[place(m, &old[i].key)] = old[i];
        m->count++;
    }
    free(old);
}

static size_t count_unconfirmed(const struct grey_memory *m, const struct ip *addr)
{
    struct ip client = ip_client(addr);
    size_t n = 0;
    for (size_t i = 0; i < m->size; i++) {
        const struct entry *e = &m->entries[i];
        struct grey_record r;
        if (!e->bytes || grey_record_decode(slice_of(e->bytes, e->len), &r) != ERR_NONE)
            continue;
        struct ip its = ip_client(&r.addr);
        n += grey_record_is_unconfirmed(&r) && ip_eq(&its, &client);
    }
    return n;
}

static void load(const struct grey_memory *m, struct grey_set *set, enum grey_slot_name name, const struct grey_request *req)
{
    const struct entry *e = &m->entries[place(m, &set->slots[name].key)];
    /* An error leaves the slot empty: what cannot be read is not there. */
    if (e->bytes && grey_set_load(set, name, req, slice_of(e->bytes, e->len)) != ERR_NONE)
        set->slots[name].present = false;
}

static void load_wanted(const struct grey_memory *m, struct grey_set *set, const struct grey_request *req)
{
    for (int i = 0; i < GREY_SLOTS; i++)
        if (set->slots[i].wanted)
            load(m, set, (enum grey_slot_name)i, req);
}

static void write_back(struct grey_memory *m, const struct grey_set *set)
{
    for (int i = 0; i < GREY_SLOTS; i++) {
        const struct grey_slot *s = &set->slots[i];
        if (s->drop)
            grey_memory_remove(m, &s->key);
        else if (s->dirty)
            grey_memory_put(m, &s->key, &s->record);
    }
}

bool grey_memory_run(struct grey_memory *m, const struct grey_request *req, struct grey_answer *answer)
{
    struct grey_set set;
    grey_set_init(&set, &m->secret, req);
    load_wanted(m, &set, req);
    if (m->crowd > 0) {
        set.crowded = count_unconfirmed(m, &req->tuple.addr) >= m->crowd;
        load(m, &set, GREY_SLOT_SHARED, req);
    }
    grey_apply(req, &set, answer);
    write_back(m, &set);
    return set.durable;
}

void grey_memory_load(const struct grey_memory *m, const struct grey_request *req, struct grey_set *set)
{
    grey_set_init(set, &m->secret, req);
    set->slots[GREY_SLOT_SHARED].wanted = req->kind != GREY_PROVE;
    load_wanted(m, set, req);
}

enum grey_taken grey_memory_take_in(struct grey_memory *m, const struct grey_record *record, unsigned addr_bits)
{
    struct grey_record mine = *record, there, client;
    struct grey_key key, client_key;
    grey_record_key(&m->secret, record, addr_bits, &key);
    grey_record_client_key(record, &client_key);
    bool is_there = grey_memory_get(m, &key, &there) == ERR_NONE;
    bool has_client = grey_memory_get(m, &client_key, &client) == ERR_NONE;
    enum grey_taken taken = grey_take_in(&mine, is_there ? &there : NULL, has_client ? &client : NULL);
    if (taken != GREY_TAKEN_KNOWN)
        grey_memory_put(m, &key, &mine);
    return taken;
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct grey_key));
}

struct grey_key *grey_memory_keys(const struct grey_memory *m)
{
    struct grey_key *keys = mem_alloc((m->count + 1) * sizeof(*keys));
    size_t n = 0;
    for (size_t i = 0; i < m->size; i++)
        if (m->entries[i].bytes)
            keys[n++] = m->entries[i].key;
    qsort(keys, n, sizeof(*keys), compare_keys);
    return keys;
}

enum err grey_memory_get(const struct grey_memory *m, const struct grey_key *key, struct grey_record *out)
{
    const struct entry *e = &m->entries[place(m, key)];
    return e->bytes ? grey_record_decode(slice_of(e->bytes, e->len), out) : ERR_NOT_FOUND;
}
