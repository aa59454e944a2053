/*
 * reach.h - does the MTA get at a milter? Tried as it would: its user, its groups, its chroot. Blocks for some seconds at
 * most.
 */
#ifndef TARSIER_SETUP_REACH_H
#define TARSIER_SETUP_REACH_H

#include "base/buf.h"

struct reach_question {
    const char *address; /* tarsier.conf's form */
    const char *user;    /* whom smtpd runs as; only root can become him, others ask as themselves */
    const char *chroot;  /* NULL: none; only root can go there */
};

enum reach_answer {
    REACH_ANSWERS,   /* a milter negotiates */
    REACH_MISSING,   /* there is no such socket, or nobody listens there */
    REACH_REFUSED,   /* rights keep it away */
    REACH_NO_MILTER, /* somebody takes the connection, and does not answer as a milter */
    REACH_FAILED,    /* anything else */
};

/* Words about all but the first go to why. The milter sees a session that ends after the negotiation. */
enum reach_answer reach_try(const struct reach_question *q, struct buf *why);

#endif
