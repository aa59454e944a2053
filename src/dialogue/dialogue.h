/*
 * dialogue.h - what is known of one dialogue with an MTA: its client, what the MTA has said of the connection, the message and
 * the present recipient, under which plan it is. Filters read it. Nothing here acts or answers: that is the session's.
 */
#ifndef TARSIER_DIALOGUE_DIALOGUE_H
#define TARSIER_DIALOGUE_DIALOGUE_H

#include "dialogue/transcript.h"
#include "policy/policy.h"

struct facts;         /* facts.h */
struct journal_entry; /* port/journal.h */

/* Bits of dialogue.flags. */
enum {
    DIALOGUE_POSTFIX = 1u << 0,      /* {v} says so */
    DIALOGUE_IF_ADDR = 1u << 1,      /* {if_addr} came: a milter-manager is between us and the MTA */
    DIALOGUE_MTA_STRESS = 1u << 2,   /* {stress}=yes */
    DIALOGUE_LOCAL = 1u << 3,        /* family L */
    DIALOGUE_TEMP_AGAIN = 1u << 4,   /* shared_note_lookup's answer for this client */
    DIALOGUE_NAMED = 1u << 5,        /* a line of the log has called the connection by its own name */
    DIALOGUE_TRACED = 1u << 7,       /* trace.h */
    DIALOGUE_UNKNOWN_TOLD = 1u << 6, /* it was said of this message that a regex came to no end */
    DIALOGUE_UNCONFIRMED = 1u << 8,  /* a hold was served in this connection, and no DATA has come since */
};

/* Why the client's name is suspected, in a byte. */
enum suspicion {
    SUSPICION_NONE, /* it is not, or nobody asked */
    SUSPICION_S25R, /* and the rule, 0 to 6 */
    SUSPICION_NAMELESS = SUSPICION_S25R + 7,
    SUSPICION_POINTS, /* and generic_rdns's points, from 0 on */
};

/* A macro beyond those that have a field of their own. */
struct macro {
    struct macro *next;
    struct slice name, value;
};

struct dialogue {
    struct shared *sh;
    struct plan *plan;             /* a counted reference */
    struct client client;          /* with the session's name and its timer */
    uint16_t flags;                /* DIALOGUE_* */
    uint8_t resolve;               /* enum policy_resolve */
    uint8_t helo_proof;            /* enum policy_helo, up to HELO_SPENT: what others said of the present HELO */
    uint8_t owed;                  /* the MTA's command that waits for a reply; 0: none */
    uint8_t suspicion;             /* enum suspicion */
    uint16_t traced_wait;          /* a sum over what was traced last of what is waited for */
    uint32_t connection;           /* its number in the log, since the process began */
    uint32_t effort_spent;         /* by regexes, on this message (regex.h) */
    uint32_t last_request;         /* numbers of requests */
    uint32_t actions;              /* SMFIF_*: as negotiated */
    uint32_t served_autowhite_sec; /* DIALOGUE_UNCONFIRMED: for how long what was served is remembered; the longest */

    /* the connection */
    struct slice host, client_ptr, helo, mta_name, if_addr; /* mta_name: {j} */
    struct slice verify, cert_subject;                      /* with HELO: STARTTLS is followed by another one */
    struct macro *conn_macros, *helo_macros;

    /* the message */
    struct slice sender, queue_id, auth_type, auth_authen;
    struct macro *mail_macros;

    /* the recipient */
    struct slice recipient;
    struct macro *rcpt_macros;

    struct facts *facts;           /* what others were asked for; NULL: nothing that is still wanted */
    struct transcript *transcript; /* for filters that read it; NULL where there are no children */
    struct scope conn, helo_scope, mail, rcpt;
};

/* A number for a request whose answer is waited for; never 0. */
static inline uint32_t dialogue_next_request(struct dialogue *d)
{
    if (++d->last_request == 0)
        d->last_request = 1; /* 0 stands for "nobody waits" */
    return d->last_request;
}
/* Mail is to flow faster than usual: the MTA says so, or is near its limit of sessions. */
bool dialogue_is_stressed(const struct dialogue *d);

/* What policy is told of it at this stage; a filter adds what it knows itself. Valid until the next call. */
struct policy_facts dialogue_facts(struct dialogue *d, enum stage stage);
/* After policy has been asked: what regexes did is counted, and one that came to no end logged, once a message. */
void dialogue_note_effort(struct dialogue *d);
/* Whether PROGRESS may go out before the end of a message. */
bool dialogue_may_progress(const struct dialogue *d);

/* ---- text.c ---- */

/* The value of a macro that is kept; ctx is the dialogue. NONE: absent. */
struct slice dialogue_macro(const void *ctx, struct slice name);
/* Where the mail came in, for %V: Postfix sets {daemon_addr}, never {if_addr}. */
struct slice dialogue_address(const struct dialogue *d, char room[IP_TEXT_MAX]);
struct slice dialogue_hostname(const struct dialogue *d); /* the MTA's; ours where it does not tell */
/* "s-4gk2m9xq-17": the connection's name in the log, the same from its first line to its last. */
void dialogue_put_connection(const struct dialogue *d, struct buf *out);
/* What joins the lines of a connection: its own name, for Postfix has no queue id before the first accepted recipient. */
void dialogue_put_key(struct dialogue *d, struct buf *out);
void dialogue_put_host(const struct dialogue *d, struct buf *out); /* "host[192.0.2.1]" */
void dialogue_put_client(struct dialogue *d, struct buf *out);     /* "4BxyZ: addr host[192.0.2.1]" */
/* A line of the log, whose memory is given back. */
void dialogue_write_line(const struct dialogue *d, enum log_level level, struct buf *line);
/* A line about this connection: what joins its lines is put before it. */
void dialogue_log(struct dialogue *d, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* ---- decisions.c ---- */

/*
 * Something is decided about the client, the message or the recipient: it goes to the journal, and to a trace. `told` has what, sec
 * (-1: none), evaluation, line and why; the rest is taken from the dialogue. Returns what a line of the log may be about.
 */
const struct journal_entry *dialogue_decide(struct dialogue *d, const struct journal_entry *told);
/* A line of the log, with the decision that it tells of. Its memory is given back. */
void dialogue_write_about(const struct dialogue *d, const struct journal_entry *about, struct buf *line);
/* "S25R rule 1", "generic_rdns 5". NONE: its name is not suspected. */
struct slice dialogue_suspicion_text(const struct dialogue *d, char room[24]);
/* The gate is not asked about the client, the message or the recipient; whatever of them is known. why NULL: settled earlier. */
void dialogue_log_passed(struct dialogue *d, const struct policy_why *why, bool evaluation);
void dialogue_log_gone(struct dialogue *d, const char *how);
/* The connection is closed for what the MTA has sent. */
void dialogue_log_protocol(struct dialogue *d, const char *what);
/* The MTA has told a queue id: one line says which connection it belongs to, where lines without it have been written. */
void dialogue_log_queue_id(struct dialogue *d);

#endif
