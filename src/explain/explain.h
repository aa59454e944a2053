/*
 * explain.h - what would happen to a mail, told: the daemon's own engine plays the dialogue on given facts and a given memory,
 * with a client that stays and, where it would be held, with one that hangs up. Reads no clock and opens nothing.
 */
#ifndef TARSIER_EXPLAIN_EXPLAIN_H
#define TARSIER_EXPLAIN_EXPLAIN_H

#include "base/buf.h"
#include "formats/wanted.h"
#include "grey/record.h"
#include "plan/plan.h"
#include "policy/policy.h"

enum explain_proof {
    EXPLAIN_NOT_ASKED,      /* DNS fails: nothing is proved, and nobody is listed */
    EXPLAIN_NO_PROOF,       /* every name is absent, and no DNS list knows the client */
    EXPLAIN_HELO_LEADS,     /* the HELO name leads to the client, other names are absent */
    EXPLAIN_HELO_ELSEWHERE, /* it leads to other addresses */
    EXPLAIN_HELO_FAILED,    /* nothing was heard about it */
};

struct explain_facts {
    struct ip client;
    struct slice name;              /* verified name; NONE or empty: it has none */
    struct slice ptr;               /* unverified name (resolve FORGED, TEMP) */
    enum policy_resolve resolve;    /* ABSENT: by name: OK or FAIL */
    struct slice helo;              /* NONE: the name */
    struct slice sender, recipient; /* with or without angle brackets */
    const struct slice *more_recipients;
    size_t n_more;
    enum explain_proof proof;          /* what DNS says of the HELO name */
    struct slice authenticated;        /* login; NONE: not */
    bool unwatched;                    /* the client's connection cannot be watched */
    struct slice looked_up;            /* what DNS has answered, line by line; NONE or empty: it was not asked */
    struct slice state;                /* what is remembered, see below; NONE or empty: nothing */
    bool has_records;                  /* a store was asked for what it remembers; not with a state */
    const struct grey_record *records; /* what it has, as it stands there (explain_wanted) */
    size_t n_records;
    struct wall now;
};

/* The facts as conditions and lines see them at RCPT. resolve must not be ABSENT. Owner: new text is in arena. */
struct policy_facts explain_policy_facts(const struct explain_facts *f, struct arena *arena);

/*
 * Which records of a store count for the mail: those that the daemon would be answered on. Owner: text is in arena, or the facts'.
 */
void explain_wanted(const struct plan *plan, const struct explain_facts *f, struct arena *arena, struct wanted *out);

/*
 * The states: "held 40 s and left [5 min ago]", "first seen 31 min ago", "waited [2 d ago]", "let in 3 d ago".
 * Units s, min (m), h, d, w.
 *
 * Append the whole explanation. Errors: ERR_SYNTAX, the state cannot be read: error (static text) says what would be understood.
 */
MUST_CHECK enum err explain(struct plan *plan, const struct explain_facts *facts, struct buf *out, const char **error);
/* The same as one object of JSON. */
MUST_CHECK enum err explain_json(struct plan *plan, const struct explain_facts *facts, struct buf *out, const char **error);

#endif
