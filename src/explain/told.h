/* told.h - what is explained, before it is put into words: for the text and for JSON. */
#ifndef TARSIER_EXPLAIN_TOLD_H
#define TARSIER_EXPLAIN_TOLD_H

#include "explain/dialogue.h"
#include "explain/seen.h"

struct told {
    struct plan *plan;
    const struct explain_facts *f;
    struct policy_facts facts; /* at RCPT */
    struct grey_tuple tuple;
    struct grey_memory *memory; /* what is known before the mail */
    struct seen_list seen;
    struct outcome first; /* the client stays where it is held */
    struct arena arena;
};

/* resolve of f is filled in where it is ABSENT. Errors: as explain. Owner: told_fini, also after an error; f must outlive it. */
MUST_CHECK enum err told_begin(struct told *t, struct plan *plan, struct explain_facts *f, const char **error);
void told_fini(struct told *t);

struct told_filter {
    const char *text; /* "is asked", … */
    bool unknown;     /* … for its condition is unknown */
};
struct told_filter told_filter(const struct told *t, size_t number);

/* The racl line that decides. False: the lines are not asked. */
MUST_CHECK bool told_line(const struct told *t, struct policy_verdict *out);

/* "held", "deferred", "refused", "passes untouched" (nobody asks about it), "let in" or "closed". */
const char *told_verdict(const struct told *t);

#endif
