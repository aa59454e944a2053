/*
 * generic.h - what generic_rdns counts, as configuration: the words by class, the weights, the threshold; and the built-in
 * defaults of all three. What they mean is match/'s affair.
 */
#ifndef TARSIER_CONF_GENERIC_H
#define TARSIER_CONF_GENERIC_H

#include "base/slice.h"

/* The classes of words, in the order of match/generic.h's enum generic_class. */
enum { CONF_GENERIC_CLASSES = 5, CONF_GENERIC_WEIGHTS = 8, CONF_GENERIC_THRESHOLD = 3, CONF_GENERIC_MAX_POINTS = 100 };
enum { CONF_GENERIC_WORD_MAX = 63, CONF_GENERIC_WORDS_MAX = 1000 }; /* letters of a word; words of a class */

struct conf_generic_class {
    const char *name, *text; /* "dynamic"; what its words say */
    const char *words;       /* the default's, with blanks between */
};

extern const struct conf_generic_class conf_generic_classes[CONF_GENERIC_CLASSES];

/* What adds points, in the order of match/generic.h's enum generic_feature. */
struct conf_generic_weight {
    const char *name;
    int points; /* the default */
    const char *text;
};

extern const struct conf_generic_weight conf_generic_weights[CONF_GENERIC_WEIGHTS];

/* The next of the words; absent at their end. */
struct slice conf_generic_next_word(struct slice *rest);

#endif
