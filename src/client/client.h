/*
 * client.h - one client's TCP connection, as far as a hold is concerned: is it there, does it wait, for how long has it waited, and
 * how did its wait end (DESIGN 3)?
 *
 * Knows no milter, no session and no store. Whoever deals with the client is its *owner* and has a struct client as a part of
 * itself. The owner says what is to be done (look once, look every second, hold) and passes on what comes: answers to looks, and
 * time. Behind each of these calls, and whenever it has been woken, it reads `state` and acts on it. A client never calls its owner.
 *
 *   PRESENT ──hold──► HELD ──► SERVED, GONE, UNWATCHABLE, RELEASED, DROPPED ──rest──► PRESENT
 *   PRESENT ──look──► GONE, or PRESENT still
 */
#ifndef TARSIER_CLIENT_CLIENT_H
#define TARSIER_CLIENT_CLIENT_H

#include "base/timer.h"
#include "hold/hold.h"
#include "port/effect.h"

enum client_state {
    CLIENT_PRESENT,     /* it is not held, and nobody has seen that it is gone */
    CLIENT_HELD,        /* it waits; or its time is over, and the last look is on its way */
    CLIENT_SERVED,      /* it has stayed to the end; with `with_sibling`, to the end of another connection's hold */
    CLIENT_GONE,        /* it has hung up; two looks say so, or the one at the end of the hold */
    CLIENT_UNWATCHABLE, /* nobody can see any more whether it stays, so it is not held any more */
    CLIENT_RELEASED,    /* an administrator has let it go on */
    CLIENT_DROPPED,     /* an administrator has ended it */
};

/* What is being done about it. */
enum client_task {
    CLIENT_RESTS,
    CLIENT_FIRST_LOOK, /* one look; a second one when that says gone */
    CLIENT_WATCHED,    /* looked at every second */
    CLIENT_WAITS,      /* the hold; looked at every second */
    CLIENT_LAST_LOOK,  /* its time is over */
};

/* Whether its connection can be looked at from here. */
enum client_watch { CLIENT_WATCH_UNTRIED, CLIENT_WATCH_POSSIBLE, CLIENT_WATCH_IMPOSSIBLE };

/* Part of its owner. Read by it; changed by the functions below, except for `ends` and the timer. */
struct client {
    owner_id owner;
    struct endpoints ends;    /* the owner's to fill in; all zero: not known */
    uint8_t state;            /* enum client_state */
    uint8_t task;             /* enum client_task */
    uint8_t watch;            /* enum client_watch */
    uint8_t wish;             /* RELEASED or DROPPED, which its owner is to hear of; else 0 */
    uint8_t unknown_looks;    /* in a row */
    bool is_confirming : 1;   /* a look said gone; one alone is on its way */
    bool with_sibling : 1;    /* another connection of the client has served its hold */
    bool holds_unwatched : 1; /* it waits even where it cannot be watched */
    bool is_awake : 1;        /* it is on clients.awake */
    uint16_t look_request;    /* the look on its way; 0: none */
    uint16_t last_request;
    uint32_t waited_ms;  /* in all holds of this connection, but those that it has left; at most CLIENT_WAIT_MAX_MS */
    uint32_t longest_ms; /* … and in one of them */
    uint64_t cookie;     /* of its socket, once that was seen alive; else 0 */
    struct mono next_look;
    struct hold hold;
    struct client *next_awake;
    struct timer timer; /* the owner's, on clients.wheel: one for all its clocks, client_next_ms() among them */
};

#define CLIENT_WAIT_MAX_MS UINT32_MAX /* 49 days */

/* Tens of thousands are held at once (docs/performance.md). */
_Static_assert(sizeof(struct client) <= 192, "a client has become too large");

/* One that is held, told: for an administrator. Texts are its owner's, until the next step; NONE: not known, or not yet. */
struct held_client {
    owner_id owner;
    struct endpoints ends;
    int64_t waited_ms, left_ms;
    struct slice connection; /* its name in the log */
    struct slice name, helo, sender, recipient;
    struct slice why;  /* it is a suspect, in words */
    struct slice line; /* of the configuration that holds it: id or number */
    char room[96];     /* for texts that are made here */
};

/* What all clients of one engine share. */
struct clients {
    struct hold_table *holds;
    struct client *awake, **last_awake; /* a queue of those whose owners get a run in this step */
    struct timer_wheel wheel;
    /* of the present step */
    struct instant now;
    struct effects *out;
};

/* key: a secret of the process. Owner: clients_fini, when nobody is held. */
void clients_init(struct clients *all, struct siphash_key key, struct instant now);
void clients_fini(struct clients *all);
/* Take one off the list of those awake; NULL: there is none. */
struct client *clients_next_awake(struct clients *all);
/* Everybody who is held is released, as client_release() does. */
void clients_release_all(struct clients *all);

void client_init(struct client *c, owner_id owner);
/* It is no more: not held, not awake, and its timer is stopped. */
void client_fini(struct clients *all, struct client *c);
/* Another client has come over the same connection of the MTA's: nothing of the old one stays but the owner. It must not be held. */
void client_forget(struct client *c);

/* ---- is it there? ---- */

/* Look once. False: it cannot be looked at, for its connection is not known; else, after a while, the task is RESTS again. */
MUST_CHECK bool client_look(struct clients *all, struct client *c);
/* Look every second from now on; nothing happens where that is impossible. */
void client_watch(struct clients *all, struct client *c);
/* Whatever the looks said: it counts as one that cannot be looked at. It must not be held. */
void client_mark_unwatchable(struct client *c);
bool client_is_watchable(const struct client *c); /* it has been seen, and can be again */
/* No more looks; state is PRESENT again. It must not be held. */
void client_rest(struct client *c);

/* ---- the hold ---- */

/* It must not be held. duration_ms > 0. holds_unwatched: it goes on where the client cannot be watched. */
void client_hold(struct clients *all, struct client *c, int64_t duration_ms, bool holds_unwatched);
bool client_is_held(const struct client *c);
/*
 * The hold ends now, for a reason that the owner has: GONE (the MTA says that it is), or UNWATCHABLE, RELEASED, DROPPED. Harmless
 * where it is not held. The others are the client's own to find.
 */
void client_end_hold(struct clients *all, struct client *c, enum client_state how);
/* An administrator's wish: its owner is woken, and finds RELEASED or DROPPED. Harmless where it is not held. */
void client_release(struct clients *all, struct client *c);
void client_drop(struct clients *all, struct client *c);
/* In the present hold, or, in the step in which that has ended, in the last one. */
int64_t client_waited_ms(const struct clients *all, const struct client *c);
int64_t client_left_ms(const struct clients *all, const struct client *c); /* of the present hold; 0: its time is over */
/* What the client itself knows; the texts are NONE. It must be held. */
void client_describe(const struct clients *all, const struct client *c, struct held_client *out);

/* ---- what comes ---- */

/* The answer to a look. False: it was not asked for, or not any more. */
MUST_CHECK bool client_looked(struct clients *all, struct client *c, uint32_t request, enum look_result result,
                              uint64_t cookie);
/* The owner's run: time may have passed, or it has been woken. */
void client_run(struct clients *all, struct client *c);
/*
 * State and task in one number: what an owner acts on. The same before and behind one of these calls, as with nearly every look at one
 * that waits: there is nothing for the owner to do but to arm its timer.
 */
static inline unsigned client_standing(const struct client *c)
{
    return (unsigned)c->state << 8 | c->task;
}
/* When client_run() is due for time's sake; 0: it is not. */
int64_t client_next_ms(const struct client *c);

#endif
