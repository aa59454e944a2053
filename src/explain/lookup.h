/*
 * lookup.h - what DNS says of a client and of its HELO, asked one question after the other: the reverse name, whether that leads
 * back, and where the HELO name leads. The client's look-up ends as Postfix's would (smtpd_peer.c, 3.7). Sans-I/O: whoever asks
 * DNS takes questions and gives answers.
 */
#ifndef TARSIER_EXPLAIN_LOOKUP_H
#define TARSIER_EXPLAIN_LOOKUP_H

#include "explain/explain.h"
#include "port/effect.h"
#include "port/event.h"

enum lookup_step { LOOKUP_REVERSE, LOOKUP_FORWARD, LOOKUP_HELO, LOOKUP_END };

struct lookup {
    struct ip client;
    struct slice helo;
    enum lookup_step step;
    enum policy_resolve resolve;
    enum explain_proof proof;
    struct buf name; /* the reverse name, verified or not */
    struct buf told; /* a line for each answer: "mail.example.net AAAA: no such name, or no such record" */
};

/* helo: borrowed; NONE or empty, an address or a single label: nobody is asked about it. Owner: lookup_fini. */
void lookup_begin(struct lookup *l, const struct ip *client, struct slice helo);
/* The next question; its text is l's. False: there is none left. */
MUST_CHECK bool lookup_question(const struct lookup *l, struct effect *question);
/* The answer to it. */
void lookup_answer(struct lookup *l, const struct event *answer);
/* What was found, as facts; their text is l's. */
void lookup_facts(const struct lookup *l, struct explain_facts *f);
void lookup_fini(struct lookup *l);

#endif
