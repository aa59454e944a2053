/*
 * json.h - flat objects of JSON, one a line: {"name":"text","n":12,"flag":true}. Strict where RFC 8259 is; nested values, fractions and
 * names of the same object twice are refused, since no line of ours has them. Why not a library: docs/adr/0029.
 */
#ifndef TARSIER_FORMATS_JSON_H
#define TARSIER_FORMATS_JSON_H

#include "base/arena.h"
#include "base/buf.h"

enum json_type { JSON_TEXT, JSON_NUMBER, JSON_FLAG };

struct json_field {
    struct slice name, text; /* TEXT: with its escapes undone. Owner: the line or the arena */
    enum json_type type;
    int64_t number; /* NUMBER */
    bool flag;      /* FLAG */
};

enum { JSON_FIELDS_MAX = 32 };

struct json_object {
    struct json_field fields[JSON_FIELDS_MAX];
    size_t count;
};

/*
 * Read one line, without its newline. Errors: ERR_SYNTAX; ERR_RANGE a number beyond 64 bits; ERR_LIMIT too many fields. *why gets a few
 * words.
 */
MUST_CHECK enum err json_parse(struct arena *arena, struct slice line, struct json_object *out, const char **why);

/* NULL when there is none of this name. */
const struct json_field *json_find(const struct json_object *o, const char *name);

/* A text with its quotes. Bytes that are no printing ASCII are written as \u00xx. */
void json_put_text(struct buf *out, struct slice text);

#endif
