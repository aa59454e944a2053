/*
 * nobody.h - a second built-in filter, of the tests only: what src/filter/filter.h demands of one, and no more. A filter block
 * that connects to "unix:/nobody" is one of this kind, for the language has no word for it.
 *
 * It refuses a recipient whose local part is "nobody", and adds "X-Nobody: N" at the end of the message: so many recipients it
 * has seen, with the edits of those before it.
 */
#ifndef TARSIER_TESTS_NOBODY_H
#define TARSIER_TESTS_NOBODY_H

#include "filter/filter.h"

extern const struct filter_kind nobody_kind;

#endif
