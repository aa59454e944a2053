/* round.c - one write transaction of the store's: requests, room for new records, slices of background work. */
#include "store/round.h"

#include "grey/take.h"

enum {
    DEADLINE_MS = 5000, /* the engine has given up on the answer */
    SLICE_RECORDS = 50,
    SLICE_US = 2000,
    BULK_RECORDS = 5000,
    BULK_US = 250000,
    EVICT_PERCENT = 90, /* of the map or of store max: eviction begins */
    FULL_PERCENT = 97,  /* of the map: a new record must push out another; the rest is for the tree's own copies */
    RECOUNT = 32,       /* records made until the fill is measured again */
};

/* What a small map keeps free all the same: copies of pages live until the transaction after the next. */
#define EVICT_RESERVE_BYTES ((size_t)2 << 20)
#define FULL_RESERVE_BYTES  ((size_t)3 << 19)

static const struct grey_answer failed_answer = {.failed = true, .left_sec = -1};

int round_begin(struct round *r)
{
    int rc = mdb_txn_begin(r->rt.tables->env, NULL, 0, &r->rt.txn);
    if (rc != 0)
        return rc;
    r->rt.unconfirmed = r->rt.tables->state.unconfirmed;
    r->rt.sequence = r->rt.tables->state.sequence;
    r->records = tables_count_records(r->rt.tables, r->rt.txn);
    r->used_bytes = tables_used_bytes(r->rt.tables, r->rt.txn);
    return 0;
}

/* ---- one request ---- */

static size_t percent_of(size_t whole, unsigned percent)
{
    return whole / 100 * percent;
}

static size_t fill_limit(const struct round *r, unsigned percent, size_t reserve)
{
    size_t map = r->rt.tables->map_bytes, part = percent_of(map, percent);
    return map < reserve || part < map - reserve ? part : map - reserve;
}

static bool is_full(struct round *r)
{
    if (r->made >= RECOUNT) {
        r->used_bytes = tables_used_bytes(r->rt.tables, r->rt.txn);
        r->made = 0;
    }
    int64_t records = (int64_t)r->records + r->rt.added;
    return (r->config->max_records > 0 && records >= r->config->max_records) ||
           r->used_bytes > fill_limit(r, FULL_PERCENT, FULL_RESERVE_BYTES);
}

/* Room for new records: where there is none an unconfirmed tuple must go, else the request is refused. */
static int make_room(struct round *r, unsigned records, bool *refused)
{
    *refused = false;
    for (; records > 0 && !*refused; records--) {
        r->made++;
        if (!is_full(r))
            continue;
        unsigned done;
        int rc = records_evict(&r->rt, 1, &done);
        if (rc != 0)
            return rc;
        *refused = done == 0;
        r->durable = true;
    }
    return 0;
}

static int write_slots(struct round *r, const struct grey_set *set, const struct records_old old[GREY_SLOTS])
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < GREY_SLOTS; i++) {
        const struct grey_slot *s = &set->slots[i];
        if (s->drop)
            rc = records_remove(&r->rt, &s->key, &old[i]);
        else if (s->dirty)
            rc = records_put(&r->rt, &s->key, &old[i], &s->record);
    }
    return rc;
}

static int load(struct round *r, const struct grey_request *req, struct grey_set *set, struct records_old old[GREY_SLOTS])
{
    grey_set_init(set, &r->rt.tables->secret, req);
    set->keep_expired = r->keep_expired;
    int rc = records_load(r->rt.tables, r->rt.txn, req, set, old, &r->rt.corrupt);
    return rc ? rc : records_check_crowd(r->rt.tables, r->rt.txn, req, set, old, r->config->crowd_max, &r->rt.corrupt);
}

static unsigned count_new(const struct grey_set *set, const struct records_old old[GREY_SLOTS])
{
    unsigned n = 0;
    for (int i = 0; i < GREY_SLOTS; i++)
        n += set->slots[i].dirty && !old[i].present;
    return n;
}

int round_run_op(struct round *r, struct op *op)
{
    struct grey_set set;
    struct records_old old[GREY_SLOTS];
    op->waits = false;
    if (op->req.kind == GREY_DECIDE && queue_clock_ms(r->config) - op->queued_ms > DEADLINE_MS) {
        op->answer = failed_answer;
        return 0;
    }
    int rc = load(r, &op->req, &set, old);
    if (rc != 0)
        return rc;
    grey_apply(&op->req, &set, &op->answer);
    bool refused;
    uint64_t evicted = r->rt.evicted;
    rc = make_room(r, count_new(&set, old), &refused);
    if (rc != 0)
        return rc;
    if (refused) {
        op->answer = failed_answer;
        r->refused++;
        return 0;
    }
    if (r->rt.evicted != evicted) { /* what went may be what the answer rests on */
        rc = load(r, &op->req, &set, old);
        if (rc != 0)
            return rc;
        grey_apply(&op->req, &set, &op->answer);
    }
    r->durable |= set.durable;
    op->waits = set.durable || (r->durable && op->answer.verdict == GREY_DEFER);
    return write_slots(r, &set, old);
}

/* ---- background work ---- */

