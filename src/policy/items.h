/* items.h - ask the items of a clause or a list; for the files of policy/ only. */
#ifndef TARSIER_POLICY_ITEMS_H
#define TARSIER_POLICY_ITEMS_H

#include "policy/compiled.h"

struct items_question {
    const struct policy_facts *f;
    bool without_formats; /* HELO: leave out those with a % */
    /* the answer, beside yes or no; the asker clears it */
    bool undecided;                        /* a regex came to no end */
    struct slice groups[REGEX_GROUPS_MAX]; /* of the regex that matched */
    unsigned n_groups;                     /* that it has */
};

bool items_match(struct items_question *q, const struct policy_items *items);

/* The entry of list that covers name, as written; NULL: none, or (*unknown, which is only ever set) a regex came to no end. */
const char *names_find(const struct name_list *list, struct slice name, struct regex_effort *effort, bool *unknown);

#endif
