/* internal.h - what the files of io/ share: the loop's state, a connection, a listener. */
#ifndef TARSIER_IO_INTERNAL_H
#define TARSIER_IO_INTERNAL_H

#include "base/list.h"
#include "base/mem.h"
#include "io/io.h"

#include <uv.h>

enum {
    IO_READ_BYTES = 64 * 1024,        /* the one read buffer */
    IO_QUEUE_MAX_BYTES = 1024 * 1024, /* unsent bytes of a connection; above: it is broken */
    IO_EFFECTS_BYTES = 16 * 1024,     /* a step's payloads without an allocation */
    IO_LINGER_MS = 10000,             /* a closing connection may take this long to read what is left */
    IO_TICK_MS = 100,
    CONN_CHUNK = 64,
};

union io_handle {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_pipe_t pipe;
    uv_tcp_t tcp;
};

/* One MTA. Held connections are many: keep it small. */
struct conn {
    union io_handle uv;
    struct list node;       /* free list, or io's list of those that linger */
    int64_t linger_till_ms; /* closing */
    uint32_t slot, serial;
    bool open;    /* has a name that effects may use */
    bool surplus; /* hooks.surplus serves it */
    bool closing; /* EFFECT_CLOSE has come; what is queued is still sent */
    bool broken;  /* nothing more can be sent */
    bool eof;     /* EVENT_EOF has been given or waits its turn */
};

struct listener {
    struct list node;
    struct io *io;
    union io_handle uv;
    bool is_unix;
    bool waiting; /* a connection is accepted by libuv, and we have no room for it */
    char *text;   /* for people */
    char *path;   /* unix: with the file's identity as we made it; NULL: not unix */
    dev_t dev;
    ino_t ino;
};

struct io_signal {
    struct io_signal *next;
    uv_signal_t uv;
};

struct io {
    uv_loop_t loop;
    struct io_hooks hooks;
    uv_timer_t tick, limit;
    uv_async_t wake;
    struct io_signal *signals;
    struct list listeners;

    /* connections by slot, in chunks that never move */
    struct conn **chunks;
    size_t n_chunks, cap_chunks;
    struct list free, lingering;
    uint32_t sessions_max, sessions, surplus; /* open now; a lingering one counts */

    /* the step that is being carried out */
    bool busy;
    struct effects effects;
    struct event *pending; /* events that wait their turn */
    size_t pending_at, pending_count, pending_cap;

    bool ticking, stopping, stopped;
    struct instant accept_told; /* last log line about accept */
    char effects_memory[IO_EFFECTS_BYTES];
    char read_buffer[IO_READ_BYTES];
};

/* conn.c */
void conn_accept(struct listener *l);
void conn_send(struct io *io, session_id session, const uv_buf_t *bufs, unsigned n);
void conn_close(struct io *io, session_id session);
/* Which hook serves the session; NULL when it has gone. */
struct conn *conn_find(struct io *io, session_id session);
void conn_linger_check(struct io *io, int64_t now_ms);
void conn_free_all(struct io *io);

/* listen.c */
void listener_close_all(struct io *io);

/* loop.c */
void loop_check_stopped(struct io *io);

#endif
