/*
 * doorman.h - a second gate, of the tests only: what src/filter/filter.h demands of one, and no more. A filter block that connects
 * to "unix:/doorman" is one of this kind, for the language has no word for it.
 *
 * It puts off a recipient whose local part is "stranger", lets the others in after a second, and adds "X-Doorman: N" at the end of
 * the message: so many it has let in.
 */
#ifndef TARSIER_TESTS_DOORMAN_H
#define TARSIER_TESTS_DOORMAN_H

#include "filter/filter.h"

extern const struct filter_kind doorman_kind;

#endif
