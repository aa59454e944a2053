/*
 * dialogue.h - the MTA's side of one milter connection, as Postfix 3.7 plays it: negotiation, macros, one command and one reply
 * at a time, what each reply means for the rest. Bytes in, bytes out; no socket, no clock.
 */
#ifndef TARSIER_BENCH_DIALOGUE_H
#define TARSIER_BENCH_DIALOGUE_H

#include "milter/command.h"
#include "milter/reply.h"
#include "tuple.h"

enum dialogue_kind {
    DIALOGUE_ORDINARY,   /* a mail server's name */
    DIALOGUE_SUSPICIOUS, /* a name that S25R takes for an end user's line */
};

/* The same for all dialogues of a run. */
struct dialogue_settings {
    enum dialogue_kind kind;
    unsigned recipients;
    bool message; /* headers, body and end after an accepted recipient */
    unsigned headers;
    size_t body_bytes;
    struct slice host;       /* {daemon_name}, j */
    char daemon_address[16]; /* {daemon_addr} */
    uint16_t daemon_port;
    uint32_t clients; /* see tuple_client */
};

/*
 * What the filter asked for; parsed once for all sessions of the same answer. Most have the same one; a session beyond
 * `sessions max`, or one after a reload, is asked for something else.
 */
struct dialogue_terms {
    struct dialogue_terms *next;   /* an older answer */
    struct buf packet;             /* the body of the answer that this was made from */
    struct milter_options options; /* slices into packet */
};

/* Owner: dialogue_terms_free. NULL is an empty list. */
void dialogue_terms_free(struct dialogue_terms *newest);

/* Answers to one kind of command. */
enum dialogue_answer {
    ANSWER_CONTINUE,
    ANSWER_ACCEPT,
    ANSWER_451,
    ANSWER_421,
    ANSWER_OTHER,
    ANSWERS,
};

struct dialogue_counts {
    uint64_t replies, progress;
    uint64_t all[ANSWERS], rcpt[ANSWERS];
    uint64_t edits;    /* headers, addresses, bodies changed */
    uint64_t messages; /* carried to their end */
    uint8_t accept_at; /* the command that was last answered with "accept" */
};

struct dialogue {
    const struct dialogue_terms *terms; /* NULL: not negotiated yet */
    uint64_t tuple;
    uint32_t client;
    uint16_t client_port;
    uint8_t step;     /* index of the step whose reply is awaited */
    uint8_t queue_id; /* whether {i} exists yet */
    uint16_t round;   /* which recipient, header, chunk */
    uint16_t accepted;
};

enum dialogue_next {
    DIALOGUE_WAIT, /* bytes may have been put; a reply is awaited */
    DIALOGUE_END,  /* send what has been put and close */
    DIALOGUE_BAD,  /* not a milter's answer */
};

/* Begin: puts the offer. client_port names the client's end, with the settings' daemon address. */
void dialogue_begin(struct dialogue *d, const struct dialogue_settings *s, uint64_t tuple, uint16_t client_port,
                    struct buf *out);

/* One packet of the filter's; puts what Postfix sends next. *terms: all answers to an offer so far, newest first. */
MUST_CHECK enum dialogue_next dialogue_take(struct dialogue *d, const struct dialogue_settings *s,
                                            struct dialogue_terms **terms, struct dialogue_counts *counts,
                                            const struct wire_packet *p, struct buf *out);

/* Whether the reply awaited is RCPT's. */
bool dialogue_at_rcpt(const struct dialogue *d);

#endif
