/* compile.h - what the files that compile share; for the files of policy/ only. */
#ifndef TARSIER_POLICY_COMPILE_H
#define TARSIER_POLICY_COMPILE_H

#include "policy/compiled.h"

struct compiler {
    struct policy *p;
    struct diags *diags;
};

/* Errors go to diags; then nothing is added. */
void compile_regex(struct compiler *c, const struct conf_regex *regex, struct policy_regex **regexes, size_t *n,
                   size_t *cap);
/* What addr, domain, from, rcpt, helo and list compare with. */
const struct policy_items *compile_items(struct compiler *c, const struct conf_term *from);
/* The MTA must be asked for this macro; name lives as long as the policy. */
void compile_note_macro(struct policy *p, const char *name);
void compile_note_items(struct policy *p, const struct policy_items *items);

/* compile_condition.c */
void compile_term(struct compiler *c, const struct conf_term *from, struct term *to);
/* What it wants of the MTA, with the condition that it may name. */
void compile_note_term(struct policy *p, const struct term *t);
void compile_conditions(struct compiler *c);
void compile_filters(struct compiler *c);
/* What the conditions of those filters that may be asked want of the MTA. */
void compile_note_filters(struct policy *p);

#endif
