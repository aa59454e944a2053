/* terms.h - the single terms of a condition; for the files of policy/ only. */
#ifndef TARSIER_POLICY_TERMS_H
#define TARSIER_POLICY_TERMS_H

#include "policy/compiled.h"
#include "policy/items.h"

struct question;

/* What there is to know of a test beside its word (conf/terms.h): one row for each kind, in terms.c. */
struct term_kind {
    enum policy_truth (*judge)(struct question *q);
    unsigned needs;   /* enum policy_need: what the MTA must be asked for */
    bool is_dear;     /* what a condition has said of it is remembered */
    bool asks_others; /* DNS: its answer may have to be waited for */
};

/* Not for TARPIT, which only a line at hand can judge (cursor.c). */
const struct term_kind *term_kind(enum conf_term_kind kind);

/* What regexes have caught where a line of ACLs has them: those that took part in the match. */
struct term_groups {
    struct slice text[REGEX_GROUPS_MAX];
    unsigned count;
};

/*
 * What the facts of this stage tell of one term. Where it waits for facts that somebody must be asked for, their bits come into
 * *missing. May be LATER at STAGE_EOM too: the caller knows that nothing follows. why: only what s25r and its like say of
 * themselves. groups may be NULL; else cleared by the caller.
 */
enum policy_truth term_judge(const struct policy *p, const struct term *t, const struct policy_facts *f,
                             struct policy_why *why, uint64_t *missing, struct term_groups *groups);

/* condition.c: a term that names one; last: the stage that it is asked at the latest. */
enum policy_truth condition_judge_term(const struct policy *p, const struct term *t, const struct policy_facts *f,
                                       enum stage last, struct policy_why *why, uint64_t *missing);

enum policy_truth generic_judge_client(const struct policy *p, const struct policy_facts *f, struct policy_why *why);
enum policy_truth helo_judge_client(const struct policy *p, const struct policy_facts *f, struct policy_why *why,
                                    uint64_t *missing);
enum policy_truth nameless_judge(const struct policy_facts *f, struct policy_why *why);
enum policy_truth s25r_judge(const struct policy *p, const struct policy_facts *f, struct policy_why *why);

#endif
