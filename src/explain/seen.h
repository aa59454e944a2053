/* seen.h - each test of the filters' conditions with what it saw, in words. */
#ifndef TARSIER_EXPLAIN_SEEN_H
#define TARSIER_EXPLAIN_SEEN_H

#include "explain/explain.h"

struct seen {
    size_t filter; /* its number */
    unsigned depth;
    enum policy_truth truth;
    struct slice term; /* as in the configuration */
    struct slice why;  /* empty: there is nothing to say */
};

struct seen_list {
    struct seen *items;
    size_t count, cap;
};

/* The tests of all filters, in the order of the file. Owner: seen_fini; text is in arena. */
void seen_all(const struct plan *plan, const struct explain_facts *f, const struct policy_facts *facts, struct arena *arena,
              struct seen_list *out);
void seen_fini(struct seen_list *l);

/* "no", "yes", "not known yet", … */
const char *seen_truth(enum policy_truth truth);
/* "no reverse name", … */
const char *seen_resolve(enum policy_resolve resolve);

/* What generic_rdns says of the name, also where no filter's condition asks for it. */
bool seen_is_generic(const struct plan *plan, const struct policy_facts *facts);

/* What a test saw that stands without an argument, by its kind. */
void seen_put_why(const struct plan *plan, enum conf_term_kind kind, const struct explain_facts *f,
                  const struct policy_facts *facts, const struct policy_why *why, enum policy_truth truth, struct buf *out);

#endif
