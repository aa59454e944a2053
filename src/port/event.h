/*
 * event.h - what the outside tells the engine. Plain values: the engine sees no fd, no clock and no thread.
 * Each event is for an owner (port/owner.h), or for the engine itself.
 */
#ifndef TARSIER_PORT_EVENT_H
#define TARSIER_PORT_EVENT_H

#include "base/clock.h"
#include "base/ip.h"
#include "base/slice.h"
#include "port/owner.h"

/* A child milter's connection, named as an owner is (OWNER_CHILD): by a slot of the engine's table of them and its serial; never 0. */
typedef uint64_t child_id;

struct grey_answer; /* grey/request.h */
struct plan;        /* plan/plan.h */
struct allows;      /* policy/allow.h */

enum event_kind {
    EVENT_OPEN,    /* an MTA has connected; session is a new name */
    EVENT_BYTES,   /* it has sent these bytes; cut as they came */
    EVENT_EOF,     /* it closed its side or the connection broke; the connection is to be closed by us still */
    EVENT_STORE,   /* answer to EFFECT_STORE */
    EVENT_LOOK,    /* answer to EFFECT_LOOK */
    EVENT_TICK,    /* time has passed; at least every TIMER_TICK_MS while engine_wants_ticks() */
    EVENT_PLAN,    /* a new generation of the configuration; the engine takes over the reference */
    EVENT_ALLOWS,  /* a new list of those who are let in by hand; the engine takes over the reference */
    EVENT_CUT,     /* the end is near: holds end, and none begins any more; all others go on until STOP */
    EVENT_STOP,    /* answer whoever waits and end (SIGTERM) */
    EVENT_LIMITS,  /* what the MTA can hold, read from its own configuration at start and reload */
    EVENT_PROBE,   /* at the start and after a reload: ask the children that nobody knows what they want */
    EVENT_RELEASE, /* an administrator lets the owner's held client go on; dropped where it is not held */
    EVENT_DROP,    /* … or ends it: 421 */
    EVENT_PAUSE,   /* judge and log, but hold and defer nobody; who is held goes on */
    EVENT_TRACE,   /* log every step of some clients' dialogues, or stop that */
    EVENT_REPORT,  /* an administrator wants to know what is going on: lines in the log, nothing else */
    EVENT_CHILD,   /* news of a child's connection */
    EVENT_DNS,     /* answer to EFFECT_DNS */
    EVENT_SPOOL,   /* answer to EFFECT_SPOOL_WRITE or _READ */
    EVENT_DRAINED, /* answer to EFFECT_DRAIN: everything that was sent to the MTA is out */
    EVENT_TURN,    /* for the control server (ctl/server.h): one of its requests may go on. The engine does nothing */
    EVENT_MAX_
};

/* What a look at the client's TCP connection found (DESIGN 3, reference of the kernel's tcp_states.h). */
enum look_result {
    LOOK_ALIVE,   /* ESTABLISHED, SYN_RECV */
    LOOK_GONE,    /* CLOSE_WAIT, LAST_ACK, CLOSING, FIN_WAIT*, TIME_WAIT, CLOSE */
    LOOK_LISTEN,  /* the kernel fell back to the listening socket */
    LOOK_ABSENT,  /* ENOENT */
    LOOK_UNKNOWN, /* any other error, or no reply */
};

enum child_news {
    CHILD_CONNECTED,
    CHILD_BYTES,   /* cut as they came */
    CHILD_DRAINED, /* answer to EFFECT_CHILD_DRAIN */
    CHILD_LOST,    /* could not connect, closed its side, or broke; EFFECT_CHILD_CLOSE is owed still */
};

/* What became of a question to DNS. */
enum dns_status {
    DNS_FOUND,
    DNS_ABSENT, /* no such name, or none of this type */
    DNS_FAILED, /* no answer in time, a server's failure, too many questions: nothing is known */
};

struct event {
    enum event_kind kind;
    owner_id
        owner; /* OPEN, BYTES, EOF, STORE, LOOK, DNS, SPOOL, DRAINED, RELEASE, DROP; DNS: also the engine's own question, OWNER_NOBODY */
    struct instant now;
    uint32_t request; /* STORE, LOOK, DNS, SPOOL, DRAINED: the number in the effect */
    union {
        struct slice bytes;               /* BYTES: borrowed for the step */
        const struct grey_answer *answer; /* STORE: borrowed for the step */
        struct {
            enum look_result result;
            uint64_t cookie; /* of the socket that was found; 0 when none */
        } look;
        struct plan *plan;
        struct wall paused_until; /* PAUSE; a time that has passed, or 0: the pause is over */
        struct {
            struct ip network; /* masked; IP_NONE: all that are traced */
            uint8_t bits;
            int64_t sec; /* for how long; 0: not any more */
        } trace;
        struct allows *allows; /* indexed */
        struct {
            uint32_t mta_sessions; /* the MTA's process limit; 0 when it cannot be read */
            uint64_t memory_bytes; /* of all sessions together, but for bodies and headers; 0: as it is, at first 64 MiB */
        } limits;
        struct {
            child_id id;
            enum child_news news;
            int error;          /* LOST: errno's value; 0: it closed */
            struct slice bytes; /* BYTES: borrowed for the step */
        } child;
        struct {
            enum dns_status status;
            const struct ip *addresses; /* FOUND, of A and AAAA; borrowed for the step */
            size_t n_addresses;
            struct slice name; /* FOUND, of PTR: without the last dot; borrowed for the step */
        } dns;
        struct {
            bool ok;
            int error;          /* not ok: errno's value */
            struct slice bytes; /* READ: all that were asked for; borrowed for the step */
        } spool;
    } u;
};

#endif
