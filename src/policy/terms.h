/* terms.h - the single terms of a condition; for the files of policy/ only. */
#ifndef TARSIER_POLICY_TERMS_H
#define TARSIER_POLICY_TERMS_H

#include "policy/compiled.h"

/*
 * What the facts of this stage tell of one term that is no named condition. Where it waits for DNS the lists' bits come into
 * *lists. May be LATER at STAGE_EOM too: the caller knows that nothing follows. why: only what s25r says of itself.
 */
enum policy_truth term_judge(const struct policy *p, const struct term *t, const struct policy_facts *f,
                             struct policy_why *why, uint32_t *lists);

enum policy_truth generic_judge_client(const struct policy *p, const struct policy_facts *f, struct policy_why *why);
enum policy_truth nameless_judge(const struct policy_facts *f, struct policy_why *why);
enum policy_truth s25r_judge(const struct policy *p, const struct policy_facts *f, struct policy_why *why);

#endif
