/*
 * terms.h - the tests of the language, one row each: the word, what it asks about, what stands behind it, and from which stage on
 * the answer can be had. A `racl` line's clauses and the terms of an expression (`when`, `condition`) are these rows, so that a
 * new test is there for both. What a test does with the facts is policy/terms.c's, one row there too.
 */
#ifndef TARSIER_CONF_TERMS_H
#define TARSIER_CONF_TERMS_H

#include "base/stage.h"
#include "conf/conf.h"

/* What stands behind the word. */
enum terms_operand {
    OPERAND_NONE,
    OPERAND_ITEM,       /* an address, name, … of the row's kind of items */
    OPERAND_LIST,       /* "name" of a list */
    OPERAND_RECIPIENTS, /* rcpt ITEM | list "name" of recipients */
    OPERAND_SESSIONS,   /* nothing, or a number */
    OPERAND_DNSBL,      /* nothing, or "name" of a dnsrbl */
    OPERAND_HEADER,     /* "Name", and perhaps a regex */
    OPERAND_MACRO,      /* "{name}", and perhaps a text or a regex */
    OPERAND_REGEX,
    OPERAND_SIZE,     /* > 10M */
    OPERAND_TIME,     /* "0-59 8-17 * * 1-5" */
    OPERAND_FILTER,   /* "name" and what became of it */
    OPERAND_DURATION, /* 125s */
};

/* Where it may stand. What is known only behind RCPT is refused in a racl line, by its stage. */
enum { TERMS_RACL = 1u << 0, TERMS_WHEN = 1u << 1, TERMS_ALL = TERMS_RACL | TERMS_WHEN };

struct terms_row {
    const char *word;
    enum conf_term_kind kind;
    enum terms_operand operand;
    enum conf_item_kind items; /* OPERAND_ITEM */
    enum stage known;          /* at the latest */
    unsigned places;           /* TERMS_* */
};

size_t terms_count(void);
const struct terms_row *terms_row(size_t i);
/* NULL: no test of one of these places is called so. */
const struct terms_row *terms_find(struct slice word, unsigned places);
enum terms_operand terms_operand(enum conf_term_kind kind);
/* Its answer cannot be had before DATA. Not for the name of a condition. */
bool terms_is_late(enum conf_term_kind kind);

#endif
