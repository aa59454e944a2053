/* records.c - records in the tables, with the index by expiry. */
#include "store/records.h"

#include "store/bounds.h"

#include <string.h>

/* An entry of the index: expires, the sequence number that the record bears, its key. */
enum { EXPIRY_BYTES = RECORDS_EXPIRY_SKIP + sizeof(struct grey_key) };

static uint8_t *put_be(uint8_t *p, uint64_t n, unsigned bytes)
{
    for (unsigned i = bytes; i-- > 0; n >>= 8)
        p[i] = (uint8_t)n;
    return p + bytes;
}

static void expiry_key(uint8_t out[EXPIRY_BYTES], struct wall expires, uint32_t sequence, const struct grey_key *key)
{
    uint8_t *p = put_be(out, expires.sec < 0 ? 0 : (uint64_t)expires.sec, 8);
    memcpy(put_be(p, sequence, SEQUENCE_BYTES), key, sizeof(*key));
}

struct slice records_strip(const MDB_val *value, uint32_t *sequence)
{
    const uint8_t *p = value->mv_data;
    *sequence = 0;
    if (value->mv_size < SEQUENCE_BYTES)
        return SLICE_NONE;
    for (unsigned i = 0; i < SEQUENCE_BYTES; i++)
        *sequence = *sequence << 8 | p[i];
    return slice_of(p + SEQUENCE_BYTES, value->mv_size - SEQUENCE_BYTES);
}

/* ---- read ---- */

int records_read(const struct tables *t, MDB_txn *txn, const struct grey_key *key, struct records_old *old,
                 struct slice *bytes)
{
    MDB_val value;
    *old = (struct records_old){0};
    *bytes = SLICE_NONE;
    int rc = tables_get(t, txn, TABLE_RECORDS, key, sizeof(*key), &value);
    if (rc != 0)
        return rc == MDB_NOTFOUND ? 0 : rc;
    struct grey_record r;
    old->present = true;
    *bytes = records_strip(&value, &old->sequence);
    if (grey_record_decode(*bytes, &r) != ERR_NONE) {
        old->unreadable = true;
        return 0;
    }
    old->unconfirmed = grey_record_is_unconfirmed(&r);
    old->expires = grey_record_end(&r);
    old->addr = r.addr;
    return 0;
}

int records_load_slot(const struct tables *t, MDB_txn *txn, const struct grey_request *req, struct grey_set *set,
                      enum grey_slot_name name, struct records_old *old, uint64_t *corrupt)
{
    struct slice bytes;
    int rc = records_read(t, txn, &set->slots[name].key, old, &bytes);
    if (rc != 0 || !old->present)
        return rc;
    if (old->unreadable)
        (*corrupt)++;
    else if (grey_set_load(set, name, req, bytes) != ERR_NONE)
        set->slots[name].present = false; /* another tuple of the same hash: as good as absent */
    return 0;
}

