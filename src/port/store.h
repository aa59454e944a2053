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

#include "base/buf.h"
#include "grey/decide.h"
#include "port/effect.h"

struct store_config {
    const char *place;       /* what the `store` statement names: a directory, say */
    int64_t max_records;     /* store max; 0: as the place allows */
    int64_t commit_pause_ms; /* 0 to 20: what comes within that time of a commit shares the next one */
    size_t bytes_max;        /* of the place at most; 0: room for max_records, else what the kind thinks right */
    unsigned crowd_max;      /* unconfirmed tuples of one client before the rest share a record; 0: 1,000 */
    unsigned queue_max;      /* requests waiting before more are answered with failed; 0: 10,000 */
    int64_t open_ms;         /* `always`: how long store_open waits for the place; 0: 2,000 */
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

/* How the last change of the records went. */
enum store_disk { STORE_DISK_OK, STORE_DISK_FULL, STORE_DISK_FAILS };

struct store_stats {
    uint64_t records, unconfirmed;
    uint64_t bytes_max, bytes_used; /* 0: not known */
    uint64_t requests, refused;     /* refused: the queue was full */
    uint64_t commits, failures;     /* failures: changes that could not be committed */
    uint64_t batch_max;             /* most requests in one commit */
    uint64_t committed_requests;
    uint64_t commit_us_sum;                /* of all commits */
    uint64_t commit_p50_us, commit_p99_us; /* of the last 1,024 */
    uint64_t expired, evicted, corrupt;
    enum store_disk disk;
    bool expiry_suspended; /* the wall clock jumped */
    bool is_open;          /* else there is none to be had at present */
};

/* A record from elsewhere. Its key follows from it (grey/take.h). */
struct store_item {
    struct grey_record record;
    unsigned addr_bits; /* subnetmatch or subnetmatch6, whichever fits its address */
};

typedef void (*store_answer)(void *ctx, owner_id owner, uint32_t number, const struct grey_answer *answer);
/* What it returns is said where it is used. */
typedef bool (*store_record)(void *ctx, const struct grey_key *key, const struct grey_record *record);

struct store_import {
    const struct store_item *items;
    size_t count;
    bool lazy;             /* lazyaw is set: AUTO tuples stand for their client */
    size_t added, changed; /* out; the rest was known already */
};

/*
 * Some records, in the order of the keys: from `from` (or from the one behind it) to `to`. A slice ends after STORE_SLICE_RECORDS or a
 * few milliseconds, whatever comes first; then `from` and `behind` say where the next one begins. What is served and confirmed is
 * told as AUTO. What cannot be read is passed over. What changes between two slices is seen or not.
 */
struct store_slice {
    struct grey_key from, to;
    bool behind;
    store_record
        wanted; /* which ones; NULL: all. Called on any thread: it works on ctx alone, and nobody else does meanwhile */
    void *ctx;
    /*
     * Not NULL: instead of a range and wanted, what this request would be answered on (grey_set_init), in one slice, and as the records
     * stand, not settled. Its texts are borrowed until the job is done.
     */
    const struct grey_request *of;
    size_t seen;      /* out: looked at, wanted or not */
    size_t count;     /* out: found */
    struct buf found; /* out: see store_slice_next. Emptied first. Owner: the caller */
    bool ended;       /* out: there are no more */
};

enum { STORE_SLICE_RECORDS = 500 };

struct store_removal {
    const struct grey_key *keys;
    size_t count;
    store_record wanted; /* asked again in the change: what is not wanted any more stays. As above */
    void *ctx;
    size_t removed; /* out */
};

enum store_job_kind { STORE_JOB_READ, STORE_JOB_IMPORT, STORE_JOB_REMOVE };

/*
 * Work for a store beside its requests, in portions that are small enough that no request waits for it: at most 1,000 items or keys.
 * Owner: the caller, who leaves it alone until it is done.
 */
struct store_job {
    enum store_job_kind kind;
    union {
        struct store_slice read;
        struct store_import import;
        struct store_removal removal;
    } u;
    enum err err; /* out: ERR_NONE; ERR_FULL, ERR_IO, ERR_CORRUPT: what was counted is done all the same */
    /* Called by store_take_answers; by store_close for what was not done, with ERR_IO. */
    void (*done)(struct store_job *job);
    void *owner; /* whatever `done` wants */

    struct store_job *next; /* the store's own */
    bool finished;
};

struct store_job_list {
    struct store_job *head, *tail;
};

struct store;

/* What an adapter does; the functions below tell what each means. */
struct store_ops {
    void (*close)(struct store *s);
    bool (*is_new)(const struct store *s);
    void (*submit)(struct store *s, owner_id owner, uint32_t number, const struct grey_request *req);
    size_t (*take_answers)(struct store *s, store_answer answer, void *ctx);
    void (*get_stats)(struct store *s, struct store_stats *out);
    void (*start)(struct store *s, struct store_job *job);
    void (*run)(struct store *s, struct store_job *job);
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
     * Open for reading only, beside a running daemon or without one; only STORE_JOB_READ may be run, and
     * store_get_stats called. Errors: as
     * open; ERR_NOT_FOUND when there is none. Owner: store_close. NULL where the kind is not kept.
     */
    enum err (*open_reader)(const struct store_config *config, struct store **out);

    /*
     * Move what is at the place into a directory beside it, of the same file system. Nothing being there is fine. Errors: ERR_BUSY
     * somebody has it open; ERR_IO (errno tells). NULL: it cannot be moved.
     */
    enum err (*set_aside)(const char *place, const char *directory);
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

/* Run the callback for every answer that is there, and `done` of every job, on the caller's thread. Returns the answers' number. */
size_t store_take_answers(struct store *s, store_answer answer, void *ctx);

void store_get_stats(struct store *s, struct store_stats *out);

/* Hand in a job; never blocks. Jobs that change something are done in the order they came. */
void store_start(struct store *s, struct store_job *job);

/* Begin a slice at the first record of all. */
void store_slice_begin(struct store_slice *slice, store_record wanted, void *ctx);
/* The next record that was found; *at is 0 at first. False at the end. Texts lie in `found`. */
bool store_slice_next(const struct store_slice *slice, size_t *at, struct grey_key *key, struct grey_record *record);
/* For adapters: put a record behind those that were found. */
void store_slice_put(struct store_slice *slice, const struct grey_key *key, const struct grey_record *record);
/* For adapters: put all that a set holds, which was loaded for slice->of; the slice has ended. */
void store_slice_put_set(struct store_slice *slice, const struct grey_set *set);

void store_job_push(struct store_job_list *list, struct store_job *job);
struct store_job *store_job_pop(struct store_job_list *list);

/* ---- synchronous, for tools and for the start ---- */

/* Carry a job out, and wait for it. `done` is not called. Returns its err. */
MUST_CHECK enum err store_run(struct store *s, struct store_job *job);

/*
 * Take records in; what is there is kept where it is better (grey_record_merge). Waits until all are committed. Errors: ERR_FULL, ERR_IO;
 * what was counted is in all the same.
 */
MUST_CHECK enum err store_import(struct store *s, struct store_import *import);

/*
 * Every record, in slices; the callback returns false to stop. Nothing is locked while it runs. Errors: ERR_IO, ERR_CORRUPT.
 */
MUST_CHECK enum err store_each(struct store *s, store_record each, void *ctx);

#endif
