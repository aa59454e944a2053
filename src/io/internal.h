/* internal.h - what the files of io/ share: the loop's state, a connection's stream, an MTA, a child, a listener. */
#ifndef TARSIER_IO_INTERNAL_H
#define TARSIER_IO_INTERNAL_H

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "io/io.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <uv.h>

enum {
    IO_READ_BYTES = 64 * 1024,    /* the one read buffer */
    IO_EFFECTS_BYTES = 16 * 1024, /* a step's payloads without an allocation */
    IO_LINGER_MS = 10000,         /* a closing MTA may take this long to read what is left */
    IO_CHILD_LINGER_MS = 2000,    /* a child that is closed, too */
    IO_TICK_MS = 100,
    IO_OVERLOAD_QUIET_MS = 1000,
    IO_SOCKET_LOOK_MS = 2000,
    CONN_CHUNK = 64,
    CHILD_CHUNK = 64,
    SPOOL_BUCKETS = 256,
};

union io_handle {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_pipe_t pipe;
    uv_tcp_t tcp;
};

struct stream;

/* Whose connection a stream is: an MTA's or a child's. */
struct stream_kind {
    int64_t linger_ms;
    void (*broken)(struct io *io, struct stream *s, int error); /* nothing more can be sent; not told while it closes */
    void (*drained)(struct io *io, struct stream *s);           /* after stream_drain */
    void (*closed)(struct io *io, struct stream *s);            /* the memory is the owner's again; node is in no list */
};

/* A connection's way out; the way in is its owner's. */
struct stream {
    union io_handle uv;
    const struct stream_kind *kind;
    struct list node;       /* the owner's free list, or what lingers of its kind, or its own */
    int64_t linger_till_ms; /* closing; an open overload connection: when it may be pushed out */
    bool draining;          /* kind->drained is owed */
    bool closing;           /* what is queued is still sent */
    bool broken;            /* nothing more can be sent */
    uint32_t pending;       /* its place in the loop's batch, plus one; 0: it has none */
};

/* What is sent to one stream in one round of the loop. */
struct pending_write {
    struct stream *to; /* NULL: it is out */
    struct buf bytes;
};

/* One connection that was accepted, of an MTA mostly. Held ones are many: keep it small. */
struct conn {
    struct stream out;
    uint32_t slot, serial;
    uint32_t drain_request;
    uint8_t kind;  /* enum io_kind: its listener's */
    bool open;     /* has a name that effects may use */
    bool overload; /* the kind's `overload` serves it */
    bool eof;      /* EVENT_EOF has been given or waits its turn */
};

/* The connections of one kind of listener. */
struct conn_set {
    uint32_t max, overload_max;
    uint32_t open, overload;   /* now; a lingering one counts */
    struct list overload_open; /* the one that was heard longest ago first */
};

/* One child milter's connection. */
struct child {
    struct stream out;
    child_id id;           /* 0: it has no name any more */
    uv_connect_t connect;  /* TCP */
    struct sockaddr_un at; /* unix: where its queue was full, to try again */
    int error;             /* of a write: told when what it has said before is read */
    bool counted;          /* among io->files */
    bool reading;
    bool lost; /* CHILD_LOST has been given or waits its turn */
};

/* A listening socket that somebody else keeps, until io_listen or io_listen_inherited takes it. */
struct inherited {
    int fd; /* -1: taken */
    struct sockaddr_storage address;
};

struct listener {
    struct list node; /* in no list: it is being closed */
    struct io *io;
    enum io_kind kind;
    union io_handle uv;
    bool waiting;   /* a connection is accepted by libuv, and we have no room for it */
    bool inherited; /* its file is not ours to remove */
    char *text;     /* for people */
    char *path;     /* unix: with the file's identity as we made it; NULL: not unix */
    dev_t dev;
    ino_t ino;
    /* unix: how it is made, and made again */
    mode_t mode, directory_mode;
    uid_t owner;
    gid_t group;
    uv_fs_t look;         /* whether the file is there */
    bool lost;            /* it is not, and cannot be made again now */
    bool looking, closed; /* both must be over before its memory goes */
    int64_t told_ms;      /* when the log last said that it cannot be made again; 0: never */
};

struct io_signal {
    struct io_signal *next;
    uv_signal_t uv;
};