int records_load(const struct tables *t, MDB_txn *txn, const struct grey_request *req, struct grey_set *set,
                 struct records_old old[GREY_SLOTS], uint64_t *corrupt)
{
    for (int i = 0; i < GREY_SLOTS; i++) {
        old[i] = (struct records_old){0};
        if (!set->slots[i].wanted)
            continue;
        int rc = records_load_slot(t, txn, req, set, (enum grey_slot_name)i, &old[i], corrupt);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static bool is_live(const struct grey_slot *s, struct wall now)
{
    return s->present && now.sec <= s->record.expires.sec;
}

int records_check_crowd(const struct tables *t, MDB_txn *txn, const struct grey_request *req, struct grey_set *set,
                        struct records_old old[GREY_SLOTS], uint32_t crowd_max, uint64_t *corrupt)
{
    uint32_t count;
    if (req->kind == GREY_RENEW || req->kind == GREY_CONFIRM || req->kind == GREY_PROVE ||
        is_live(&set->slots[GREY_SLOT_TUPLE], req->now) || is_live(&set->slots[GREY_SLOT_TUPLE_ADDR], req->now))
        return 0;
    int rc = records_count_client(t, txn, &req->tuple.addr, &count);
    if (rc != 0)
        return rc;
    set->crowded = count >= crowd_max;
    return records_load_slot(t, txn, req, set, GREY_SLOT_SHARED, &old[GREY_SLOT_SHARED], corrupt);
}

/* ---- write ---- */

int records_put(struct records_txn *rt, const struct grey_key *key, const struct records_old *old,
                const struct grey_record *record)
{
    const struct tables *t = rt->tables;
    uint8_t index[EXPIRY_BYTES];
    MDB_val k = {sizeof(*key), (void *)(uintptr_t)key}, v = {SEQUENCE_BYTES + grey_record_size(record), NULL};
    struct wall end = grey_record_end(record);
    bool same_life = old->present && !old->unreadable && old->expires.sec == end.sec;
    uint32_t sequence = same_life ? old->sequence : ++rt->sequence;
    rt->changed = true;
    int rc = mdb_put(rt->txn, t->dbi[TABLE_RECORDS], &k, &v, MDB_RESERVE);
    if (rc != 0)
        return rc;
    grey_record_encode(record, put_be(v.mv_data, sequence, SEQUENCE_BYTES));
    if (old->present && !old->unreadable && !same_life) {
        expiry_key(index, old->expires, old->sequence, key);
        rc = tables_delete(t, rt->txn, TABLE_EXPIRY, index, sizeof(index));
    }
    if (rc == 0 && !same_life) {
        expiry_key(index, end, sequence, key);
        rc = tables_put(t, rt->txn, TABLE_EXPIRY, index, sizeof(index), "", 0);
    }
    bool counts = grey_record_is_unconfirmed(record);
    bool counted = old->present && old->unconfirmed;
    if (rc == 0 && counts && counted && !ip_eq(&record->addr, &old->addr)) {
        rc = bounds_count(rt, key, &old->addr, -1);
        counted = false;
    }
    if (rc == 0 && counts != counted)
        rc = bounds_count(rt, key, counts ? &record->addr : &old->addr, counts ? 1 : -1);
    rt->added += !old->present;
    return rc;
}

int records_remove(struct records_txn *rt, const struct grey_key *key, const struct records_old *old)
{
    uint8_t index[EXPIRY_BYTES];
    if (!old->present)
        return 0;
    rt->changed = true;
    int rc = tables_delete(rt->tables, rt->txn, TABLE_RECORDS, key, sizeof(*key));
    if (rc == 0 && !old->unreadable) {
        expiry_key(index, old->expires, old->sequence, key);
        rc = tables_delete(rt->tables, rt->txn, TABLE_EXPIRY, index, sizeof(index));
    }
    if (rc == 0 && old->unconfirmed)
        rc = bounds_count(rt, key, &old->addr, -1);
    rt->added--;
    return rc;
}

/* ---- expiry ---- */

/* The entry may be older than the record: written before an unreadable record was replaced. Then only the entry goes. */
static int expire_entry(struct records_txn *rt, const uint8_t index[EXPIRY_BYTES])
{
    struct grey_key key;
    struct records_old old;
    struct slice bytes;
    uint8_t fresh[EXPIRY_BYTES];
    memcpy(&key, index + RECORDS_EXPIRY_SKIP, sizeof(key));
    int rc = records_read(rt->tables, rt->txn, &key, &old, &bytes);
    if (rc != 0)
        return rc;
    expiry_key(fresh, old.expires, old.sequence, &key);
    if (old.present && (old.unreadable || memcmp(fresh, index, EXPIRY_BYTES) == 0)) {
        rt->corrupt += old.unreadable;
        rt->expired++;
        rc = records_remove(rt, &key, &old);
    }
    rt->changed = true;
    return rc ? rc : tables_delete(rt->tables, rt->txn, TABLE_EXPIRY, index, EXPIRY_BYTES);
}

int records_expire(struct records_txn *rt, struct wall now, unsigned max, bool *more)
{
    uint8_t limit[EXPIRY_BYTES], index[EXPIRY_BYTES];
    struct grey_key none = {0};
    MDB_cursor *c;
    *more = false;
    expiry_key(limit, now, 0, &none); /* a record lives through its last second */
    int rc = mdb_cursor_open(rt->txn, rt->tables->dbi[TABLE_EXPIRY], &c);
    if (rc != 0)
        return rc;
    for (unsigned n = 0; rc == 0; n++) {
        MDB_val k, v;
        rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
        if (rc != 0 || k.mv_size != EXPIRY_BYTES || memcmp(k.mv_data, limit, 8) >= 0)
            break;
        if (n == max) {
            *more = true;
            break;
        }
        memcpy(index, k.mv_data, EXPIRY_BYTES);
        rc = expire_entry(rt, index);
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}
