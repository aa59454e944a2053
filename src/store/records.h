/*
 * records.h - records in the tables, with what goes along: the index by expiry, the counts of unconfirmed tuples, the choice of what to
 * evict. Works inside a transaction of the caller's; reads no clock, has no thread.
 */
#ifndef TARSIER_STORE_RECORDS_H
#define TARSIER_STORE_RECORDS_H

#include "grey/decide.h"
#include "store/tables.h"

/*
 * In TABLE_RECORDS a number stands before the record's bytes: the entry in TABLE_EXPIRY bears it too, before the key. So the index grows
 * at its end, in the order records are made, and a batch touches a few of its pages instead of one for every record.
 */
enum { SEQUENCE_BYTES = 4, RECORDS_EXPIRY_SKIP = 8 + SEQUENCE_BYTES };

/* One write transaction and what it has done so far. */
struct records_txn {
    const struct tables *tables;
    MDB_txn *txn;
    int64_t unconfirmed; /* of the whole store, as it stands in this transaction */
    uint32_t sequence;   /* last number given; may wrap: it only has to tell apart what expires in one second */
    int64_t added;       /* records made less records removed */
    bool changed;        /* something is to be committed */
    uint64_t expired, evicted, corrupt;
};

/* What lies under a key now, as far as index and counts must know it. */
struct records_old {
    bool present;
    bool unreadable; /* there is something, but no record of ours */
    bool unconfirmed;
    uint32_t sequence;
    struct wall expires; /* grey_record_end() */
    struct ip addr;
};

/*
 * Look up every slot that is wanted, in any transaction, reading or writing. What cannot be read counts as absent and is counted in
 * *corrupt. Returns LMDB's code; a failure is the database's, never an input's.
 */
int records_load(const struct tables *t, MDB_txn *txn, const struct grey_request *req, struct grey_set *set,
                 struct records_old old[GREY_SLOTS], uint64_t *corrupt);
/* The same for one slot. */
int records_load_slot(const struct tables *t, MDB_txn *txn, const struct grey_request *req, struct grey_set *set,
                      enum grey_slot_name name, struct records_old *old, uint64_t *corrupt);

/*
 * A client with crowd_max unconfirmed tuples has its new ones share a record: where the request would make one, set crowded. The
 * shared slot is loaded in any case: it may stand for this tuple since a time when there were more. After records_load.
 */
int records_check_crowd(const struct tables *t, MDB_txn *txn, const struct grey_request *req, struct grey_set *set,
                        struct records_old old[GREY_SLOTS], uint32_t crowd_max, uint64_t *corrupt);

/* What lies under a key: *old, and bytes (valid until the next change). MDB_NOTFOUND is no error. */
int records_read(const struct tables *t, MDB_txn *txn, const struct grey_key *key, struct records_old *old,
                 struct slice *bytes);

/* The record's bytes in a value of TABLE_RECORDS, and its number; SLICE_NONE when the value is too short. */
struct slice records_strip(const MDB_val *value, uint32_t *sequence);

int records_put(struct records_txn *rt, const struct grey_key *key, const struct records_old *old,
                const struct grey_record *record);
int records_remove(struct records_txn *rt, const struct grey_key *key, const struct records_old *old);

/* Unconfirmed tuples of the client (ip_client) that addr is. */
int records_count_client(const struct tables *t, MDB_txn *txn, const struct ip *addr, uint32_t *count);

/* Remove up to max records whose life is over at now. *more: there are others. */
int records_expire(struct records_txn *rt, struct wall now, unsigned max, bool *more);

/*
 * Remove up to max unconfirmed tuples of the network with the most of them (within a factor of two; where no network has eight, those
 * that would expire first). *done: how many; fewer than max when there are no more within reach.
 */
int records_evict(struct records_txn *rt, unsigned max, unsigned *done);

#endif
