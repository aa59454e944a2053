/*
 * effect.h - what the engine wants done, queued during a step and carried out after it, in order: nothing re-enters.
 */
#ifndef TARSIER_PORT_EFFECT_H
#define TARSIER_PORT_EFFECT_H

#include "base/arena.h"
#include "port/event.h"

struct grey_request; /* grey/request.h */

enum effect_kind {
    EFFECT_SEND,    /* these bytes to the MTA: one write */
    EFFECT_CLOSE,   /* close the MTA's connection once everything is sent; its name is free for reuse then */
    EFFECT_STORE,   /* ask or change the store; EVENT_STORE answers, unless request is 0 */
    EFFECT_LOOK,    /* look at a client's TCP connection; EVENT_LOOK answers */
    EFFECT_LOG,     /* one line, without newline */
    EFFECT_STOPPED, /* after EVENT_STOP: no session is left */
    EFFECT_MAX_
};

/* As syslog(3) numbers them. */
enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_NOTICE = 5, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* One end-to-end name of a TCP connection. */
struct endpoints {
    struct ip local, remote; /* both of the same family */
    uint16_t local_port, remote_port;
};

struct effect {
    enum effect_kind kind;
    session_id session;
    uint32_t request; /* STORE, LOOK: comes back in the event; 0: nobody waits */
    union {
        struct slice bytes;               /* SEND, LOG: in the queue's arena */
        const struct grey_request *store; /* in the queue's arena, with all its text */
        struct {
            struct endpoints ends;
            uint64_t cookie; /* 0: none known yet */
            bool alone;      /* not in a datagram with others: the answer decides about a 421 */
        } look;
    } u;
    enum log_level level; /* LOG */
};

/* Owner: whoever runs the engine; cleared after the effects are carried out. */
struct effects {
    struct effect *items;
    size_t count, cap;
    struct arena arena; /* payloads; die with effects_clear */
};

void effects_init(struct effects *q);
void effects_fini(struct effects *q);
void effects_clear(struct effects *q);

/* Append a zeroed effect and return it, valid until the next append. */
struct effect *effects_add(struct effects *q, enum effect_kind kind, session_id session);
/* bytes are copied. */
void effects_send(struct effects *q, session_id session, struct slice bytes);
void effects_log(struct effects *q, session_id session, enum log_level level, const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
