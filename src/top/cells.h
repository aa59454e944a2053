/* cells.h - text by the columns of a terminal: a letter of East Asia takes two, an accent that combines takes none. */
#ifndef TARSIER_TOP_CELLS_H
#define TARSIER_TOP_CELLS_H

#include "base/buf.h"

/*
 * Append what of the text fits into so many columns. What is cut ends in '+'. Where `pad` is set blanks fill the rest. One
 * '?' stands for each control character (of C0, C1 and of writing direction), each byte that is not UTF-8, and, unless `utf8`
 * is set, each character beyond ASCII. Returns how many columns are used.
 */
size_t cells_put(struct buf *out, struct slice text, size_t columns, bool pad, bool utf8);

/* How many bytes of the text fit into so many columns, at least one character of a text that is not empty. */
size_t cells_fit(struct slice text, size_t columns, bool utf8);

#endif
