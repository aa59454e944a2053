/*
 * transcript.h - what the MTA has said: what was agreed with it, its commands of the connection and the message with their
 * macros, recipients, headers and the body. In its own words and in order, so that it can be told again to a filter that
 * comes late. Knows neither session nor filter: who reads it, and how far, is the chain's. Made on demand, for only child milters
 * read it.
 *
 * Errors of what is kept: ERR_LIMIT, more than a scope may hold; ERR_FULL, the budget of all sessions is spent.
 */
#ifndef TARSIER_DIALOGUE_TRANSCRIPT_H
#define TARSIER_DIALOGUE_TRANSCRIPT_H

#include "base/stage.h"
#include "mail/mail.h"
#include "dialogue/scope.h"
#include "dialogue/spool.h"

/* The rest of one packet with its macros; NONE: has not come. */
struct transcript_command {
    struct slice body, macros;
};

struct transcript_recipient {
    struct slice macros;
    bool refused;  /* by a filter: it is no recipient of the message */
    bool rejected; /* by the MTA itself (RCPT_REJ): told, and nothing more */
};

struct transcript {
    struct shared *sh;
    owner_id owner;
    uint8_t goal;      /* enum stage: as far as the MTA has got */
    uint32_t helos;    /* how many have come */
    uint32_t messages; /* how many have begun */

    /* the negotiation */
    struct milter_options granted;           /* by the MTA, as we asked; its lists are in granted_lists */
    struct macro_lists *granted_lists;       /* counted; NULL before the negotiation */
    uint32_t offered_actions, offered_steps; /* by the MTA, before we chose */

    struct scope conn_scope, helo_scope, message_scope;
    struct transcript_command connect, helo, mail_from, data, eoh, eom;
    struct slice rcpt;                                    /* the recipient that is to be answered: its command's body */
    struct slice rcpt_macros, header_macros, body_macros; /* rcpt: of the one that follows */

    /* the message */
    struct mail *mail;                       /* NULL: there is none */
    struct transcript_recipient *recipients; /* by their number in mail */
    size_t n_recipients, cap_recipients;
    unsigned present;       /* number of the recipient whose RCPT is to be answered, plus one; 0: none */
    bool headers_over;      /* no more of them are kept: nobody sees the message any more */
    uint64_t headers_bytes; /* counted in the budget of all sessions */
    struct body body;
    uint64_t body_gone; /* bytes that went before what is kept in body: nobody needs them any more */
    uint64_t size_bytes;
    struct slice chunk; /* of the body, that has just come: borrowed, until transcript_chunk_over */
    struct buf peek;    /* the body's beginning, for conditions */
    struct mail_cursor header_cursor, recipient_cursor; /* where conditions have read last: they ask in order, mostly */
    size_t header_at, recipient_at;
    const uint8_t *standing; /* enum policy_standing, by filter, for conditions: the chain's; NULL: there is none */
    const bool *quarantined;
    unsigned spool_writes;
};

/* Owner: transcript_free (NULL is harmless). */
struct transcript *transcript_new(struct shared *sh, owner_id owner);
void transcript_free(struct transcript *t);
/* The ends of scopes. Of the connection: what was negotiated stays. */
void transcript_clear_message(struct transcript *t);
void transcript_clear_helo(struct transcript *t);
void transcript_clear_connection(struct transcript *t);

/* What was agreed; of the offer only actions and steps count. */
void transcript_record_options(struct transcript *t, const struct milter_options *offer,
                               const struct milter_options *granted);
MUST_CHECK enum err transcript_record_macros(struct transcript *t, uint8_t for_cmd, struct slice pairs);
MUST_CHECK enum err transcript_record_connect(struct transcript *t, struct slice body);
MUST_CHECK enum err transcript_record_helo(struct transcript *t, struct slice body);
void transcript_record_mail(struct transcript *t, struct slice body);
MUST_CHECK enum err transcript_keep_rcpt(struct transcript *t, struct slice body); /* until it is let through */
/* ERR_LIMIT: there are too many recipients; this one is none of the message's, and t->present is 0. */
MUST_CHECK enum err transcript_record_rcpt(struct transcript *t);
void transcript_record_data(struct transcript *t);
/* Headers begin, if they have not; true: just now. */
bool transcript_begin_headers(struct transcript *t);
MUST_CHECK enum err transcript_record_header(struct transcript *t, struct slice name, struct slice value);
void transcript_record_eoh(struct transcript *t);
/*
 * peeks: conditions read the body's beginning. ERR_FULL: there is no room for that: nobody can say who is to be asked.
 * The chunk is kept all the same.
 */
MUST_CHECK enum err transcript_record_body(struct transcript *t, struct slice chunk, bool peeks);
MUST_CHECK enum err transcript_record_eom(struct transcript *t, struct slice chunk, bool peeks);
/* What has just come is not there any more when the step ends. */
void transcript_chunk_over(struct transcript *t);
/* Nobody needs what has come of the body so far. */
void transcript_forget_body(struct transcript *t);

/* The MTA has refused the recipient that follows by itself, and tells only those who want to know. */
bool transcript_rcpt_is_rejected(const struct transcript *t);
/* Is it one that the message may go to? */
bool transcript_recipient_counts(const struct transcript *t, size_t number);
bool transcript_is_rejected(const struct transcript *t, unsigned number); /* a recipient; by the MTA itself */
bool transcript_has_recipient(const struct transcript *t);

#endif
