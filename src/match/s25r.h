/*
 * s25r.h - Selective SMTP Rejection: does a host name look like an end user's line? Rules 1 to 6 as milter-manager 2.3.2 ships
 * them, in one pass over the name. Rule 0 (no name) is the condition's affair (policy/), as are white- and blacklist.
 */
#ifndef TARSIER_MATCH_S25R_H
#define TARSIER_MATCH_S25R_H

#include "base/slice.h"

/* The lowest rule that hits, 1 to 6, or 0 when none does. ASCII case is ignored. Linear in the length of the name. */
int s25r_match(struct slice name);

/* "rule 1: lowest label holds two runs of digits" … for logs and explain; rule 0 to 6. */
const char *s25r_rule_text(int rule);

#endif
