/*
 * request.h - what a session asks of the memory of tuples and clients, and what it hears.
 *
 * One request carries all the keys of a decision. The pure function grey_apply (decide.h) answers it on the records as they
 * stand; the store runs it inside the writer's transaction, so no answer rests on a record that somebody else has changed since.
 */
#ifndef TARSIER_GREY_REQUEST_H
#define TARSIER_GREY_REQUEST_H

#include "base/clock.h"
#include "base/ip.h"

/*
 * A hold that was stood to the end is *served*, and earns nothing yet: who waits and then breaks the protocol is as unknown as
 * before. DATA confirms it, with one record of the client; from then on all that the client had served by then is AUTO.
 */

/*
 * A tuple as the language means it: sender and recipient cleaned and ASCII-folded (grey/clean.h), the whole address as it is.
 * client_domain is the verified base domain when `hostkey domain` may use it, else SLICE_NONE.
 */
struct grey_tuple {
    struct ip addr;             /* the client's exact address */
    unsigned addr_bits;         /* subnetmatch or subnetmatch6, whichever fits the family */
    struct slice client_domain; /* NONE: the client part of the key is the masked address */
    struct slice sender;        /* "<a@b>" */
    struct slice recipient;     /* "<c@d>" */
};

enum grey_request_kind {
    GREY_LOOK,    /* tell what is known; changes nothing (reader) */
    GREY_DECIDE,  /* greylisting's answer; makes or changes the tuple */
    GREY_PASS,    /* let in by a tarpit line: the tuple becomes AUTO, or served, for `pass` see below */
    GREY_CONFIRM, /* DATA has come after a served hold: the client becomes patient, what it has served AUTO (DESIGN 3) */
    GREY_LEFT,    /* hung up while held: left mark on tuple and client */
    GREY_RENEW,   /* an AUTO tuple (or its pair, or the client's patience) was used: extend. Nobody waits */
    GREY_PROVE, /* DNS says that the HELO name of base domain client_domain is the client's: DEFER: the domain has proved as many clients
                   * as it may (proof.h). Of no tuple */
};

enum grey_pass {
    GREY_PASS_SERVED,   /* waited to the end: the tuple is served, left marks are cleared */
    GREY_PASS_WAITED,   /* the wait was served earlier in this connection, or beside it: the tuple is served */
    GREY_PASS_RELEASED, /* an administrator lets it in: the tuple alone becomes AUTO */
    GREY_PASS_PATIENT,  /* known as patient, or the wait of this connection is confirmed: the tuple becomes AUTO */
};

struct grey_request {
    enum grey_request_kind kind;
    struct grey_tuple tuple;
    struct wall now;        /* of the decision; first sight unless first_seen is earlier */
    struct wall first_seen; /* start of the hold, else equal to now */
    int64_t delay_sec;      /* of the line that decides */
    int64_t timeout_sec;    /* life of a pending record behind its delay */
    int64_t autowhite_sec;  /* life of an AUTO record; 0: it is removed once it has passed */
    int64_t waited_sec;     /* seconds in the hold. LEFT: then it hung up; SERVED, and DECIDE where above 0
                             * (`greylist … tarpit`): to the end, left marks are cleared */
    int64_t
        patience_sec; /* CONFIRM, and renewals: life of the client's patience; 0: as autowhite_sec; below 0: not remembered */
    enum grey_pass pass; /* PASS */
    bool
        pairs; /* look at, keep and renew (client domain or address, sender's domain) too. Who has no domain is a suspect then: what
                 * a retry earns it stands on its address, and on (its network, sender's domain) */
    bool lazy; /* lazyaw: any AUTO tuple of the client counts */
};

enum grey_state {
    GREY_NEW,     /* nothing known, or what was known has expired */
    GREY_PENDING, /* seen, its delay not over */
    GREY_DUE,     /* seen, its delay over, its life not */
    GREY_AUTO,    /* let in without a wait (tuple, pair, or lazyaw's client) */
};

enum grey_via { GREY_VIA_TUPLE, GREY_VIA_PAIR, GREY_VIA_CLIENT, GREY_VIA_NETWORK };

enum grey_verdict { GREY_DEFER, GREY_ACCEPT };

/* A commit that lasts longer is slow: what needs no write is answered without it. */
enum { GREY_SLOW_MS = 200 };

enum grey_commit {
    GREY_COMMIT_NONE, /* the answer rests on records that were there */
    GREY_COMMIT_QUICK,
    GREY_COMMIT_SLOW, /* it took more than GREY_SLOW_MS from the request to the end of its commit */
};

struct grey_answer {
    bool failed;               /* the store could not do it: full, broken or too slow; the rest is not valid (DESIGN 4, 7) */
    enum grey_state state;     /* before this request changed anything */
    enum grey_via via;         /* GREY_AUTO: what made it so */
    bool patient;              /* the client is remembered as patient */
    int64_t left_sec;          /* longest left mark in force on tuple or client: seconds it stood; -1: none */
    struct wall first_seen;    /* PENDING, DUE; also after a first sight */
    int64_t remaining_sec;     /* DEFER: until a retry is let in, at least 1, never more than the delay */
    int64_t elapsed_sec;       /* PENDING, DUE: since first seen */
    struct wall expires;       /* AUTO: after this request's renewal */
    enum grey_verdict verdict; /* DECIDE */
    bool shared;               /* the record stands for many tuples of this client (store's bound) */
    uint8_t commit;            /* enum grey_commit */
};

#endif
