/*
 * tables.h - the LMDB environment: files, permissions, the lock of the one writer, tables, format version, secret. Knows no record.
 *
 * Functions that LMDB answers return its codes (0, MDB_*, errno) so that a log line can tell them; tables_err makes them ours.
 */
#ifndef TARSIER_STORE_TABLES_H
#define TARSIER_STORE_TABLES_H

#include "base/buf.h"
#include "grey/key.h"

#include <lmdb.h>

/* Plain tables: MDB_DUPSORT loses deletes in 0.9.24. */
enum table {
    TABLE_META,    /* "format", "secret", "state" */
    TABLE_RECORDS, /* grey_key: sequence number, 4 bytes big-endian, then the record */
    TABLE_EXPIRY,  /* expires, 8 bytes big-endian, the sequence number, the record's key: nothing */
    TABLE_COUNTS,  /* client or network, 16 bytes, then a letter: unconfirmed tuples, 4 bytes big-endian */
    TABLE_CROWDS,  /* level of the count, 1 byte, then the network: nothing; for eviction */
    TABLES
};

enum { TABLES_FORMAT = 1 };

/* Changes with every commit. */
struct tables_state {
    struct wall newest_commit;
    int64_t unconfirmed;
    uint32_t sequence; /* last one given to a record */
};

struct tables {
    MDB_env *env; /* NULL: not open */
    MDB_dbi dbi[TABLES];
    struct grey_secret secret;
    struct tables_state state; /* as committed */
    size_t map_bytes;
    unsigned page_bytes;
    int lock_fd; /* of the one writer; -1 for readers */
    bool is_new;
    bool read_only;
    bool examined; /* somebody has walked through all pages: a file that looks too short is a good one */
};

/*
 * Make the directory if need be, lock it, open the environment and its tables. Errors as store_open's, with a sentence in *why (for a log
 * line): what is wrong, and what to do. On error nothing stays open.
 */
MUST_CHECK enum err tables_open(struct tables *t, const char *directory, size_t map_bytes, bool read_only, struct buf *why);
void tables_close(struct tables *t);

/* The two halves of it, for a writer. After an error of the second the lock is kept. */
MUST_CHECK enum err tables_lock(struct tables *t, const char *directory, struct buf *why);
MUST_CHECK enum err tables_open_env(struct tables *t, const char *directory, size_t map_bytes, struct buf *why);
void tables_close_env(struct tables *t);

/*
 * Whether the files that are open are still those in the directory. What the system does not tell counts as yes.
 */
bool tables_are_there(const struct tables *t, const char *directory, const char **missing);

int tables_get(const struct tables *t, MDB_txn *txn, enum table table, const void *key, size_t len, MDB_val *out);
int tables_put(const struct tables *t, MDB_txn *txn, enum table table, const void *key, size_t key_len, const void *value,
               size_t len);
/* 0 also when there was nothing. */
int tables_delete(const struct tables *t, MDB_txn *txn, enum table table, const void *key, size_t len);

bool tables_state_decode(struct slice value, struct tables_state *out);
int tables_put_state(const struct tables *t, MDB_txn *txn, const struct tables_state *state);

/* Bytes of the map that hold something. Costs nothing: LMDB keeps the numbers. */
size_t tables_used_bytes(const struct tables *t, MDB_txn *txn);
uint64_t tables_count_records(const struct tables *t, MDB_txn *txn);

enum err tables_err(int rc);

#endif
