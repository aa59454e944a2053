/*
 * facts.h - facts of the client and the message that others have to be asked for, for the files of this folder only.
 *
 * Whoever wants one (a filter's condition, a racl line) says which it lacks, as policy's set of bits; each is asked for once. A
 * fact belongs to a scope and goes with it. Knows no filter: who wants a fact goes on by itself when it is there. What the store
 * knows of a recipient (POLICY_FACT_LOOK) is asked by recipient.c, which has the tuple.
 */
#ifndef TARSIER_SESSION_FACTS_H
#define TARSIER_SESSION_FACTS_H

#include "session/internal.h"

/* From the widest to the narrowest: the end of one is the end of those behind it. */
enum facts_scope { FACTS_CONNECTION, FACTS_HELO, FACTS_MESSAGE, FACTS_RECIPIENT };

/* On demand: a session that asks nobody has none, and what is in none is given back. */
struct facts {
    void (*then)(struct session *s); /* WAIT_FACTS: what goes on when all is there */
    struct policy_cursor *cursor;    /* FACTS_RECIPIENT: where its racl lines wait; NULL: they do not */
    uint8_t *listed;                 /* FACTS_CONNECTION: enum policy_listed, by conf.dnsbls; NULL: none was asked */
    uint32_t *list_requests;         /* by conf.dnsbls; 0: none under way */
};

/*
 * True: all of these are there, as far as somebody can be asked for them. Else they are asked for, the session waits
 * (WAIT_FACTS), and `then` is called when they are there.
 */
MUST_CHECK bool facts_ready(struct session *s, uint64_t missing, void (*then)(struct session *s));
/* False: it is no answer to a question of facts. It may end the wait. */
bool facts_answered(struct session *s, const struct event *event);
const uint8_t *facts_listed(const struct session *s); /* for policy_session_facts */
void facts_clear(struct session *s, enum facts_scope scope);
void facts_free(struct session *s);

/* Keep a cursor while its line waits; a copy. The kept one: NULL where there is none. */
void facts_keep_cursor(struct session *s, const struct policy_cursor *cursor);
struct policy_cursor *facts_cursor(const struct session *s);
void facts_drop_cursor(struct session *s);

#endif
