/*
 * io.h - the event loop: listeners, connections of MTAs and to children, spool files, one timer, signals, wakes from other
 * threads. Turns what happens into events for `step` and carries the effects out after it returns; knows nothing of the milter
 * protocol, of the store, of DNS or of the log, which it reaches through hooks.
 *
 * Everything but io_wake is called on the loop's thread (before io_run: the thread that will run it).
 */
#ifndef TARSIER_IO_IO_H
#define TARSIER_IO_IO_H

#include "base/buf.h"
#include "port/effect.h"

#include <sys/types.h>

struct io;

/* What a listener is for. A new kind is a value here and a row of io_hooks.kinds. */
enum io_kind { IO_MTA, IO_CONTROL, IO_KINDS };

/* Who hears of the connections of one kind of listener, and how many there may be. */
struct io_kind_hooks {
    enum owner_kind owner; /* what its connections are named as */
    /* OPEN, BYTES, EOF, DRAINED of a connection. NULL: io_hooks.step, as all other events. Never called while it runs. */
    void (*step)(void *ctx, const struct event *event, struct effects *out);
    /* A connection beyond `max`, instead of step: effects SEND, CLOSE, DRAIN, LOG. */
    void (*overload)(void *ctx, const struct event *event, struct effects *out);
    uint32_t max;          /* connections that step sees; of IO_MTA: io_limits.sessions_max */
    uint32_t overload_max; /* up to so many more are given to `overload`; 0: IO_OVERLOAD_MAX */
};

struct io_hooks {
    void *ctx;
    /* One event; EVENT_OPEN..EVENT_TURN. Never called while it runs. */
    void (*step)(void *ctx, const struct event *event, struct effects *out);
    struct io_kind_hooks kinds[IO_KINDS];
    bool (*wants_ticks)(void *ctx);
    /* Effects that are not ours. Borrowed for the call. An answer that is there at once is given to io_feed. */
    void (*store)(void *ctx, const struct effect *e);
    void (*look)(void *ctx, const struct effect *e); /* collects */
    void (*look_flush)(void *ctx);                   /* after a step that looked */
    void (*log)(void *ctx, enum log_level level, struct slice line,
                const struct journal_entry *about); /* NULL: of no decision */
    void (*journal)(void *ctx, const struct effect *e);
    /* DNS: a question; a descriptor of io_watch_fd; and time: its answer is how many ms to the next call, -1 none is needed. */
    void (*dns)(void *ctx, const struct effect *e);
    void (*fd_ready)(void *ctx, int fd, bool readable, bool writable);
    int64_t (*dns_tick)(void *ctx); /* soon after each of the two above and after io_dns_soon; never within a step */
    void (*woken)(void *ctx);       /* after io_wake, once for several */
    void (*signalled)(void *ctx, int signo);
    void (*beat)(void *ctx); /* as io_beat wants it */
};

/*
 * What may be open at a time, so that accept never meets EMFILE: all of it and IO_FILES_RESERVED (which has IO_OVERLOAD_MAX in
 * it) fit into the limit of open files.
 */
struct io_limits {
    /*
     * MTAs' connections that step sees; up to IO_OVERLOAD_MAX more are given to `overload`. Beyond them one more is taken as soon as one
     * of those has gone, or has said nothing for overload_quiet_ms: it is told EOF then.
     */
    uint32_t sessions_max;
    int64_t overload_quiet_ms; /* 0: 1,000 */
    int64_t socket_look_ms;    /* from one look whether the listening sockets' files are there to the next; 0: 2,000 */
    /* Connections to children and spool files, together. One more is refused: CHILD_LOST, a SPOOL's error, with EMFILE. */
    uint32_t files_max;
    uint64_t queues_max_bytes;   /* sent and not yet with the kernel, of all connections; 0: IO_QUEUES_MAX_BYTES */
    const char *spool_directory; /* borrowed; must be there when a spool file is made. NULL: ENOENT */
};

enum {
    IO_OVERLOAD_MAX = 32,
    IO_FILES_RESERVED = 96, /* with the connections of the other kinds of listeners */
    /*
     * Sent and not yet with the kernel, of one connection: what is beyond breaks it (EVENT_EOF; CHILD_LOST with ENOBUFS). A
     * sender that drains does not exceed it when it sends no more than this from one DRAINED to the next.
     */
    IO_QUEUE_MAX_BYTES = SEND_QUEUE_MAX_BYTES,
    /* Of all connections: beyond it one that has more than IO_QUEUE_FREE_BYTES of its own is broken in the same way. */
    IO_QUEUES_MAX_BYTES = 64 * 1024 * 1024,
    IO_QUEUE_FREE_BYTES = 64 * 1024,
};

/* Errors: ERR_IO (the system gives no loop; errno tells). Owner: free with io_free. */
MUST_CHECK enum err io_new(struct io **out, const struct io_hooks *hooks, const struct io_limits *limits);
/*
 * Share the same number of descriptors in another way (a reload has other children). Where more sessions are open than sessions_max
 * is now, children get the fewer of theirs until it is so.
 */
