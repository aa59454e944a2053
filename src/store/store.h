/*
 * store.h - the memory of tuples and clients on disk: LMDB, one writer thread, one reader thread. Requests go in, answers come out; no
 * caller ever waits for the disk (but those of the synchronous part at the end, which are for tools and for the start).
 *
 * An answer that rests on a change is given only after the change is committed. What cannot be stored is answered with `failed`.
 */
#ifndef TARSIER_STORE_STORE_H
#define TARSIER_STORE_STORE_H

#include "grey/decide.h"
#include "port/effect.h"

struct store;

struct store_config {
    const char *directory;   /* made with mode 700 if missing, parents too */
    int64_t max_records;     /* store max; 0: as the map allows */
    int64_t commit_pause_ms; /* 0 to 20: what comes within that time of a commit shares the next one */
    size_t map_bytes;        /* of the file at most, 4 MiB or more; 0: room for max_records, else 16 GiB, or what there is */
    unsigned crowd_max;      /* unconfirmed tuples of one client before the rest share a record; 0: 1,000 */
    unsigned queue_max;      /* requests waiting before more are answered with failed; 0: 10,000 */
    int64_t close_ms;        /* how long store_close waits for the disk; 0: 4,000 */
    bool bulk;               /* a tool: nobody else waits, imports may take large transactions */
    bool always;             /* the daemon: there is a store whatever its files are like; see store_open */

    /* Called from the store's threads and from store_submit: answers are there to be taken. At most once a batch. */
    void (*wake)(void *ctx);
    /* Called from any thread; line without newline. NULL: nobody listens. */
    void (*log)(void *ctx, enum log_level level, const char *line);
    /* Tests bring their own clocks. NULL: the system's. */
    struct instant (*now)(void *ctx);
    /* Tests play a slow disk: called before each commit, on the writer's thread. NULL: it is as quick as it is. */
    void (*committing)(void *ctx);
    void *ctx;
};

/*
 * Open as the one writer and start the threads. Errors: ERR_BUSY another process has it open for writing; ERR_UNSUPPORTED another
 * version's format, or another program's; ERR_CORRUPT damaged; ERR_IO the system refused (errno, and a log line, say what); ERR_FULL.
 *
 * With `always` only a thread that cannot be started is an error. A store that cannot be used is told in the log, all requests are
 * answered with failed, and it is tried again until it can; a damaged one is examined, and exchanged for one with all that is whole in it
 * (recover.h). The process should have called store_guard before.
 *
 * Owner: store_close. *out is NULL on error. The config's strings need not outlive the call.
 */
MUST_CHECK enum err store_open(const struct store_config *config, struct store **out);

/* Catch the signals by which a damaged store ends the process, so that the next start knows of it (guard.h). Once a process. */
void store_guard(void);

/*
 * Finish what is queued (for at most 3 s), sync, stop, free. Answers not taken yet are lost. A thread that the disk keeps beyond close_ms
 * is left behind, and frees everything when it comes back: none of the config's functions is called any more. NULL is allowed.
 */
void store_close(struct store *s);

/* Whether this open created it. */
bool store_is_new(const struct store *s);

/* For keys made outside a request (listings). Borrowed. */
const struct grey_secret *store_secret(const struct store *s);

/*
 * Hand in a request; never blocks. The request and its texts are copied. A request with number 0 gets no answer. LOOK is answered by
 * the reader, all others by the writer in the order they came; between the two there is no order but that an answer given is
 * visible to every later LOOK.
 */
void store_submit(struct store *s, owner_id owner, uint32_t number, const struct grey_request *req);

/* Run the callback for every answer that is there, on the caller's thread. Returns their number. */
size_t store_take_answers(struct store *s,
                          void (*answer)(void *ctx, owner_id owner, uint32_t number, const struct grey_answer *answer),
                          void *ctx);

struct store_stats {
    uint64_t records, unconfirmed;
    uint64_t map_bytes, used_bytes;
    uint64_t requests, refused; /* refused: the queue was full */
    uint64_t commits, failures; /* failures: transactions that could not be committed */
    uint64_t batch_max;         /* most requests in one commit */
    uint64_t committed_requests;
    uint64_t commit_p50_us, commit_p99_us; /* of the last 1,024 */
    uint64_t expired, evicted, corrupt;
    bool expiry_suspended; /* the wall clock jumped */
    bool is_open;          /* else there is none to be had at present */
};
void store_get_stats(struct store *s, struct store_stats *out);

/* ---- synchronous, for tools and for the start ---- */

struct store_item {
    struct grey_tuple tuple;
    struct grey_record record;
};

struct store_import {
    const struct store_item *items;
    size_t count;
    bool lazy;             /* lazyaw is set: AUTO tuples stand for their client */
    size_t added, changed; /* out; the rest was known already */
};

/*
 * Take records in; what is there is kept where it is better (grey_record_merge). Waits until all are committed. Errors: ERR_FULL, ERR_IO;
 * what was counted is in all the same.
 */
MUST_CHECK enum err store_import(struct store *s, struct store_import *import);

/*
 * Open for reading only, beside a running daemon or without one; no threads, only store_each and store_get_stats may be called. Errors: as
 * store_open; ERR_NOT_FOUND when there is none. Owner: store_close.
 */
MUST_CHECK enum err store_open_reader(const char *directory, struct store **out);

/*
 * Every record, in the order of the keys; what changes meanwhile is seen or not. No read transaction is open while the callback runs, and
 * none for longer than 50 ms. The callback returns false to stop. Unreadable records are passed over. Errors: ERR_IO, ERR_CORRUPT.
 */
MUST_CHECK enum err store_each(struct store *s,
                               bool (*each)(void *ctx, const struct grey_key *key, const struct grey_record *record),
                               void *ctx);

#endif
