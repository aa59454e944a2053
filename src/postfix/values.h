/*
 * values.h - what postconf(1) prints (Postfix 3.4 to 3.10), taken apart: `name = value` of main.cf, `service/type/name =
 * value` of master.cf's -o options (postconf -P), `service/type/field = value` of its columns (postconf -F). Knows text;
 * runs nothing.
 */
#ifndef TARSIER_POSTFIX_VALUES_H
#define TARSIER_POSTFIX_VALUES_H

#include "base/arena.h"

struct postfix_value {
    struct slice service; /* "smtp/inet"; empty: main.cf */
    struct slice name, value;
};

struct postfix_values {
    struct postfix_value *items; /* in the order of the text */
    size_t n;
};

/* Lines of another form are passed over. Owner: items lie in the arena, slices are borrowed from the text. */
void postfix_values_read(struct arena *arena, struct slice text, struct postfix_values *out);

/* The value; SLICE_NONE when it does not stand there. service: NULL for main.cf. */
struct slice postfix_value(const struct postfix_values *v, const char *service, const char *name);

/* The next word of a list, parted by blanks and commas (Postfix's CHARS_COMMA_SP); false at the end. */
bool postfix_word(struct slice *rest, struct slice *word);

#endif