static bool records_fill(const struct round *r, size_t *surplus)
{
    int64_t max = r->config->max_records, records = (int64_t)r->records + r->rt.added;
    int64_t over = max > 0 ? records - (int64_t)percent_of((size_t)max, EVICT_PERCENT) : 0;
    *surplus = over > 0 ? (size_t)over : 0;
    if (r->used_bytes > fill_limit(r, EVICT_PERCENT, EVICT_RESERVE_BYTES))
        *surplus = SLICE_RECORDS;
    return *surplus > 0;
}

/* What stands under a key; *is_there only if it can be read. Its texts die with the next change. */
static int read_record(struct round *r, const struct grey_key *key, struct records_old *old, struct grey_record *out,
                       bool *is_there)
{
    struct slice bytes;
    int rc = records_read(r->rt.tables, r->rt.txn, key, old, &bytes);
    *is_there = rc == 0 && old->present && grey_record_decode(bytes, out) == ERR_NONE;
    r->rt.corrupt += old->unreadable;
    return rc;
}

static int take_in(struct round *r, struct grey_record record, unsigned addr_bits, enum grey_taken *taken)
{
    struct grey_record there, client;
    struct records_old old, unused;
    struct grey_key key, client_key;
    bool is_there, has_client, refused;
    grey_record_key(&r->rt.tables->secret, &record, addr_bits, &key);
    grey_record_client_key(&record, &client_key);
    int rc = read_record(r, &client_key, &unused, &client, &has_client);
    if (rc == 0)
        rc = read_record(r, &key, &old, &there, &is_there);
    if (rc != 0)
        return rc;
    *taken = grey_take_in(&record, is_there ? &there : NULL, has_client ? &client : NULL);
    if (*taken == GREY_TAKEN_KNOWN)
        return 0;
    uint64_t evicted = r->rt.evicted;
    rc = make_room(r, !old.present, &refused);
    if (rc == 0 && refused)
        return MDB_MAP_FULL;
    if (rc == 0 && r->rt.evicted != evicted) /* it may be this one */
        rc = read_record(r, &key, &old, &there, &is_there);
    return rc ? rc : records_put(&r->rt, &key, &old, &record);
}

static int import_item(struct round *r, const struct store_item *item)
{
    struct grey_record lazy;
    enum grey_taken taken, of_client;
    int rc = take_in(r, item->record, item->addr_bits, &taken);
    if (rc != 0)
        return rc;
    r->job_added += taken == GREY_TAKEN_ADDED;
    r->job_changed += taken == GREY_TAKEN_CHANGED;
    return r->job->u.import.lazy && grey_record_lazy(&item->record, &lazy) ? take_in(r, lazy, item->addr_bits, &of_client)
                                                                           : 0;
}

static int remove_key(struct round *r, const struct store_removal *removal, const struct grey_key *key)
{
    struct records_old old, unused;
    struct grey_record there, client;
    struct grey_key client_key;
    bool is_there, has_client;
    int rc = read_record(r, key, &old, &there, &is_there);
    if (rc != 0 || !is_there)
        return rc;
    grey_record_client_key(&there, &client_key);
    rc = read_record(r, &client_key, &unused, &client, &has_client);
    if (rc == 0 && has_client)
        (void)grey_record_settle(&there, client.auto_since); /* as it was told */
    if (rc != 0 || (removal->wanted && !removal->wanted(removal->ctx, key, &there)))
        return rc;
    r->job_removed++;
    r->durable = true;
    return records_remove(&r->rt, key, &old);
}

static int run_job(struct round *r, unsigned max, int64_t until_us)
{
    const struct store_job *job = r->job;
    size_t count = !job ? 0 : job->kind == STORE_JOB_IMPORT ? job->u.import.count : job->u.removal.count;
    int rc = 0;
    for (unsigned n = 0; rc == 0 && n < max && r->job_at < count; n++) {
        rc = job->kind == STORE_JOB_IMPORT ? import_item(r, &job->u.import.items[r->job_at])
                                           : remove_key(r, &job->u.removal, &job->u.removal.keys[r->job_at]);
        r->job_at++;
        if (n % 16 == 15 && monotonic_us() > until_us)
            break;
    }
    return rc;
}

/* At most 50 records or 2 ms a transaction: the answers in it wait for no more than that. */
int round_run_slices(struct round *r, struct wall now)
{
    int64_t until_us = monotonic_us() + (r->bulk ? BULK_US : SLICE_US);
    size_t surplus;
    int rc = 0;
    for (unsigned n = 0; r->more_to_expire && rc == 0 && n < SLICE_RECORDS && monotonic_us() < until_us; n += 10)
        rc = records_expire(&r->rt, now, 10, &r->more_to_expire);
    if (rc == 0 && records_fill(r, &surplus)) {
        unsigned done = 0;
        for (unsigned n = 0; rc == 0 && n < SLICE_RECORDS && n < surplus && monotonic_us() < until_us; n += 10) {
            rc = records_evict(&r->rt, surplus - n < 10 ? (unsigned)(surplus - n) : 10, &done);
            if (done == 0)
                break;
        }
    }
    return rc ? rc : run_job(r, r->bulk ? BULK_RECORDS : SLICE_RECORDS, until_us);
}
