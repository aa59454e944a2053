/*
 * print_parts.h - what the printer's files share. Where the language has a trap (a string that ends in a backslash), these
 * step round it; one_line: it is for a reader, not for the parser.
 */
#ifndef TARSIER_CONF_PRINT_PARTS_H
#define TARSIER_CONF_PRINT_PARTS_H

#include "conf/conf.h"

/*
 * A quote behind a backslash ends a string only when no other follows on the line: so what ends in a backslash must be the
 * last of its line. Call it behind the quote.
 */
void print_end_backslash(struct buf *out, bool one_line);
void print_string(const char *text, struct buf *out, bool one_line);
void print_regex(const struct conf_regex *re, struct buf *out, bool one_line);
void print_item(enum conf_item_kind kind, const struct conf_item *item, struct buf *out, bool one_line);
void print_term(const struct conf_term *term, struct buf *out, bool one_line);
const struct conf_regex *print_term_regex(const struct conf_term *term); /* NULL: it has none */
void print_expr(const struct conf_expr *e, struct buf *out, bool one_line);
/* A regex of the expression itself, not of the conditions it names; NULL: none. All of one statement are of one sort. */
const struct conf_regex *print_expr_regex(const struct conf_expr *e);

/* A line that tells where the following comes from. */
void print_origin(struct buf *out, const struct conf_where *where);
/* Blanks and the origin as a comment, behind what begins at byte `from`; ends the line. */
void print_padded_origin(struct buf *out, size_t from, const struct conf_where *where);
void print_generic(const struct conf_generic *g, struct buf *out);

#endif
