/*
 * store.h - the memory of tuples and clients, as its users see it. Who keeps it is the adapter behind it: a `struct store_kind`
 * opens a store, a table of operations works on it. session, grey, daemon and cli name no adapter; setup/stores.h chooses one by
 * what the `store` statement says.
 *
 * Requests go in, answers come out; no caller ever waits for a disk or a network, but for those of the synchronous part at the end,
 * which are for tools and for the start. An answer that rests on a change is given only after the change is safe where this kind of
 * store keeps it. What cannot be stored is answered with `failed`.
 */
#ifndef TARSIER_PORT_STORE_H
#define TARSIER_PORT_STORE_H

#include "grey/decide.h"
#include "port/effect.h"

struct store_config {
    const char *place;       /* what the `store` statement names: a directory, say */
    int64_t max_records;     /* store max; 0: as the place allows */
    int64_t commit_pause_ms; /* 0 to 20: what comes within that time of a commit shares the next one */
    size_t bytes_max;        /* of the place at most; 0: room for max_records, else what the kind thinks right */
    unsigned crowd_max;      /* unconfirmed tuples of one client before the rest share a record; 0: 1,000 */
    unsigned queue_max;      /* requests waiting before more are answered with failed; 0: 10,000 */
    int64_t close_ms;        /* how long store_close waits for the place; 0: 4,000 */
    bool bulk;               /* a tool: nobody else waits, imports may take much at once */
    bool always;             /* the daemon: there is a store whatever its place is like; see `open` */

    /* Called from the store's threads and from store_submit: answers are there to be taken. At most once a batch. */
    void (*wake)(void *ctx);
    /* Called from any thread; line without newline. NULL: nobody listens. */
    void (*log)(void *ctx, enum log_level level, const char *line);
    /* Tests bring their own clocks. NULL: the system's. */
    struct instant (*now)(void *ctx);
    /* Tests play a slow disk: called before each commit, on the thread that commits. NULL: it is as quick as it is. */
    void (*committing)(void *ctx);
    void *ctx;
};

struct store_stats {
    uint64_t records, unconfirmed;
    uint64_t bytes_max, bytes_used; /* 0: not known */
    uint64_t requests, refused;     /* refused: the queue was full */
    uint64_t commits, failures;     /* failures: changes that could not be committed */
    uint64_t batch_max;             /* most requests in one commit */
    uint64_t committed_requests;
    uint64_t commit_p50_us, commit_p99_us; /* of the last 1,024 */
    uint64_t expired, evicted, corrupt;
    bool expiry_suspended; /* the wall clock jumped */
    bool is_open;          /* else there is none to be had at present */
};

/* A record from elsewhere. Its key follows from it (grey/take.h). */
struct store_item {
    struct grey_record record;
    unsigned addr_bits; /* subnetmatch or subnetmatch6, whichever fits its address */
};

struct store_import {
    const struct store_item *items;
    size_t count;
    bool lazy;             /* lazyaw is set: AUTO tuples stand for their client */
    size_t added, changed; /* out; the rest was known already */
};

typedef void (*store_answer)(void *ctx, owner_id owner, uint32_t number, const struct grey_answer *answer);
/* Returns false to stop. */
typedef bool (*store_record)(void *ctx, const struct grey_key *key, const struct grey_record *record);

struct store;

/* What an adapter does; the functions below tell what each means. */
struct store_ops {
    void (*close)(struct store *s);
    bool (*is_new)(const struct store *s);
    void (*submit)(struct store *s, owner_id owner, uint32_t number, const struct grey_request *req);
    size_t (*take_answers)(struct store *s, store_answer answer, void *ctx);
    void (*get_stats)(struct store *s, struct store_stats *out);
    enum err (*import)(struct store *s, struct store_import *import);
    enum err (*each)(struct store *s, store_record each, void *ctx);
};

/* The head of what an adapter opens. */
struct store {
    const struct store_ops *ops;
};

struct store_kind {
    const char *scheme; /* what a place of this kind begins with: "/", "memory:" */
    bool is_directory;  /* the place is a directory of this machine; whoever opens the store owns it */
    bool is_kept;       /* there is something at the place when nobody has it open: tools can work on it */

    /*
     * Once a process, by the daemon, before `open`: what the kind needs to know of how the process ends. NULL: nothing.
     */
    void (*guard)(void);

    /*
     * Open as the one who writes. Errors: ERR_BUSY somebody else is; ERR_UNSUPPORTED another version's format, or another program's;
     * ERR_CORRUPT damaged; ERR_IO the system refused (errno, and a log line, say what); ERR_FULL.
     *
     * With config->always only the lack of a thread is an error. A store that cannot be used is told in the log, all requests are
     * answered with failed, and it is tried again until it can.
     *
     * Owner: store_close. *out is NULL on error. The config's strings need not outlive the call.
     */
    enum err (*open)(const struct store_config *config, struct store **out);

    /*
     * Open for reading only, beside a running daemon or without one; only store_each and store_get_stats may be called. Errors: as
     * open; ERR_NOT_FOUND when there is none. Owner: store_close. NULL where the kind is not kept.
     */
    enum err (*open_reader)(const struct store_config *config, struct store **out);
};

/*
 * Finish what is queued (for at most 3 s), make it safe, stop, free. Answers not taken yet are lost. What the place keeps beyond close_ms
 * is left behind, and frees everything when it comes back: none of the config's functions is called any more. NULL is allowed.
 */
void store_close(struct store *s);

/* Whether this open created it. */
bool store_is_new(const struct store *s);

/*
 * Hand in a request; never blocks. The request and its texts are copied. A request with number 0 gets no answer. Changes are made in the
 * order they came. Between LOOK and the others there is no order but that an answer given is visible to every later LOOK.
 */
void store_submit(struct store *s, owner_id owner, uint32_t number, const struct grey_request *req);

/* Run the callback for every answer that is there, on the caller's thread. Returns their number. */
size_t store_take_answers(struct store *s, store_answer answer, void *ctx);

void store_get_stats(struct store *s, struct store_stats *out);

/* ---- synchronous, for tools and for the start ---- */

/*
 * Take records in; what is there is kept where it is better (grey_record_merge). Waits until all are committed. Errors: ERR_FULL, ERR_IO;
 * what was counted is in all the same.
 */
MUST_CHECK enum err store_import(struct store *s, struct store_import *import);

/*
 * Every record, in the order of the keys; what changes meanwhile is seen or not. Nothing is locked while the callback runs, and nothing
 * for longer than 50 ms. Unreadable records are passed over. Errors: ERR_IO, ERR_CORRUPT.
 */
MUST_CHECK enum err store_each(struct store *s, store_record each, void *ctx);

#endif