void io_share(struct io *io, uint32_t sessions_max, uint32_t files_max);
/* Connections still open are dropped without a word; sockets that are ours are unlinked. NULL is harmless. */
void io_free(struct io *io);

/* Raise the soft limit of open files to the hard one, that to at least `want` where we may; returns what it is now. */
uint32_t io_raise_files(uint32_t want);

struct io_listen {
    enum io_kind kind;
    const char *address; /* "unix:/path", "inet:port[@host]", "inet6:port[@host]" */
    int mode;            /* unix: permission bits; -1: 0660 */
    int directory_mode;  /* unix: of a directory that is made; 0: 02750 */
    const char *group;   /* unix: name or number of the socket's and a new directory's group; NULL: as it comes */
    uid_t owner;         /* unix: owner of the socket and of a new directory; (uid_t)-1: as it comes */
};

/*
 * Make a listening socket, of a name one for each of its addresses; it accepts once the loop runs. A missing directory of a unix
 * socket is made. A socket file that nobody answers at is replaced, one that somebody answers at and anything that is no
 * socket is left alone. A file that is gone while the loop runs is made again; hooks.log tells. On an error some of a name's
 * addresses may be listened at all the same.
 * Errors: ERR_SYNTAX (address), ERR_BUSY, ERR_LIMIT (path longer than a socket address holds), ERR_NOT_FOUND (host, group),
 * ERR_IO. *why gets the reason in words.
 */
MUST_CHECK enum err io_listen(struct io *io, const struct io_listen *spec, struct buf *why);

/*
 * Before io_listen: a listening socket that somebody else has made and keeps (systemd). The io_listen for its address uses it, and
 * makes none; mode, group and owner are as they are. Its file is never removed; where somebody else does that, a socket of our own
 * is made in its place. Owner: fd stays the caller's.
 * Errors: ERR_UNSUPPORTED (no listening stream socket, or of another family), ERR_NOT_FOUND (its file does not lead to it), ERR_IO.
 */
MUST_CHECK enum err io_inherit(struct io *io, int fd, struct buf *why);
/* Accept at those that no io_listen has asked for, too: nobody else would. Their addresses as io_describe_listeners has them. */
MUST_CHECK enum err io_listen_inherited(struct io *io, struct buf *addresses, struct buf *why);

/* "unix:/path", "inet:127.0.0.1:1234", one after another with ", " between: those of this kind. */
void io_describe_listeners(const struct io *io, enum io_kind kind, struct buf *out);

/* Whether all of this kind can be connected to, as they were seen last: no unix socket's file is gone for good. */
bool io_listeners_are_there(const struct io *io, enum io_kind kind);

/* Who is at the other end of a unix connection, as the kernel knows it from the moment of connect(2). */
struct io_peer {
    uid_t uid;
    gid_t gid;
    pid_t pid;
    gid_t *groups; /* its others. Owner: io_peer_fini */
    size_t n_groups;
};
/* Errors: ERR_NOT_FOUND (no such connection), ERR_IO (it is none of a unix socket). */
MUST_CHECK enum err io_peer(struct io *io, owner_id connection, struct io_peer *out);
void io_peer_fini(struct io_peer *peer);

/* Catch this signal: hooks.signalled is called on the loop. */
MUST_CHECK enum err io_catch(struct io *io, int signo);

/* From now on, while the loop turns: hooks.beat every so many ms. 0: no more. */
void io_beat(struct io *io, int64_t every_ms);

/* Run until io_stop has done its work. */
void io_run(struct io *io);

/*
 * Give an event to step and carry out what follows; `now` is filled in. Called from a hook while a step's effects are being
 * carried out, the event waits its turn; it must not borrow anything then (BYTES, STORE, DNS, a child's bytes and what was read
 * from a spool do: for those, wake and come back).
 */
void io_feed(struct io *io, const struct event *event);

/* Any thread: hooks.woken will be called. */
void io_wake(struct io *io);

/* Poll a descriptor that somebody else owns: hooks.fd_ready is called. Both false: no more, before it is closed. */
void io_watch_fd(struct io *io, int fd, bool read, bool write);
/* hooks.dns_tick will be called, from the loop. */
void io_dns_soon(struct io *io);

/* Run work(ctx) on a worker thread, then done(ctx) on the loop. */
void io_work(struct io *io, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx);

/*
 * Stop: close the listeners and feed EVENT_CUT; when no MTA is connected any more, at the latest after drain_ms, feed EVENT_STOP;
 * end io_run when EFFECT_STOPPED has come and everything that was to be sent is sent, at the latest after another limit_ms.
 */
void io_stop(struct io *io, int64_t drain_ms, int64_t limit_ms);

struct instant io_now(void);

#endif
