/*
 * server.h - the control socket's connections and their requests. A state machine without I/O, as the engine is: events in, effects
 * out. Knows neither what a command does nor whose rights are which: the daemon brings both.
 *
 * How a command is added:
 *   1. a row in ctl/commands.c, and its number in ctl/commands.h. Parser, help, completion and the manual's list follow from it;
 *   2. a handler in the daemon's table (daemon/control.c), which makes rows;
 *   3. a file in cli/ that asks (cli/ctl.h) and shows the rows, and its line in cli/main.c. What runs without the daemon (CTL_LOCAL)
 *      has 1 and 3 only.
 *
 * How rows are made: `produce` is called, and appends about CTL_SLICE_BYTES of rows to request->out. It is not called again before
 * the kernel has taken them: whoever reads slowly stops the listing, not the daemon. Each call is a turn of the loop of its own, so
 * it may take a millisecond and no more. What has to be waited for (a slice of the store, a worker) is asked for with
 * request->owner kept, CTL_WAIT is returned, and ctl_server_wake has `produce` called again. No transaction stays open meanwhile.
 *
 *     static enum ctl_progress produce(struct ctl_request *r)
 *     {
 *         struct listing *l = r->state;
 *         if (!l)
 *             l = r->state = listing_begin(r->ctx, r->words, r->n_words);   // the first call
 *         while (r->out->len < CTL_SLICE_BYTES && listing_next(l))
 *             ctl_put_row(r->out, l->fields, N_FIELDS);
 *         return l->ended ? CTL_DONE : l->asked ? CTL_WAIT : CTL_MORE;
 *     }
 *
 * `end` frees the state. It is called once for each request whose `produce` was called, also when the client has hung up in the
 * middle. What is still under way then (a job of the store) must keep what it works on until it is done.
 */
#ifndef TARSIER_CTL_SERVER_H
#define TARSIER_CTL_SERVER_H

#include "ctl/commands.h"
#include "ctl/protocol.h"
#include "port/effect.h"

enum {
    CTL_CONNECTIONS_MAX = 16,
    CTL_IDLE_MS = 60 * 1000,         /* without a request, or without reading what was sent */
    CTL_SLICE_BYTES = 16 * 1024,     /* of rows, in one go */
    CTL_AHEAD_MAX_BYTES = 16 * 1024, /* of requests, before the one under way is answered */
};

/* Who asks. */
struct ctl_peer {
    uint32_t uid;
    int32_t pid;
    enum ctl_right right; /* the highest class of commands that it may use; CTL_LOCAL: none */
};

enum ctl_progress {
    CTL_DONE,
    CTL_MORE,    /* call again when these rows are out */
    CTL_WAIT,    /* call again after ctl_server_wake */
    CTL_REFUSED, /* request->why says in words why; rows before it count */
};

struct ctl_request {
    const struct ctl_command *command;
    const struct slice *words; /* behind the command's name */
    size_t n_words;
    struct ctl_peer peer;
    owner_id owner; /* the connection, for ctl_server_wake */
    struct instant now;
    struct buf *out; /* rows; empty at each call */
    struct buf why;
    void *state; /* the command's own; NULL at the first call */
    void *ctx;   /* of ctl_server_hooks */
};

/* What a command does. Neither function may call the server, but for ctl_server_wake. */
struct ctl_handler {
    enum ctl_progress (*produce)(struct ctl_request *r); /* NULL: this daemon does not know the command */
    void (*end)(struct ctl_request *r);                  /* NULL: there is nothing to free */
};

struct ctl_server_hooks {
    void *ctx;
    const struct ctl_handler *handlers; /* CTL_COMMANDS of them, by enum ctl_id; borrowed */
    void (*soon)(void *ctx);            /* give the server an EVENT_TURN, in a turn of the loop of its own */
};

struct ctl_server;

/* Owner: ctl_server_free, which ends all requests. NULL is harmless there. */
struct ctl_server *ctl_server_new(const struct ctl_server_hooks *hooks);
void ctl_server_free(struct ctl_server *s);

/* EVENT_OPEN of a connection. One that may ask nothing is told so and closed. */
void ctl_server_open(struct ctl_server *s, const struct event *open, const struct ctl_peer *peer, struct effects *out);
/* BYTES, EOF, DRAINED of a connection; TICK; TURN. */
void ctl_server_step(struct ctl_server *s, const struct event *event, struct effects *out);
bool ctl_server_wants_ticks(const struct ctl_server *s);

/* Whom CTL_WAIT was for may go on. A name that is stale is harmless. */
void ctl_server_wake(struct ctl_server *s, owner_id owner);
/* All that wait in this command. */
void ctl_server_wake_all(struct ctl_server *s, enum ctl_id id);

/* CTL_REFUSED, with the reason. */
enum ctl_progress ctl_refuse(struct ctl_request *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
