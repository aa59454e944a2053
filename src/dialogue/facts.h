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
    /* FACTS_HELO: whether the HELO name leads to the client. What came of it is dialogue.helo_proof */
    uint32_t helo_request;  /* to DNS; 0: none under way */
    uint32_t prove_request; /* to the store; 0: none under way */
    struct mono deadline;   /* of these two; ms 0: none */
};

/* Names of HELO that DNS is asked for at once, of all sessions together; more prove nothing. Others want DNS too. */
enum { FACTS_HELOS_MAX = 200 };

/* Two tries of c-ares (ADR 0005), the second one cut short; then it has proved nothing. And the store's 5 s. */
enum { FACTS_HELO_MS = 4000, FACTS_STORE_MS = 5000 };

/* True: all of these are there, as far as somebody can be asked for them. Else they are asked for now. */
MUST_CHECK bool facts_ready(struct dialogue *d, uint64_t missing);
/* An answer is under way still. */
bool facts_are_awaited(const struct dialogue *d);
/* False: it is no answer to a question of facts. */
bool facts_answered(struct dialogue *d, const struct event *event);
/* The same of the store. */
bool facts_stored(struct dialogue *d, uint32_t request, const struct grey_answer *answer);
/* Time has passed: what is awaited since long is not to be had. */
void facts_tick(struct dialogue *d);
int64_t facts_deadline_ms(const struct dialogue *d); /* 0: none */
void facts_clear(struct dialogue *d, enum facts_scope scope);
void facts_free(struct dialogue *d);

/* Keep a cursor while its line waits; a copy. The kept one: NULL where there is none. */
void facts_keep_cursor(struct dialogue *d, const struct policy_cursor *cursor);
struct policy_cursor *facts_cursor(const struct dialogue *d);
void facts_drop_cursor(struct dialogue *d);

#endif
