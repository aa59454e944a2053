/*
 * effect.h - what the engine wants done, queued during a step and carried out after it, in order: nothing re-enters.
 */
#ifndef TARSIER_PORT_EFFECT_H
#define TARSIER_PORT_EFFECT_H

#include "base/arena.h"
#include "port/event.h"

struct grey_request;  /* grey/request.h */
struct journal_entry; /* port/journal.h */

enum effect_kind {
    /* These bytes to the MTA: one write. More than SEND_QUEUE_MAX_BYTES unsent break the connection: DRAIN in between. */
    EFFECT_SEND,
    EFFECT_CLOSE,   /* close the MTA's connection once everything is sent; its name is free for reuse then */
    EFFECT_STORE,   /* ask or change the store; EVENT_STORE answers, unless request is 0 */
    EFFECT_LOOK,    /* look at a client's TCP connection; EVENT_LOOK answers */
    EFFECT_LOG,     /* one line, without newline */
    EFFECT_JOURNAL, /* what was decided, for the journal and the statistics */
    EFFECT_STOPPED, /* after EVENT_STOP: no session is left */
    /* child milters; EVENT_CHILD tells what becomes of them */
    EFFECT_CHILD_OPEN,   /* connect; while its socket's queue is full, until it is closed; LOST, EMFILE: too many are open */
    EFFECT_CHILD_SEND,   /* these bytes to the child, once it is connected: one write; unsent ones as for SEND */
    EFFECT_CHILD_DRAIN,  /* tell (CHILD_DRAINED) when all that was sent is with the kernel; at once if it is */
    EFFECT_CHILD_PAUSE,  /* once it is connected: read no more from it (it may be lost all the same) ... */
    EFFECT_CHILD_RESUME, /* ... and again */
    EFFECT_CHILD_CLOSE,  /* close once everything is sent, soon in any case; its name is free for reuse then */
    EFFECT_DRAIN,        /* EVENT_DRAINED when all that was sent to the MTA is with the kernel; EVENT_EOF if it never will */
    EFFECT_DNS,          /* EVENT_DNS answers, never within the same step */
    /* a file of a session's for what memory should not hold; made by its first write, unnamed, gone with _CLOSE */
    EFFECT_SPOOL_WRITE, /* append; EVENT_SPOOL answers. After an error every later one has it too, reads do not */
    EFFECT_SPOOL_READ,  /* EVENT_SPOOL answers */
    EFFECT_SPOOL_CLOSE, /* also with reads and writes under way: they are answered to nobody */
    EFFECT_MAX_
};

/* As syslog(3) numbers them. */
enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_NOTICE = 5, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* One end-to-end name of a TCP connection. */
struct endpoints {
    struct ip local, remote; /* both of the same family */
    uint16_t local_port, remote_port;
};

enum dns_type { DNS_A, DNS_AAAA, DNS_PTR };

struct effect {
    enum effect_kind kind;
    owner_id owner;   /* who gets the answer, and whose connection it is about; LOG: whom the line is about */
    uint32_t request; /* STORE, LOOK, DNS, SPOOL, DRAIN: comes back in the event; 0: nobody waits */
    union {
        struct slice bytes;                  /* SEND, LOG: in the queue's arena */
        const struct grey_request *store;    /* in the queue's arena, with all its text */
        const struct journal_entry *journal; /* the same */
        struct {
            struct endpoints ends;
            uint64_t cookie; /* 0: none known yet */
            bool alone;      /* not in a datagram with others: the answer decides about a 421 */
        } look;
        struct {
            child_id id;
            struct slice bytes; /* SEND: in the queue's arena */
            const char *path;   /* OPEN: a unix socket, in the queue's arena; NULL: address and port */
            struct ip address;
            uint16_t port;
        } child;
        struct {
            enum dns_type type;
            struct slice name; /* A, AAAA: without the last dot; in the queue's arena */
            struct ip address; /* PTR */
        } dns;
        struct {
            uint64_t id;        /* the engine's name for the file, never 0 */
            struct slice bytes; /* WRITE: in the queue's arena */
            uint64_t offset;    /* READ */
            uint32_t length;    /* READ: at most SPOOL_READ_MAX_BYTES, and no more than was written */
        } spool;
    } u;
    enum log_level level;              /* LOG */
    const struct journal_entry *about; /* LOG: the decision that the line tells of, in the queue's arena; NULL: of none */
};

enum { SPOOL_READ_MAX_BYTES = 64 * 1024, SEND_QUEUE_MAX_BYTES = 1024 * 1024 };

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
struct effect *effects_add(struct effects *q, enum effect_kind kind, owner_id owner);
/* bytes are copied. */
void effects_send(struct effects *q, owner_id owner, struct slice bytes);
/* The entry and its text are copied; returns the copy. */
const struct journal_entry *effects_journal(struct effects *q, owner_id owner, const struct journal_entry *entry);
/* To a child; bytes are copied. */
void effects_child_send(struct effects *q, child_id child, struct slice bytes);
/* The line that was appended last tells of this decision, which effects_journal has returned; NULL: of none. */
void effects_about(struct effects *q, const struct journal_entry *entry);
/* The line as it is, copied. */
void effects_log_line(struct effects *q, owner_id owner, enum log_level level, struct slice line);
void effects_log(struct effects *q, owner_id owner, enum log_level level, const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