struct io {
    uv_loop_t loop;
    struct io_hooks hooks;
    struct io_limits limits;
    uint32_t descriptors; /* for sessions and files together */
    uv_timer_t tick, limit, dns, socket_look, beat;
    uv_async_t wake;
    struct io_signal *signals;
    struct list listeners;
    struct inherited *inherited;
    size_t n_inherited, cap_inherited;

    /* connections by slot, in chunks that never move */
    struct conn **chunks;
    size_t n_chunks, cap_chunks;
    struct list free, lingering;
    struct conn_set sets[IO_KINDS];
    uint32_t listeners_waiting; /* for room */
    uint64_t queued_bytes;      /* of all streams: handed to libuv, and not written yet */

    /* children by the slot of their name; the objects in chunks as above, for they outlive their names */
    struct child **child_slots;
    size_t n_child_slots, cap_child_slots;
    struct child **child_chunks;
    size_t n_child_chunks, cap_child_chunks;
    struct list child_free, child_lingering, child_waiting; /* waiting: for room in the queue of the child's socket */
    uint32_t children;                                      /* open now; a lingering one counts */

    struct list spools[SPOOL_BUCKETS]; /* by name */
    uint32_t files;                    /* of children and spools, open now */

    struct list watches; /* of io_watch_fd */

    /* what the present round of the loop sends */
    struct pending_write *batch;
    size_t batch_count, batch_cap, batch_used; /* used: so many have a buffer of their own already */
    uv_prepare_t send;

    /* the step that is being carried out */
    bool busy;
    struct effects effects;
    struct event *pending; /* events that wait their turn */
    size_t pending_at, pending_count, pending_cap;

    bool ticking, stopping, draining, stopped;
    int64_t stop_limit_ms;
    struct instant accept_told; /* last log line about accept */
    char effects_memory[IO_EFFECTS_BYTES];
    char read_buffer[IO_READ_BYTES];
};

/* stream.c */
void stream_read_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buf); /* uv_alloc_cb: the one read buffer */
/* In order; at the end of the present round of the loop, with what else is sent to it then. */
void stream_send(struct io *io, struct stream *s, const uv_buf_t *bufs, unsigned n);
void stream_send_all(struct io *io); /* the end of a round */
void stream_drain(struct io *io, struct stream *s);
void stream_close(struct stream *s, struct list *lingering); /* when everything is sent, or has lingered */
void stream_shut(struct stream *s);                          /* now */
void stream_linger_check(struct list *lingering, int64_t now_ms);
void stream_free_batch(struct io *io);

/* conn.c */
void conn_accept(struct listener *l);
void conn_send(struct io *io, owner_id session, const uv_buf_t *bufs, unsigned n);
void conn_drain(struct io *io, owner_id session, uint32_t request);
void conn_close(struct io *io, owner_id session);
/* NULL when it has gone. */
struct conn *conn_find(struct io *io, owner_id session);
void conn_free_all(struct io *io);
/* Push an overload connection out, if one may go. */
void conn_make_room(struct io *io);
/* Give it an event of its own. */
void conn_step(struct io *io, struct conn *c, const struct event *event);

/* child.c */
void child_open(struct io *io, const struct effect *e);
void child_send(struct io *io, child_id id, const uv_buf_t *bufs, unsigned n);
void child_drain(struct io *io, child_id id);
void child_pause(struct io *io, child_id id);
void child_resume(struct io *io, child_id id);
void child_close(struct io *io, child_id id);
struct child *child_find(struct io *io, child_id id);
void child_retry(struct io *io); /* those that wait for room in a socket's queue */
void child_free_all(struct io *io);

/* spool.c */
void spool_write(struct io *io, const struct effect *e);
void spool_read(struct io *io, const struct effect *e);
void spool_close(struct io *io, uint64_t id);
void spool_close_all(struct io *io);

/* poll.c */
void poll_end_all(struct io *io);

/* inherit.c */
int inherited_take(struct io *io, const struct sockaddr *at);        /* -1: there is none. Owner: the caller closes it */
const struct sockaddr_storage *inherited_first(const struct io *io); /* of those not taken; NULL: there is none */
void inherited_free(struct io *io);

/* listen.c */
void listener_look_fired(uv_timer_t *timer);
void listener_close_all(struct io *io);

/* loop.c */

/* Whether one more descriptor may be opened beside the sessions'. */
bool loop_has_file(const struct io *io);
void loop_check_stopped(struct io *io);
void loop_adjust_ticks(struct io *io);

#endif
