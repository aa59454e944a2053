/*
 * bounds.c - counts of unconfirmed tuples, and eviction.
 *
 * Networks of CROWD_LEAST tuples and more stand in TABLE_CROWDS too, by the binary logarithm of their count: the entry moves
 * only when the count doubles or halves, so the index costs next to nothing, and the last entry is a network with (nearly) the most.
 */
#include "store/bounds.h"

#include <string.h>

enum { COUNT_KEY_BYTES = 17, CROWD_KEY_BYTES = 17, CROWD_LEAST = 8 };
enum { STEPS_PER_RECORD = 64 }; /* records looked at for one to evict */

/* Client and network of IPv4 stand side by side in the table: one page holds both. */
static void client_key(uint8_t out[COUNT_KEY_BYTES], const struct ip *addr)
{
    struct ip client = ip_client(addr);
    grey_client_address(&client, 128, out);
    out[16] = 'c';
}

static bool is_v4(const uint8_t client[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(client, mapped, sizeof(mapped)) == 0;
}

static size_t network_bytes(const uint8_t client[16])
{
    return grey_client_is_domain(client) ? 16 : is_v4(client) ? 15 : 6;
}

static void network_key(uint8_t out[COUNT_KEY_BYTES], const struct grey_key *key)
{
    memset(out, 0, COUNT_KEY_BYTES);
    memcpy(out, key->client, network_bytes(key->client));
    out[16] = 'n';
}

static int get_count(const struct tables *t, MDB_txn *txn, const uint8_t key[COUNT_KEY_BYTES], uint32_t *out)
{
    MDB_val v;
    *out = 0;
    int rc = tables_get(t, txn, TABLE_COUNTS, key, COUNT_KEY_BYTES, &v);
    if (rc == 0 && v.mv_size == 4) {
        const uint8_t *p = v.mv_data;
        *out = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int change_count(struct records_txn *rt, const uint8_t key[COUNT_KEY_BYTES], int change, uint32_t *before,
                        uint32_t *after)
{
    int rc = get_count(rt->tables, rt->txn, key, before);
    if (rc != 0)
        return rc;
    int64_t n = (int64_t)*before + change;
    *after = n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
    if (*after == 0)
        return tables_delete(rt->tables, rt->txn, TABLE_COUNTS, key, COUNT_KEY_BYTES);
    uint8_t v[4] = {(uint8_t)(*after >> 24), (uint8_t)(*after >> 16), (uint8_t)(*after >> 8), (uint8_t)*after};
    return tables_put(rt->tables, rt->txn, TABLE_COUNTS, key, COUNT_KEY_BYTES, v, sizeof(v));
}

static uint8_t level_of(uint32_t count)
{
    uint8_t level = 0;
    if (count < CROWD_LEAST)
        return 0;
    while (count >>= 1)
        level++;
    return level;
}

static int move_crowd(struct records_txn *rt, const uint8_t network[16], uint32_t before, uint32_t after)
{
    uint8_t from = level_of(before), to = level_of(after), key[CROWD_KEY_BYTES];
    int rc = 0;
    memcpy(key + 1, network, 16);
    if (from == to)
        return 0;
    if (from > 0) {
        key[0] = from;
        rc = tables_delete(rt->tables, rt->txn, TABLE_CROWDS, key, sizeof(key));
    }
    if (rc == 0 && to > 0) {
        key[0] = to;
        rc = tables_put(rt->tables, rt->txn, TABLE_CROWDS, key, sizeof(key), "", 0);
    }
    return rc;
}

int bounds_count(struct records_txn *rt, const struct grey_key *key, const struct ip *addr, int change)
{
    uint8_t client[COUNT_KEY_BYTES], network[COUNT_KEY_BYTES];
    uint32_t before, after;
    client_key(client, addr);
    network_key(network, key);
    rt->unconfirmed += change;
    int rc = change_count(rt, client, change, &before, &after);
    if (rc == 0)
        rc = change_count(rt, network, change, &before, &after);
    return rc ? rc : move_crowd(rt, network, before, after);
}

int records_count_client(const struct tables *t, MDB_txn *txn, const struct ip *addr, uint32_t *count)
{
    uint8_t key[COUNT_KEY_BYTES];
    client_key(key, addr);
    return get_count(t, txn, key, count);
}

/* ---- eviction ---- */

/* The network with the most, and its entry's key; MDB_NOTFOUND when none has CROWD_LEAST. */
static int find_victim(struct records_txn *rt, uint8_t out[CROWD_KEY_BYTES])
{
    MDB_cursor *c;
    MDB_val k, v;
    int rc = mdb_cursor_open(rt->txn, rt->tables->dbi[TABLE_CROWDS], &c);
    if (rc != 0)
        return rc;
    rc = mdb_cursor_get(c, &k, &v, MDB_LAST);
    uint32_t most = 0;
    /* Among those of the highest level the largest; a few looks are enough, they differ by less than two. */
    for (int i = 0; rc == 0 && i < 16; i++) {
        uint8_t key[COUNT_KEY_BYTES];
        uint32_t count;
        if (k.mv_size != CROWD_KEY_BYTES || (i > 0 && *(uint8_t *)k.mv_data != out[0]))
            break;
        memcpy(key, (uint8_t *)k.mv_data + 1, 16);
        key[16] = 'n';
        rc = get_count(rt->tables, rt->txn, key, &count);
        if (i == 0 || count > most) {
            most = count;
            memcpy(out, k.mv_data, CROWD_KEY_BYTES);
        }
        if (rc == 0)
            rc = mdb_cursor_get(c, &k, &v, MDB_PREV);
        if (rc == MDB_NOTFOUND) {
            rc = 0;
            break;
        }
    }
    mdb_cursor_close(c);
    return rc;
}

static int evict_record(struct records_txn *rt, const struct grey_key *key, bool *done)
{
    struct records_old old;
    struct slice bytes;
    *done = false;
    int rc = records_read(rt->tables, rt->txn, key, &old, &bytes);
    if (rc != 0 || !old.present || !old.unconfirmed)
        return rc;
    rc = records_remove(rt, key, &old);
    *done = rc == 0;
    rt->evicted += *done;
    return rc;
}

/*
 * Walk on from the key at (after it, or from it on) with a fresh cursor each time: deleting under an open cursor is where LMDB
 * has had its bugs.
 */
static int next_key(struct records_txn *rt, enum table table, uint8_t *at, size_t len, bool after)
{
    MDB_cursor *c;
    MDB_val k = {len, at}, v;
    int rc = mdb_cursor_open(rt->txn, rt->tables->dbi[table], &c);
    if (rc != 0)
        return rc;
    rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    if (rc == 0 && after && k.mv_size == len && memcmp(k.mv_data, at, len) == 0)
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    if (rc == 0 && k.mv_size == len)
        memcpy(at, k.mv_data, len);
    else if (rc == 0)
        rc = MDB_NOTFOUND;
    mdb_cursor_close(c);
    return rc;
}

/* Evict in a table all along the keys that begin with the prefix. *ended: the range holds no more; else the steps were used up. */
static int evict_range(struct records_txn *rt, enum table table, struct slice prefix, unsigned max, unsigned *done,
                       bool *ended)
{
    uint8_t at[RECORDS_EXPIRY_SKIP + sizeof(struct grey_key)] = {0};
    size_t skip = table == TABLE_EXPIRY ? RECORDS_EXPIRY_SKIP : 0, len = skip + sizeof(struct grey_key);
    unsigned steps = max * STEPS_PER_RECORD;
    bool after = false;
    memcpy(at, prefix.ptr, prefix.len);
    *ended = false;
    while (*done < max && steps-- > 0) {
        struct grey_key key;
        bool one;
        int rc = next_key(rt, table, at, len, after);
        *ended = rc == MDB_NOTFOUND || (rc == 0 && memcmp(at, prefix.ptr, prefix.len) != 0);
        if (rc != 0 || *ended)
            return rc == MDB_NOTFOUND ? 0 : rc;
        memcpy(&key, at + skip, sizeof(key));
        rc = evict_record(rt, &key, &one);
        if (rc != 0)
            return rc;
        *done += one;
        after = true;
    }
    return 0;
}

int records_evict(struct records_txn *rt, unsigned max, unsigned *done)
{
    bool ended;
    *done = 0;
    while (*done < max) {
        uint8_t crowd[CROWD_KEY_BYTES];
        unsigned before = *done;
        int rc = find_victim(rt, crowd);
        if (rc == MDB_NOTFOUND)
            break;
        /* A little at a time, so that the largest stays the largest. */
        unsigned part = *done + 10 < max ? *done + 10 : max;
        if (rc == 0)
            rc = evict_range(rt, TABLE_RECORDS, slice_of(crowd + 1, network_bytes(crowd + 1)), part, done, &ended);
        if (rc == 0 && *done == before && ended) /* its count is of records that cannot be read any more */
            rc = tables_delete(rt->tables, rt->txn, TABLE_CROWDS, crowd, sizeof(crowd));
        else if (rc == 0 && *done == before)
            break;
        if (rc != 0)
            return rc;
    }
    return *done < max ? evict_range(rt, TABLE_EXPIRY, SLICE_LIT(""), max, done, &ended) : 0;
}
