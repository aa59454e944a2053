/*
 * facts.h - facts of the client and the message that others have to be asked for.
 *
 * Whoever wants one (a filter's condition, a racl line) says which it lacks, as policy's set of bits; each is asked for once. A
 * fact belongs to a scope and goes with it. Knows no filter: who wants a fact goes on by itself when it is there. What the store
 * knows of a recipient (POLICY_FACT_LOOK) is asked by the greylist filter, which has the tuple.
 */
#ifndef TARSIER_DIALOGUE_FACTS_H
#define TARSIER_DIALOGUE_FACTS_H

#include "dialogue/dialogue.h"

/* From the widest to the narrowest: the end of one is the end of those behind it. */
enum facts_scope { FACTS_CONNECTION, FACTS_HELO, FACTS_MESSAGE, FACTS_RECIPIENT };

/* On demand: a session that asks nobody has none, and what is in none is given back. */
struct facts {
    struct policy_cursor *cursor; /* FACTS_RECIPIENT: where its racl lines wait; NULL: they do not */
    uint8_t *listed;              /* FACTS_CONNECTION: enum policy_listed, by conf.dnsbls; NULL: none was asked */
    uint32_t *list_requests;      /* by conf.dnsbls; 0: none under way */
};

/* True: all of these are there, as far as somebody can be asked for them. Else they are asked for now. */
MUST_CHECK bool facts_ready(struct dialogue *d, uint64_t missing);
/* An answer is under way still. */
bool facts_are_awaited(const struct dialogue *d);
/* False: it is no answer to a question of facts. */
bool facts_answered(struct dialogue *d, const struct event *event);
const uint8_t *facts_listed(const struct dialogue *d); /* for policy_session_facts */
void facts_clear(struct dialogue *d, enum facts_scope scope);
void facts_free(struct dialogue *d);

/* Keep a cursor while its line waits; a copy. The kept one: NULL where there is none. */
void facts_keep_cursor(struct dialogue *d, const struct policy_cursor *cursor);
struct policy_cursor *facts_cursor(const struct dialogue *d);
void facts_drop_cursor(struct dialogue *d);

#endif
