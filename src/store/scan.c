/* scan.c - a slice of the records, read in one short transaction. */
#include "store/scan.h"

#include "grey/take.h"
#include "store/queue.h"
#include "store/records.h"

#include <string.h>

/* What is served and confirmed is AUTO, though its record does not say so yet. */
static int settle(const struct tables *t, MDB_txn *txn, struct grey_record *r)
{
    struct grey_key key;
    struct records_old old;
    struct slice bytes;
    struct grey_record client;
    if (r->is_auto || r->served_since.sec == 0)
        return 0;
    grey_record_client_key(r, &key);
    int rc = records_read(t, txn, &key, &old, &bytes);
    if (rc == 0 && old.present && grey_record_decode(bytes, &client) == ERR_NONE)
        (void)grey_record_settle(r, client.auto_since);
    return rc;
}

static int look(const struct tables *t, MDB_txn *txn, struct store_slice *slice, const MDB_val *key, const MDB_val *value)
{
    uint32_t sequence;
    struct grey_record r;
    struct slice bytes = records_strip(value, &sequence);
    if (key->mv_size != sizeof(slice->from))
        return 0;
    memcpy(&slice->from, key->mv_data, sizeof(slice->from));
    slice->behind = true;
    slice->seen++;
    if (grey_record_decode(bytes, &r) != ERR_NONE)
        return 0;
    int rc = settle(t, txn, &r);
    if (rc == 0 && (!slice->wanted || slice->wanted(slice->ctx, &slice->from, &r)))
        store_slice_put(slice, &slice->from, &r);
    return rc;
}

static bool is_past(const struct store_slice *slice, const MDB_val *key)
{
    return key->mv_size == sizeof(slice->to) && memcmp(key->mv_data, &slice->to, sizeof(slice->to)) > 0;
}

static int walk(const struct tables *t, MDB_txn *txn, MDB_cursor *c, struct store_slice *slice, int64_t until_us)
{
    struct grey_key from = slice->from;
    MDB_val k = {sizeof(from), &from}, v;
    int rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    if (rc == 0 && slice->behind && k.mv_size == sizeof(from) && memcmp(k.mv_data, &slice->from, sizeof(from)) == 0)
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    while (rc == 0) {
        if (is_past(slice, &k))
            return MDB_NOTFOUND;
        rc = look(t, txn, slice, &k, &v);
        if (rc != 0 || slice->seen == STORE_SLICE_RECORDS || (slice->seen % 16 == 0 && monotonic_us() > until_us))
            return rc;
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    }
    return rc;
}

/* SHARED is asked for as well: it may stand for this tuple since a time when the client had more. */
static int read_set(const struct tables *t, MDB_txn *txn, struct store_slice *slice)
{
    struct grey_set set;
    struct records_old old[GREY_SLOTS];
    uint64_t corrupt = 0; /* not counted twice: whoever decides on them counts them */
    grey_set_init(&set, &t->secret, slice->of);
    set.slots[GREY_SLOT_SHARED].wanted = slice->of->kind != GREY_PROVE;
    int rc = records_load(t, txn, slice->of, &set, old, &corrupt);
    if (rc == 0)
        store_slice_put_set(slice, &set);
    return rc;
}

static int read_range(const struct tables *t, MDB_txn *txn, struct store_slice *slice, int64_t max_us)
{
    MDB_cursor *c;
    int rc = mdb_cursor_open(txn, t->dbi[TABLE_RECORDS], &c);
    if (rc == 0) {
        rc = walk(t, txn, c, slice, monotonic_us() + max_us);
        mdb_cursor_close(c);
    }
    slice->ended = rc == MDB_NOTFOUND;
    return slice->ended ? 0 : rc;
}

int scan_slice(const struct tables *t, struct store_slice *slice, int64_t max_us)
{
    MDB_txn *txn;
    buf_clear(&slice->found);
    slice->seen = slice->count = 0;
    slice->ended = false;
    int rc = mdb_txn_begin(t->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0)
        return rc;
    rc = slice->of ? read_set(t, txn, slice) : read_range(t, txn, slice, max_us);
    mdb_txn_abort(txn);
    return rc;
}
