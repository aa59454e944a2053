/*
 * textset.h - a set of texts, asked for equality or for a suffix, ignoring ASCII case: in time that depends on the question's
 * length, not on the number of texts. The texts are borrowed and must outlive the set.
 */
#ifndef TARSIER_POLICY_TEXTSET_H
#define TARSIER_POLICY_TEXTSET_H

#include "base/slice.h"

struct textset_slot;

/* A zeroed struct textset is an empty set. Owner: textset_fini frees. */
struct textset {
    struct textset_slot *slots;
    size_t count, cap; /* cap: a power of two, or 0 */
    uint8_t *lengths;  /* by length in bytes: 1 where a text of that length is there */
    size_t max_len;
};

/* The same text again (ignoring case) is not added twice. */
void textset_add(struct textset *s, struct slice text);

/* The member that equals text, or is a suffix of it (the shortest); SLICE_NONE when there is none. */
struct slice textset_find(const struct textset *s, struct slice text);
/* at_label: only where the suffix is all of text, begins behind a dot, or begins with one. */
struct slice textset_find_suffix(const struct textset *s, struct slice text, bool at_label);

void textset_fini(struct textset *s);

#endif
