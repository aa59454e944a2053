/*
 * event.h - what the outside tells the engine. Plain values: the engine sees no fd, no clock and no thread.
 *
 * A session is named by its slot (low half: index in the table of connections) and its serial (high half: how often the slot
 * has been used). Answers carry the name and the number of the request they answer; when either is stale the engine drops them.
 */
#ifndef TARSIER_PORT_EVENT_H
#define TARSIER_PORT_EVENT_H

#include "base/clock.h"
#include "base/ip.h"

typedef uint64_t session_id;

static inline session_id session_id_make(uint32_t slot, uint32_t serial)
{
    return (uint64_t)serial << 32 | slot;
}
static inline uint32_t session_id_slot(session_id id)
{
    return (uint32_t)id;
}
static inline uint32_t session_id_serial(session_id id)
{
    return (uint32_t)(id >> 32);
}

struct grey_answer; /* grey/request.h */
struct plan;        /* plan/plan.h */

enum event_kind {
    EVENT_OPEN,   /* an MTA has connected; session is a new name */
    EVENT_BYTES,  /* it has sent these bytes; cut as they came */
    EVENT_EOF,    /* it closed its side or the connection broke; the connection is to be closed by us still */
    EVENT_STORE,  /* answer to EFFECT_STORE */
    EVENT_LOOK,   /* answer to EFFECT_LOOK */
    EVENT_TICK,   /* time has passed; at least every TIMER_TICK_MS while engine_wants_ticks() */
    EVENT_PLAN,   /* a new generation of the configuration; the engine takes over the reference */
    EVENT_STOP,   /* answer whoever waits and end (SIGTERM) */
    EVENT_LIMITS, /* what the MTA can hold, read from its own configuration at start and reload */
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

struct event {
    enum event_kind kind;
    session_id session; /* OPEN, BYTES, EOF, STORE, LOOK */
    struct instant now;
    uint32_t request; /* STORE, LOOK: the number in the effect */
    union {
        struct slice bytes;               /* BYTES: borrowed for the step */
        const struct grey_answer *answer; /* STORE: borrowed for the step */
        struct {
            enum look_result result;
            uint64_t cookie; /* of the socket that was found; 0 when none */
        } look;
        struct plan *plan;
        struct {
            uint32_t mta_sessions; /* the MTA's process limit; 0 when it cannot be read */
        } limits;
    } u;
};

#endif
