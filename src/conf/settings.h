/*
 * settings.h - the tables of settings, the global ones and those of a filter: one row each. Parser, checker, printer, manual
 * page and the reload's "needs restart" read these rows; nothing else knows the settings by name. Knows values, not what they
 * do.
 */
#ifndef TARSIER_CONF_SETTINGS_H
#define TARSIER_CONF_SETTINGS_H

#include "conf/conf.h"

enum setting_type {
    SETTING_FLAG,   /* bool; the word alone means yes; yes or no may follow */
    SETTING_TIME,   /* int64_t seconds; 30m; a bare number is seconds */
    SETTING_MS,     /* int64_t milliseconds; 5ms */
    SETTING_NUMBER, /* int64_t; 4k, 1M */
    SETTING_BITS,   /* int64_t; /24 */
    SETTING_CHOICE, /* int64_t; one of the words */
    SETTING_STRING, /* const char *; "text", or the word none for NULL where default_text is NULL */
};

/* A word that stands for a value; several words may mean the same, the first is the one that is printed. */
struct setting_word {
    const char *word;
    int64_t value;
};

extern const struct setting_word setting_fallback_words[];

enum { SETTING_FALLBACK_GLOBAL = -1 }; /* a filter's fallback until the whole is checked: what the global one says */

struct setting {
    const char *name; /* one word, or two: "store max" */
    enum setting_type type;
    size_t offset;            /* in the struct of the table's values */
    int64_t value;            /* default; a FLAG's too */
    bool may_be_none;         /* STRING with a default_text: the word none is NULL all the same */
    const char *default_text; /* STRING: default; of others what the manual calls it, where no value can stand for it */
    int64_t min, max;
    const struct setting_word *words; /* CHOICE; or for TIME and NUMBER words beside the numbers; ends with word NULL */
    bool needs_restart;               /* a reload leaves it as it is */
    bool child_only;                  /* of a filter: means nothing in a builtin one */
    const char *argument;             /* the manual's name for the argument */
    const char *text;                 /* what it does, mdoc */
};

/* Rows and the struct that their offsets count in. */
struct settings_table {
    const struct setting *rows;
    size_t count;
};

const struct settings_table *settings_global(void); /* of struct conf_settings */
const struct settings_table *settings_filter(void); /* of struct conf_filter_settings */

/* Of the global ones. */
size_t settings_count(void);
const struct setting *settings_row(size_t i); /* i < settings_count() */

/* The row of this name, ignoring case; second may be SLICE_NONE. table->count when there is none. */
size_t settings_find(const struct settings_table *table, struct slice first, struct slice second);
/* Whether some row's name begins with this word and has a second one. */
bool settings_has_second(const struct settings_table *table, struct slice first);

/* values here and below: the struct that belongs to the row's table. Rows only: what has none is left as it is. */
void settings_defaults(const struct settings_table *table, void *values);

/* Where a row's value stands; of type FLAG, of type STRING, of another. */
bool *settings_flag(void *values, const struct setting *row);
const char **settings_string(void *values, const struct setting *row);
int64_t *settings_value(void *values, const struct setting *row);

/* Whether both have the same value of this row: what a reload asks for the rows that need a restart. */
bool settings_equal(const void *a, const void *b, const struct setting *row);

/* "greylist 30m", as the language writes it. */
void settings_put(const void *values, const struct setting *row, struct buf *out);
/* The value alone, as the language writes it: 30m, /24, "text", auto. */
void settings_put_value(const struct setting *row, int64_t value, struct buf *out);
/* 1800 as 30m: the largest of d, h, m, s that divides it. */
void settings_put_time(int64_t sec, struct buf *out);

#endif
