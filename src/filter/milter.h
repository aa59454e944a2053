/*
 * milter.h - one child milter as a filter, for the files of this folder. It has a place in what the MTA says: the next thing that
 * it is to be told. It is led on as fast as it answers, up to where the MTA has got. So a child that starts late, one that waits
 * behind an editor, and one that streams live differ only in where they stand.
 */
#ifndef TARSIER_FILTER_MILTER_H
#define TARSIER_FILTER_MILTER_H

#include "base/mem.h"
#include "child/link.h"
#include "filter/filter.h"
#include "filter/registry.h"

struct milter {
    struct filter f;
    struct filter_common *common;
    struct registry_record *record; /* what outlives the session: requirements, breaker */
    struct link *link;              /* NULL: no connection */
    child_id id;                    /* 0: no connection */
    uint32_t dns_request;           /* its host's name is being looked up */
    bool reading;                   /* a piece of a spooled body is on its way to us, for it */
    bool draining;                  /* much was sent that it does not answer: the rest waits until that is out */
    uint32_t unanswered_bytes;
    struct mono drain_deadline; /* draining: it takes nothing in time, and has failed */
    struct mail_edits edits;    /* with its answer to the end of the message */
    struct link_limits limits;
    struct filter_place place;       /* as of the present call */
    uint8_t next;                    /* enum stage: what it is to be told next */
    bool in_transaction;             /* it is in a message: ABORT is due when that ends early */
    bool closed_between_messages;    /* it has closed its connection between messages: not before the next one again */
    bool skips_rcpt, skips_header;   /* it wants no more of these, in this message */
    bool skips;                      /* … of the body */
    bool paused;                     /* nothing is read from it */
    bool has_answered;               /* a command, in this connection */
    uint32_t probe;                  /* for the breaker: the number of this probe; 0: it is none */
    uint32_t helo_told;              /* number of the HELO it knows; 0: none */
    struct mail_cursor header, rcpt; /* what it has been told of them */
    unsigned rcpt_asked;             /* the number of the one whose answer is awaited */
    unsigned rcpt_good;              /* recipients that it takes */
    uint64_t body_told;
    struct body *new_body;
    unsigned spool_writes; /* of the new body, under way */
    struct mono since;     /* it was asked, in this message */
    struct mono started;   /* to be reached: its host's name looked up, connected to, negotiated with */
};

static inline struct milter *milter_of(struct filter *f)
{
    return CONTAINER_OF(f, struct milter, f);
}
static inline const struct milter *milter_of_const(const struct filter *f)
{
    return CONTAINER_OF(f, const struct milter, f);
}

extern const struct filter_kind milter_kind;

/* ---- milter_tell.c ---- */

/* Tell it all that it is to be told now; it has a link. */
void milter_tell(struct milter *c);
void milter_tell_piece(struct milter *c, struct slice piece); /* of a spooled body */
void milter_rewind(struct filter *f);
void milter_unknown(struct filter *f, struct slice line);
void milter_abort(struct filter *f);

#endif
