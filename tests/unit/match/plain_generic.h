/*
 * plain_generic.h - the judgement of names a second time, as slowly and plainly as the rules read: every text is written out
 * and looked for, every pattern is compared with every word. For comparison with match/generic.h by unit test and fuzzer.
 */
#ifndef TARSIER_TESTS_PLAIN_GENERIC_H
#define TARSIER_TESTS_PLAIN_GENERIC_H

#include "match/generic.h"

/* The built-in words and weights of conf/generic.h, as the matcher takes them. Owner: generic_words_free(rules->words). */
struct generic_rules plain_default_rules(void);

/* With the built-in words and weights. Returns the points; the sentences are appended to *reasons. */
int plain_judge(const struct domain_list *list, struct slice name, const struct ip *ip, struct buf *reasons);

#endif
