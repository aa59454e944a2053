/*
 * dialogue.h - what is known of one dialogue with an MTA: its client, what the MTA has said of the connection, the message and
 * the present recipient, under which plan it is. Filters read it. Nothing here acts or answers: that is the session's.
 */
#ifndef TARSIER_DIALOGUE_DIALOGUE_H
#define TARSIER_DIALOGUE_DIALOGUE_H

#include "dialogue/transcript.h"

/* Bits of dialogue.flags. */
enum {
    DIALOGUE_POSTFIX = 1u << 0,      /* {v} says so */
    DIALOGUE_IF_ADDR = 1u << 1,      /* {if_addr} came: a milter-manager is between us and the MTA */
    DIALOGUE_MTA_STRESS = 1u << 2,   /* {stress}=yes */
    DIALOGUE_LOCAL = 1u << 3,        /* family L */
    DIALOGUE_TEMP_AGAIN = 1u << 4,   /* shared_note_lookup's answer for this client */
    DIALOGUE_NAMED = 1u << 5,        /* a line of the log has called the connection by its own name */
    DIALOGUE_UNKNOWN_TOLD = 1u << 6, /* it was said of this message that a regex came to no end */
};

/* A macro beyond those that have a field of their own. */
struct macro {
    struct macro *next;
    struct slice name, value;
};

struct dialogue {
    struct shared *sh;
    struct plan *plan;     /* a counted reference */
    struct client client;  /* with the session's name and its timer */
    uint32_t flags;        /* DIALOGUE_* */
    uint32_t connection;   /* its number in the log, since the process began */
    uint32_t effort_spent; /* by regexes, on this message (regex.h) */
    uint32_t last_request; /* numbers of requests */
    uint8_t resolve;       /* enum policy_resolve */

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

    struct transcript *transcript; /* for filters that read it; NULL where there are no children */
    struct scope conn, helo_scope, mail, rcpt;
};

#endif
